"""The recognition of one stream of speech: audio in, events of segments out.

Audio is shown to the policy in steps of a fixed length whatever the network did, so that the same
audio gives the same decisions. While a decode runs, audio gathers in the feed; the ladder watches
how much. A session has one stream, or one for each of its channels (`pipeline.channels`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from greffier_models.errors import EngineDown, EngineError, RequestPoisoned
from greffier_models.protocols import SpeechRecognizer, VadStream
from greffier_models.types import AudioWindow, RecognitionOptions
from greffier_server.core.audio import AudioBuffer
from greffier_server.core.events import (
    Event,
    GapFound,
    LanguageDetected,
    QualityChanged,
    RecognitionFinished,
    SilencePassed,
    StageFailed,
    TextWithheld,
)
from greffier_server.core.policy import DecodeRequest, IdentifyRequest, Outcome, StreamingPolicy
from greffier_server.core.segments import Segmenter
from greffier_server.pipeline.feed import AudioFeed
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.pace import Pace, Pacing
from greffier_server.pipeline.timing import POISONED, UNANSWERED, Timing
from greffier_server.pipeline.vocabulary import Vocabulary

__all__ = ["Recognition"]

_T = TypeVar("_T")

_STEP_FRAMES = 3
_TAKE_MS = 1_000
_ATTEMPTS = 4
_PATIENT_ATTEMPTS = 16
"""Where the engine says that another try may succeed: about two minutes."""
_RETRY_S = 0.5
_LONGEST_RETRY_S = 10.0
_CLOSING_FIRST_MS = 2_000
"""The end of speech is decoded before running speech that is this much older."""
_SILENCE_MS = 60_000
"""A channel on which nobody speaks is recorded as decided this often."""
_STIRRING_MS = 1_000
"""What may be the beginning of speech is not yet silence."""


class Recognition:
    """Runs a policy over one stream of audio.

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
        vocabulary: the same, where they may become more while the session runs.
        finished: recognition had finished before a restart; there is nothing left to do.
        channel: which of a session's channels this is; 0 = all of them, mixed down.
        pace: shared with the other channels of the session.
        timing: what the clock decides, to be recorded.
        stream: tenant and session, for a fair share of the engine.
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
        vocabulary: Vocabulary | None = None,
        finished: bool = False,
        channel: int = 0,
        pace: Pacing | None = None,
        timing: Timing | None = None,
        stream: tuple[str, str] = ("", ""),
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
        self._committed_ms = start_ms
        self._probabilities: list[float] = []
        self._hotwords = hotwords
        self._vocabulary = vocabulary
        self._finished = finished
        self._stream = stream
        self._on_progress = on_progress
        self._on_commit = on_commit
        self._channel = channel
        self._silent_ms = start_ms
        self._timing = timing or Timing(policy, channel)
        self._pace: Pacing = pace or Pace()
        self._pace.join(self)
        self._engine = str(recognizer.identity)
        self._tail_shown = False
        self._aside_ms = start_ms

    @property
    def channel(self) -> int:
        """Which of a session's channels this is."""
        return self._channel

    @property
    def heard_ms(self) -> int:
        """Audio the policy has seen."""
        return self._heard_ms

    @property
    def backlog_ms(self) -> int:
        """Audio received that the policy has not seen."""
        return self._feed.received_ms - self._heard_ms

    async def run(self) -> None:
        """Recognise to the end of the feed; returns when all of it is recorded as finished."""
        if self._finished:
            return
        await self.listen()
        await self.finish()

    async def finish(self) -> None:
        """Record that recognition has finished."""
        await self._record([RecognitionFinished()])
        self._on_progress()

    async def listen(self) -> None:
        """Recognise to the end of the feed; returns when the last word is recorded."""
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
        await self._record(self._segmenter.finish())
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
            await self._note_silence()
        level = self._pace.weigh()
        if level is not None:
            await self._record([QualityChanged(level)])

    async def _note_silence(self) -> None:
        """Record now and then that a silent channel is decided, or a restart would hear it all."""
        decided_ms = max(self._committed_ms, self._silent_ms)
        if self._channel and self._heard_ms - decided_ms >= _SILENCE_MS:
            self._silent_ms = self._heard_ms - _STIRRING_MS
            await self._record([SilencePassed(self._channel, self._silent_ms)])

    async def _answer_requests(self) -> None:
        if self._vocabulary is not None:
            self._hotwords = self._timing.hotwords(self._heard_ms, self._vocabulary)
        request = self._timing.request(self._heard_ms, self._pace.tempo_of(self))
        while request is not None:
            from_ms = max(request.from_ms, self._buffer.start_ms, self._aside_ms)
            window = AudioWindow(self._buffer.cut(from_ms, request.to_ms), from_ms)
            if isinstance(request, IdentifyRequest):
                await self._identify(request, window)
            else:
                await self._decode(request, window)
            request = self._policy.request()

    async def _identify(self, request: IdentifyRequest, window: AudioWindow) -> None:
        try:
            scores = await self._answer(
                lambda: self._recognizer.identify(
                    window,
                    request.candidates,
                    deadline_ms=self._deadline_ms(request),
                    stream=self._stream,
                )
            )
        except RequestPoisoned:  # the words of it may still be decoded
            scores = None
        if not scores:  # nothing is claimed: words are decoded in what is likely, and said to be
            likely = self._policy.language or next(iter(request.candidates), "en")
            outcome = self._policy.identified(request, {likely: 1.0})
            scores = {likely: 0.0}
        else:
            outcome = self._policy.identified(request, scores)
        if outcome.language is not None:
            probability = round(scores.get(outcome.language, 0.0), 3)
            found = LanguageDetected(outcome.language, probability, request.from_ms, self._channel)
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
        try:
            hypothesis = await self._answer(
                lambda: self._recognizer.transcribe(
                    window,
                    options,
                    deadline_ms=self._deadline_ms(request),
                    stream=self._stream,
                )
            )
        except RequestPoisoned:  # nothing of it is shown to the engine again
            hypothesis, request = None, replace(request, closing=True, full=False)
            self._aside_ms = request.to_ms
        if hypothesis is None:
            from_ms = max(request.from_ms, self._committed_ms)
            if (request.closing or request.full) and from_ms < request.to_ms:
                lost = GapFound(from_ms, request.to_ms, "engine_failed", self._channel)
                await self._record([lost], from_ms, request.to_ms)
            language, outcome = request.language or "en", self._policy.abandon(request)
        else:
            language, outcome = hypothesis.language, self._policy.accept(request, hypothesis)
        await self._publish(request, outcome, language)

    async def _answer(self, ask: Callable[[], Awaitable[_T]]) -> _T | None:
        """The engine's answer; None when there is none, which is kept as decided.

        Raises:
            RequestPoisoned: it is what ended the engine's process, now or in the record.
        """
        recorded = self._timing.loss()
        if recorded == POISONED:
            self._timing.give_up(POISONED)
            raise RequestPoisoned("The record says that this ended the engine's process.")
        try:
            answer = await self._persist(ask) if recorded is None else None
        except RequestPoisoned:
            self._timing.give_up(POISONED)
            raise
        if answer is None:
            self._timing.give_up(UNANSWERED)
        return answer

    async def _persist(self, ask: Callable[[], Awaitable[_T]]) -> _T | None:
        """Ask the engine until it answers; None when it does not. One failure is recorded."""
        attempt = 0
        while True:
            try:
                answer = await ask()
            except EngineError as error:
                attempt += not isinstance(error, EngineDown)  # the journal holds it: it can wait
                if self._pace.stumble(self):
                    failed = StageFailed("recognise", error.code, error.message, error.retryable)
                    await self._record([failed])
                if isinstance(error, RequestPoisoned):
                    raise
                if attempt >= (_PATIENT_ATTEMPTS if error.retryable else _ATTEMPTS):
                    return None
                await asyncio.sleep(min(_RETRY_S * 2 ** max(0, attempt - 1), _LONGEST_RETRY_S))
            else:
                self._pace.recover(self)
                return answer

    def _deadline_ms(self, request: DecodeRequest | IdentifyRequest) -> int:
        """When the window's end arrived, on the clock of all sessions of this process."""
        now_ms = int(asyncio.get_running_loop().time() * 1000)
        arrived_ms = now_ms - (self._feed.received_ms - request.to_ms)
        return arrived_ms - (_CLOSING_FIRST_MS if request.closing else 0)

    async def _publish(self, request: DecodeRequest, outcome: Outcome, language: str) -> None:
        lag_ms = 0
        if outcome.committed:
            lag_ms = max(0, self._feed.received_ms - outcome.committed[-1].end_ms)
            self._committed_ms = outcome.committed[-1].end_ms
            self._on_commit(lag_ms)
        events: list[Event] = self._segmenter.commit(
            outcome.committed, language=language, lag_ms=lag_ms
        )
        events += [
            TextWithheld(doubt.start_ms, doubt.end_ms, doubt.reason, doubt.text, self._channel)
            for doubt in outcome.withheld
        ]
        if outcome.paused:
            events += self._segmenter.silence(self._heard_ms)
        if outcome.tail or self._tail_shown:
            self._tail_shown = bool(outcome.tail)
            events += self._segmenter.tail(outcome.tail, language=language, lag_ms=lag_ms)
        await self._record(events, request.from_ms, request.to_ms)

    async def _record(self, events: list[Event], from_ms: int = 0, to_ms: int = 0) -> None:
        if events:
            await self._log.append(
                *self._timing.with_decisions(events),
                audio_from_ms=from_ms,
                audio_to_ms=to_ms or self._heard_ms,
                engine=self._engine,
            )
