"""The recognition of a session whose audio is a whole recording: passages in, segments out.

It stands where `pipeline/recognise.py` stands in a live session and writes the same events, so that
translation, minutes and exports see no difference.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from greffier_models.types import SAMPLES_PER_MS, Pcm
from greffier_server.core.events import (
    Event,
    GapFound,
    LanguageDetected,
    RecognitionFinished,
    StageFailed,
    TextWithheld,
)
from greffier_server.core.segments import Segmenter
from greffier_server.pipeline.feed import AudioFeed
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.transcribe import ENGINE_FAILED, Passage, RecordingTranscriber

__all__ = ["RecordingRecognition"]

_TAKE_MS = 5_000


class RecordingRecognition:
    """Transcribes the feed to its end; the feed is read as far ahead as the transcriber wants.

    Args:
        log: where events go.
        feed: durable audio.
        segmenter: words to segments.
        transcriber: the engine of recordings.
        engine: identity of the model, as events carry it.
        language: ISO 639-1; None = followed.
        expected: languages likely to be spoken, where the language is followed.
        hotwords: names and terms the recogniser should expect; asked for window by window.
        start_ms: where the feed begins on the session's clock.
        channel: of the audio, from 1; 0 = all mixed.
        on_progress: called whenever more audio has been looked at.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        feed: AudioFeed,
        segmenter: Segmenter,
        transcriber: RecordingTranscriber,
        engine: str,
        language: str | None,
        expected: Sequence[str] = (),
        hotwords: Callable[[], tuple[str, ...]] = tuple,
        start_ms: int = 0,
        channel: int = 0,
        on_progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._log = log
        self._feed = feed
        self._segmenter = segmenter
        self._transcriber = transcriber
        self._engine = engine
        self._language = language
        self._expected = expected
        self._hotwords = hotwords
        self._start_ms = start_ms
        self._samples = start_ms * SAMPLES_PER_MS
        self._channel = channel
        self._on_progress = on_progress
        self._spoken: str | None = None
        self._failing = False

    @property
    def heard_ms(self) -> int:
        """Audio the transcriber has taken."""
        return self._samples // SAMPLES_PER_MS

    async def run(self) -> None:
        """Recognise to the end; returns when that is recorded."""
        await self.listen()
        await self.finish()

    async def finish(self) -> None:
        """Record that all is recognised."""
        await self._record([RecognitionFinished()], 0, self.heard_ms)
        self._on_progress()

    async def listen(self) -> None:
        """Recognise to the end of the feed; returns when the last word is recorded."""
        passages = self._transcriber.transcribe(
            self._blocks(),
            language=self._language,
            expected=self._expected,
            hotwords=self._hotwords,
            start_ms=self._start_ms,
        )
        async with aclosing(passages):
            async for passage in passages:
                await self._publish(passage)
        await self._record(self._segmenter.finish(), 0, self.heard_ms)
        self._on_progress()

    async def _blocks(self) -> AsyncGenerator[Pcm, None]:
        while (block := await self._feed.take(limit_ms=_TAKE_MS)) is not None:
            self._samples += len(block)
            self._on_progress()
            yield block

    async def _publish(self, passage: Passage) -> None:
        events: list[Event] = []
        if self._language is None and passage.words and passage.language != self._spoken:
            self._spoken = passage.language
            events.append(
                LanguageDetected(passage.language, 1.0, passage.start_ms, channel=self._channel)
            )
        events += self._segmenter.commit(passage.words, language=passage.language, lag_ms=0)
        failing = False
        for doubt in passage.withheld:
            where = doubt.start_ms, doubt.end_ms
            if doubt.reason == ENGINE_FAILED:
                failing = True
                events += self._failure()
                events.append(GapFound(*where, ENGINE_FAILED, channel=self._channel))
            else:
                withheld = TextWithheld(*where, doubt.reason, doubt.text, channel=self._channel)
                events.append(withheld)
        self._failing = failing
        await self._record(events, passage.start_ms, passage.end_ms)

    def _failure(self) -> list[Event]:
        """One for each spell of failures."""
        if self._failing:
            return []
        message = "The speech model failed on a part of the recording, which is marked as a gap."
        return [StageFailed("recognise", "engine_error", message)]

    async def _record(self, events: Sequence[Event], from_ms: int, to_ms: int) -> None:
        if events:
            await self._log.append(
                *events, audio_from_ms=from_ms, audio_to_ms=to_ms, engine=self._engine
            )
