"""The settings of an OpenAI realtime session."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeTranscriptionSessionCreateResponse

from greffier.protocol import AudioFormat
from greffier_server.transport.openai.configuration import LOGPROBS, Configuration
from greffier_server.transport.openai.errors import ParameterRefused

pytestmark = pytest.mark.unit


def today(**given_: Any) -> dict[str, Any]:
    return {"type": "transcription", "audio": {"input": given_}}


def test_both_shapes_ask_for_the_same() -> None:
    transcription = {"model": "whisper-1", "language": "fr", "prompt": "SDIS, COS"}
    now = Configuration().updated(
        {
            **today(
                format={"type": "audio/pcmu"},
                transcription=transcription,
                turn_detection=None,
                noise_reduction=None,
            ),
            "include": [LOGPROBS, "x"],
        }
    )
    before = Configuration().updated(
        {
            "input_audio_format": "g711_ulaw",
            "input_audio_transcription": transcription,
            "turn_detection": None,
            "include": [LOGPROBS],
        }
    )
    assert now == before
    assert now.manual
    assert now.logprobs
    assert now.start().format == AudioFormat("mulaw", 8_000)
    assert [entry.term for entry in now.start().glossary] == ["SDIS", "COS"]


def test_what_is_not_named_stays() -> None:
    first = Configuration().updated(today(format={"type": "audio/pcma"}, turn_detection=None))
    second = first.updated(today(transcription={"language": "fr"}))
    assert second.format == first.format
    assert second.manual
    third = second.updated(today(turn_detection={"type": "semantic_vad", "eagerness": "low"}))
    assert third.turn_detection == {"type": "semantic_vad", "eagerness": "low"}
    assert third.language == "fr"


def test_what_is_shown_is_what_their_types_hold() -> None:
    now = Configuration().updated(today(transcription={"model": "gpt-4o-transcribe"}))
    shown = now.shown("sess_1", expires_at=1)
    session = RealtimeTranscriptionSessionCreateResponse.model_validate(shown, strict=True)
    assert session.audio is not None
    assert session.audio.input is not None
    assert session.audio.input.transcription is not None
    assert session.audio.input.transcription.model == "gpt-4o-transcribe"
    earlier = now.shown_earlier("sess_1", expires_at=1)
    assert earlier["input_audio_format"] == "pcm16"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(["format", "transcription", "turn_detection", "language", "prompt"])
DEEP = st.recursive(VALUES, lambda inner: st.dictionaries(FIELDS, inner, max_size=3), max_leaves=8)


@given(DEEP)
def test_any_update_is_taken_or_refused_by_name(update: Any) -> None:
    for session in (update, today(transcription=update), {"audio": {"input": update}}):
        try:
            now = Configuration().updated(session)
        except ParameterRefused as error:
            assert error.param.startswith("session")  # noqa: PT017 - or it is taken
        else:
            assert now.start().format.rate >= 8_000
