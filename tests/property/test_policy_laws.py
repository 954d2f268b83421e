"""Laws of recognition over encoded speech: nothing lost, nothing twice, nothing changed."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from greffier_models.fakes import FakeRecognizer, RecognitionDials
from greffier_models.types import Hypothesis, Pcm, RecognitionOptions, Word
from greffier_server.core.events import (
    RecognitionFinished,
    SegmentClosed,
    SegmentOpened,
    TextWithheld,
    WordsCommitted,
)
from tests.support.recordings import (
    Listener,
    Recognised,
    Recording,
    chunkings,
    recognise,
    recording_of,
    recordings,
)
from tests.support.virtual_time import run

pytestmark = pytest.mark.property

Cut = Literal["garbled", "dropped"]


def _check(recording: Recording, result: Recognised) -> None:
    assert result.texts == recording.texts
    for heard, said in zip(result.words, recording.words, strict=True):
        assert heard.start_ms == said.start_ms
        assert said.end_ms - 32 <= heard.end_ms <= said.end_ms  # clipped to whole frames of speech
    assert isinstance(result.events[-1], RecognitionFinished)
    assert not [event for event in result.events if isinstance(event, TextWithheld)]
    _check_segments(result)


def _check_segments(result: Recognised) -> None:
    """Segments are opened, filled and closed one after the other, and hold every word."""
    now, last_end = 0, 0
    for event in result.events:
        match event:
            case SegmentOpened(segment=segment, start_ms=start_ms):
                assert segment == now + 1
                assert start_ms >= last_end
                now = segment
            case WordsCommitted(segment=segment, words=words):
                assert segment == now
                assert words
            case SegmentClosed(segment=segment, start_ms=start_ms, end_ms=end_ms):
                assert segment == now
                assert last_end <= start_ms <= end_ms
                last_end = end_ms
            case _:
                pass
    assert all(segment.closed and segment.words for segment in result.state.segments.values())


@given(
    recording=recordings(),
    cut=st.sampled_from(["garbled", "dropped"]),
    language=st.sampled_from(["fr", None]),
)
@example(recording=Recording((), 0), cut="garbled", language=None)
@example(recording=Recording((), 7_013), cut="garbled", language="fr")
def test_every_word_is_committed_once_in_order(
    recording: Recording, cut: Cut, language: str | None
) -> None:
    listener = Listener(FakeRecognizer(RecognitionDials(cut_words=cut)))
    result = run(recognise([recording.pcm], recognizer=listener, language=language))
    _check(recording, result)


@given(
    recording=recordings(least_end_ms=700),
    unstable_ms=st.integers(0, 280),
    instability=st.floats(0.1, 1.0),
    language=st.sampled_from(["fr", None]),
)
def test_misheard_last_words_are_never_committed(
    recording: Recording, unstable_ms: int, instability: float, language: str | None
) -> None:
    dials = RecognitionDials(unstable_ms=unstable_ms, instability=instability)
    result = run(
        recognise([recording.pcm], recognizer=Listener(FakeRecognizer(dials)), language=language)
    )
    _check(recording, result)


@given(
    data=st.data(),
    recording=recordings(),
    turns=st.integers(0, 20),
    ms_between=st.sampled_from([0, 1, 700]),
)
def test_any_arrival_of_the_same_audio_gives_the_same_segments(
    data: st.DataObject, recording: Recording, turns: int, ms_between: int
) -> None:
    pcm = recording.pcm
    chunks: list[Pcm] = data.draw(chunkings(pcm))
    whole = run(recognise([pcm]))
    parts = run(recognise(chunks, turns_between=turns, ms_between=ms_between))
    _check(recording, parts)
    assert parts.segments == whole.segments
    assert parts.words == whole.words


def _long_speech(words: int, *, pause_ms: int = 30, length_ms: int = 300) -> Recording:
    return recording_of([(pause_ms, length_ms)] * words)


@pytest.mark.parametrize("pause_ms", [0, 30, 200])
@pytest.mark.parametrize("language", ["fr", None])
def test_speech_longer_than_any_window(pause_ms: int, language: str | None) -> None:
    recording = _long_speech(300, pause_ms=pause_ms)
    assert recording.duration_ms > 60_000
    _check(recording, run(recognise([recording.pcm], language=language)))
