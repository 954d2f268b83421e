"""Settings of recognition as they are read off a record."""

import pytest

from greffier_models.types import EngineIdentity
from greffier_server.core.alignatt import AlignAttSettings
from greffier_server.core.events import RecognitionBegun
from greffier_server.core.speech import SpeechSettings
from greffier_server.pipeline.listening import Listening

pytestmark = pytest.mark.unit


def _begun(dials: dict[str, int | float]) -> RecognitionBegun:
    return RecognitionBegun("e", "m", "", "", "alignatt", dials, {}, (), 0, {})


def test_what_is_recorded_is_read_again() -> None:
    listening = Listening(AlignAttSettings(hop_ms=700), SpeechSettings(on=0.4), ("fr",))
    begun = listening.recorded(EngineIdentity("e", "m", "", ""), from_byte=0, versions={})
    assert Listening.of(begun) == listening


def test_a_record_from_before_a_dial_was_there_is_heard_as_it_was() -> None:
    listening = Listening.of(_begun({"hop_ms": 1_000, "context_ms": 6_000}))
    assert isinstance(listening.policy, AlignAttSettings)
    assert listening.policy.context_more_ms == 0
    assert listening.policy.reach_ms == 6_000


def test_a_dial_that_is_no_more_is_left_out() -> None:
    listening = Listening.of(_begun({"hop_ms": 900, "of_old": 3}))
    assert isinstance(listening.policy, AlignAttSettings)
    assert listening.policy.hop_ms == 900
