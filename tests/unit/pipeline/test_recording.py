"""A session whose audio is a whole recording: the events it writes."""

from itertools import pairwise

import pytest

from greffier_models.errors import EngineError
from greffier_models.fakes import FakeVad
from greffier_models.types import AudioWindow, Hypothesis, RecognitionOptions
from greffier_server.core.events import (
    GapFound,
    LanguageDetected,
    RecognitionFinished,
    SegmentClosed,
    StageFailed,
)
from greffier_server.core.segments import Segmenter
from greffier_server.pipeline.clock import ManualClock
from greffier_server.pipeline.feed import AudioFeed
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.recording import RecordingRecognition
from greffier_server.pipeline.transcribe import RecordingTranscriber
from tests.support.recordings import Listener, committed_words, keep_in_memory, recording_of

pytestmark = [pytest.mark.unit, pytest.mark.virtual_time]

TALK = recording_of([(60, 300)] * 150, stops=range(9, 150, 10), end_ms=1_000)


async def recognise(recognizer: Listener, *, language: str | None = "fr") -> EventLog:
    log = EventLog("t", "s", clock=ManualClock(), sink=keep_in_memory)
    feed = AudioFeed()
    feed.put(TALK.pcm)
    feed.end()
    noticed: list[int] = []
    recognition = RecordingRecognition(
        log=log,
        feed=feed,
        segmenter=Segmenter(),
        transcriber=RecordingTranscriber(recognizer=recognizer, detector=FakeVad()),
        engine=str(recognizer.identity),
        language=language,
        expected=("fr", "en"),
        on_progress=lambda: noticed.append(recognition.heard_ms),
    )
    await recognition.run()
    assert noticed == sorted(noticed)
    assert recognition.heard_ms == noticed[-1] == TALK.duration_ms
    return log


async def test_words_become_segments_of_sentences() -> None:
    log = await recognise(Listener())
    assert [word.text for word in committed_words(log.records)] == TALK.texts
    events = [record.event for record in log.records]
    closed = [event for event in events if isinstance(event, SegmentClosed)]
    assert len(closed) > 2
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(closed))
    assert isinstance(events[-1], RecognitionFinished)
    assert not [event for event in events if isinstance(event, LanguageDetected)]
    engines = {record.engine for record in log.records}
    assert engines == {str(Listener().identity)}
    ends = [record.audio_to_ms for record in log.records]
    assert ends == sorted(ends)


async def test_a_followed_language_is_recorded_once() -> None:
    log = await recognise(Listener(), language=None)
    found = [r.event for r in log.records if isinstance(r.event, LanguageDetected)]
    assert [event.language for event in found] == ["en"]
    assert [word.text for word in committed_words(log.records)] == TALK.texts


async def test_what_cannot_be_decoded_is_a_gap_and_one_failure_is_told() -> None:
    class Broken(Listener):
        async def transcribe(
            self,
            window: AudioWindow,
            options: RecognitionOptions,
            *,
            deadline_ms: int = 0,
            priority: int = 0,
            stream: tuple[str, str] = ("", ""),
        ) -> Hypothesis:
            raise EngineError("Broken.")

    log = await recognise(Broken())
    events = [record.event for record in log.records]
    gaps = [event for event in events if isinstance(event, GapFound)]
    assert len(gaps) > 2
    assert {gap.cause for gap in gaps} == {"engine_failed"}
    assert all(a.to_ms <= b.from_ms for a, b in pairwise(gaps))
    assert len([event for event in events if isinstance(event, StageFailed)]) == 1
    assert isinstance(events[-1], RecognitionFinished)
