"""Which corrections a reader is told, and what of them."""

import pytest

from greffier.protocol import Correction, CorrectionKind, CorrectionTarget
from greffier_server.core.events import Corrected
from greffier_server.transport.wire import WireMapping
from tests.support.sessions import chain

pytestmark = pytest.mark.unit


def _told(mapping: WireMapping, kind: CorrectionKind, language: str = "") -> list[str]:
    target = CorrectionTarget(kind, segment=1, language=language)
    (record,) = chain(Corrected("Mme Élue", target, "a", "b"))
    messages = mapping.messages(record)
    assert all(isinstance(message, Correction) for message in messages)
    return [message.who for message in messages if isinstance(message, Correction)]


@pytest.mark.parametrize("kind", ["words", "speaker", "minutes", "verdict", "action", "alert"])
def test_those_who_work_here_are_told_all(kind: CorrectionKind) -> None:
    assert _told(WireMapping(), kind) == ["Mme Élue"]


@pytest.mark.parametrize(
    ("kind", "told"),
    [("words", [""]), ("speaker", [""]), ("minutes", []), ("verdict", []), ("action", [])],
)
def test_a_viewer_by_link_is_told_of_what_is_shown(kind: CorrectionKind, told: list[str]) -> None:
    assert _told(WireMapping(minutes=False), kind) == told


def test_a_translation_concerns_those_who_read_it() -> None:
    assert _told(WireMapping(languages=("de",)), "translation", "en") == []
    assert _told(WireMapping(languages=("en",)), "translation", "en") == ["Mme Élue"]
