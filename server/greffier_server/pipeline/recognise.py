"""The recognition of one session: audio in, events of segments out.

Audio is shown to the policy in steps of a fixed length whatever the network did, so that the same
audio gives the same decisions. While a decode runs, audio gathers in the feed; the ladder watches
how much.
"""

import asyncio
import logging
from collections.abc import Callable

from greffier_models.errors import EngineError
from greffier_models.protocols import SpeechRecognizer, VadStream
from greffier_models.types import AudioWindow, Hypothesis, RecognitionOptions
from greffier_server.core.audio import AudioBuffer
from greffier_server.core.events import (
    Event,
    GapFound,
    LanguageDetected,
    QualityChanged,
    RecognitionFinished,
    StageFailed,
    TextWithheld,
)
from greffier_server.core.ladder import Ladder
from greffier_server.core.policy import DecodeRequest, IdentifyRequest, Outcome, StreamingPolicy
from greffier_server.core.segments import Segmenter
from greffier_server.pipeline.feed import AudioFeed
from greffier_server.pipeline.log import EventLog

__all__ = ["Recognition"]

_log = logging.getLogger(__name__)

_STEP_FRAMES = 3
_TAKE_MS = 1_000
_ATTEMPTS = 4
_RETRY_S = 0.5


class Recognition:
    """Runs a policy over one session's audio.

    Args:
        log: where events go.
        feed: durable audio.
        policy: when to decode and what to commit.
        segmenter: committed words to segments.
        recognizer: the shared engine.
        vad: this stream's voice activity.
        frame_ms: length of one frame of `vad`.
        start_ms: where the feed begins on the session's clock.
        hotwords: names and terms the recogniser should expect.
        finished: recognition had finished before a restart; there is nothing left to do.
        on_progress: called whenever more audio has been looked at.
        on_commit: called with the lag of each committed batch of words, for metrics.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        feed: AudioFeed,
        policy: StreamingPolicy,
        segmenter: Segmenter,
        recognizer: SpeechRecognizer,
        vad: VadStream,
        frame_ms: int,
        start_ms: int = 0,
        hotwords: tuple[str, ...] = (),
        finished: bool = False,
        on_progress: Callable[[], None] = lambda: None,
        on_commit: Callable[[int], None] = lambda lag_ms: None,
    ) -> None:
        self._log = log
        self._feed = feed
        self._policy = policy
        self._segmenter = segmenter
        self._recognizer = recognizer
        self._vad = vad
        self._frame_ms = frame_ms
        self._buffer = AudioBuffer(start_ms)
        self._heard_ms = start_ms
        self._probabilities: list[float] = []
        self._hotwords = hotwords
        self._finished = finished
        self._on_progress = on_progress
        self._on_commit = on_commit
        self._ladder = Ladder()
        self._engine = str(recognizer.identity)
        self._tail_shown = False
        self._failing = False

    @property
    def heard_ms(self) -> int:
        """Audio the policy has seen."""
        return self._heard_ms

    async def run(self) -> None:
        """Recognise to the end of the feed; returns when the last word is recorded."""
        if self._finished:
            return
        while (block := await self._feed.take(limit_ms=_TAKE_MS)) is not None:
            self._buffer.append(block)
            self._probabilities += await asyncio.to_thread(self._vad.push, block)
            while len(self._probabilities) >= _STEP_FRAMES:
                await self._step(_STEP_FRAMES)
            self._buffer.drop_before(self._policy.keep_from_ms)
            self._on_progress()
        if self._probabilities:
            await self._step(len(self._probabilities))
        self._heard_ms = self._buffer.end_ms
        self._policy.end(self._heard_ms)
        await self._answer_requests()
        await self._record([*self._segmenter.finish(), RecognitionFinished()])
        self._on_progress()

    async def _step(self, frames: int) -> None:
        probabilities, self._probabilities = (
            self._probabilities[:frames],
            self._probabilities[frames:],
        )
        self._heard_ms += frames * self._frame_ms
        self._policy.hear(self._heard_ms, probabilities)
        await self._answer_requests()
        if self._policy.paused:
            await self._record(self._segmenter.silence(self._heard_ms))
        backlog_ms = self._feed.received_ms - self._heard_ms
        level = self._ladder.weigh(backlog_ms, self._heard_ms)
        if level is not None:
            self._policy.quicken(level)
            await self._record([QualityChanged(level)])

    async def _answer_requests(self) -> None:
        while (request := self._policy.request()) is not None:
            # After a restart the policy may ask for audio from before what is held.
            from_ms = max(request.from_ms, self._buffer.start_ms)
            window = AudioWindow(self._buffer.cut(from_ms, request.to_ms), from_ms)
            if isinstance(request, IdentifyRequest):
                await self._identify(request, window)
            else:
                await self._decode(request, window)

    async def _identify(self, request: IdentifyRequest, window: AudioWindow) -> None:
        scores: dict[str, float] = {}
        for attempt in range(_ATTEMPTS):
            try:
                scores = await self._recognizer.identify(
                    window, request.candidates, deadline_ms=request.to_ms
                )
                break
            except EngineError as error:
                await self._engine_failed(error, attempt)
        if not scores:
            scores = {self._policy.language or "en": 1.0}
        outcome = self._policy.identified(request, scores)
        if outcome.language is not None:
            found = LanguageDetected(
                outcome.language, round(scores.get(outcome.language, 0.0), 3), request.from_ms
            )
            await self._record([found], request.from_ms, request.to_ms)

    async def _decode(self, request: DecodeRequest, window: AudioWindow) -> None:
        options = RecognitionOptions(
            language=request.language,
            prompt=request.prompt,
            prefix=request.prefix,
            hotwords=self._hotwords,
            beam_size=request.beam_size,
            fill_ms=request.fill_ms,
        )
        for attempt in range(_ATTEMPTS):
            try:
                hypothesis = await self._recognizer.transcribe(
                    window, options, deadline_ms=request.to_ms
                )
                self._failing = False
                break
            except EngineError as error:
                await self._engine_failed(error, attempt)
        else:
            hypothesis = Hypothesis((), request.language or "en")
            if request.closing:
                lost = GapFound(request.from_ms, request.to_ms, "engine_failed")
                await self._record([lost], request.from_ms, request.to_ms)
        outcome = self._policy.accept(request, hypothesis)
        await self._publish(request, outcome, hypothesis.language)

    async def _engine_failed(self, error: EngineError, attempt: int) -> None:
        if not self._failing:
            self._failing = True
            failed = StageFailed("recognise", error.code, error.message, error.retryable)
            await self._record([failed])
        if attempt + 1 < _ATTEMPTS:
            await asyncio.sleep(_RETRY_S * 2**attempt)

    async def _publish(self, request: DecodeRequest, outcome: Outcome, language: str) -> None:
        lag_ms = 0
        if outcome.committed:
            lag_ms = max(0, self._feed.received_ms - outcome.committed[-1].end_ms)
            self._on_commit(lag_ms)
        events: list[Event] = self._segmenter.commit(
            outcome.committed, language=language, lag_ms=lag_ms
        )
        events += [
            TextWithheld(doubt.start_ms, doubt.end_ms, doubt.reason, doubt.text)
            for doubt in outcome.withheld
        ]
        if outcome.paused:
            events += self._segmenter.silence(self._heard_ms)
        if outcome.tail or self._tail_shown:
            self._tail_shown = bool(outcome.tail)
            events.append(self._segmenter.tail(outcome.tail, language=language, lag_ms=lag_ms))
        await self._record(events, request.from_ms, request.to_ms)

    async def _record(self, events: list[Event], from_ms: int = 0, to_ms: int = 0) -> None:
        if events:
            await self._log.append(
                *events,
                audio_from_ms=from_ms,
                audio_to_ms=to_ms or self._heard_ms,
                engine=self._engine,
            )
