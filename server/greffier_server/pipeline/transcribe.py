"""The transcription of a whole recording: packed windows, several in flight, passages in order.

Live recognition decides word by word what is certain; a recording is cut at its pauses instead, so
that each second of speech is decoded once, and as many windows are in flight as the device can put
into batches. The audio is read only as far ahead as those windows reach.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from greffier_models.errors import EngineDown, EngineError, RequestPoisoned
from greffier_models.protocols import SpeechRecognizer, VoiceActivityDetector
from greffier_models.schedule import BACKGROUND
from greffier_models.types import AudioWindow, Hypothesis, Pcm, RecognitionOptions, Word
from greffier_server.core.audio import AudioBuffer
from greffier_server.core.defence import judge
from greffier_server.core.packing import PackedWindow, PackingSettings
from greffier_server.core.policy import Suspicion
from greffier_server.core.speech import SpeechSettings
from greffier_server.core.window_words import hole_end_ms, is_poor, placed_words, weight
from greffier_server.pipeline.windows import RecordingWindows

__all__ = ["ENGINE_FAILED", "Passage", "RecordingTranscriber", "TranscribeSettings"]

_T = TypeVar("_T")

ENGINE_FAILED = "engine_failed"
"""Reason of a passage that could not be decoded at all."""

_SAID_BEFORE = 2_000
"""Characters that a reading is compared with, to see the decoder start over."""
_TOKENS_PER_SECOND = 12
"""With `_TOKENS_EXTRA`, the limit of a decode: generous, for one that bites takes a quick speaker's
last words; loops are told by their words."""
_TOKENS_EXTRA = 20


@dataclass(frozen=True, slots=True)
class TranscribeSettings:
    """The dials of file transcription; chosen by ``benchmarks/files.py``."""

    packing: PackingSettings = field(default_factory=PackingSettings)
    fill_ms: int = 15_000
    """Windows are filled with silence up to this length."""
    in_flight: int = 24
    """Windows decoded at once: enough for batches on every worker."""
    beam_size: int = 1
    patience_ms: int = 60_000
    """A window waits for live sessions' decodes for this long at most."""
    attempts: int = 4
    retryable_attempts: int = 16
    """Where the engine says that another try may succeed."""
    retry_s: float = 0.5
    longest_retry_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Passage:
    """What is said in one window of the recording, in its order."""

    start_ms: int
    end_ms: int
    language: str
    words: tuple[Word, ...]
    withheld: tuple[Suspicion, ...] = ()


@dataclass(frozen=True, slots=True)
class _Reading:
    """One decode, on the recording's clock."""

    hypothesis: Hypothesis
    words: tuple[Word, ...]
    window: PackedWindow


class RecordingTranscriber:
    """Transcribes recordings; holds no state of any, so one serves several at once.

    Args:
        recognizer: the shared engine.
        detector: voice activity; each recording opens a stream of its own.
        speech: thresholds of voice activity.
        settings: dials.
        stream: tenant and session, for a fair share of the engine.
    """

    def __init__(
        self,
        *,
        recognizer: SpeechRecognizer,
        detector: VoiceActivityDetector,
        speech: SpeechSettings | None = None,
        settings: TranscribeSettings | None = None,
        stream: tuple[str, str] = ("", ""),
    ) -> None:
        self._recognizer = recognizer
        self._stream = stream
        self._detector = detector
        self._speech = speech or SpeechSettings()
        self._settings = settings or TranscribeSettings()

    async def transcribe(
        self,
        audio: AsyncIterator[Pcm],
        *,
        language: str | None = None,
        expected: Sequence[str] = (),
        hotwords: tuple[str, ...] | Callable[[], tuple[str, ...]] = (),
        progress: Callable[[int], None] = lambda heard_ms: None,
        start_ms: int = 0,
    ) -> AsyncGenerator[Passage, None]:
        """Yield the passages of a recording, in order; every word has times.

        Leaving the iteration (`aclose`) cancels what is in flight. A window that the engine cannot
        decode, asked again and again, is a passage without words, withheld as `ENGINE_FAILED`.

        Args:
            audio: blocks of 16 kHz mono, read as far ahead as the windows in flight reach.
            language: ISO 639-1; None = followed from turn to turn.
            expected: languages likely to be spoken, where the language is followed.
            hotwords: names and terms the recogniser should expect; what is asked for, anew for
                each window, where they may become more meanwhile.
            progress: told the milliseconds of the recording that are done.
            start_ms: where the audio begins on the recording's clock.
        """
        windows = RecordingWindows(
            recognizer=self._recognizer,
            detector=self._detector,
            speech=self._speech,
            packing=self._settings.packing,
            language=language,
            expected=expected,
            deadline_ms=self._deadline_ms,
            stream=self._stream,
            start_ms=start_ms,
        )
        ready = windows.cut(audio)
        flying: deque[asyncio.Task[list[_Reading] | None]] = deque()
        flown: deque[PackedWindow] = deque()
        said = ""
        ended = False
        try:
            while True:
                while not ended and len(flying) < self._settings.in_flight:
                    item = await anext(ready, None)
                    if item is None:
                        ended = True
                        break
                    window, buffer = item
                    known = hotwords() if callable(hotwords) else hotwords
                    decode = self._read(window, buffer, known)
                    flying.append(asyncio.create_task(decode, name="transcribe-window"))
                    flown.append(window)
                if not flying:
                    break
                readings = await flying[0]  # stays in the queue, so that leaving now cancels it
                del flying[0]
                passage = self._passage(flown.popleft(), readings, said)
                said = (said + "".join(word.text for word in passage.words))[-_SAID_BEFORE:]
                progress(passage.end_ms)
                yield passage
            progress(windows.heard_ms)
        finally:
            for task in flying:
                task.cancel()
            await asyncio.gather(*flying, return_exceptions=True)
            await ready.aclose()

    # --- one window ---------------------------------------------------------------------------

    async def _read(
        self, window: PackedWindow, buffer: AudioBuffer, hotwords: tuple[str, ...]
    ) -> list[_Reading] | None:
        """The readings that make up a window: one, or two of its halves; None = not decoded."""
        whole = await self._decode(window, buffer, hotwords)
        if whole is None or not is_poor(window, whole.hypothesis, whole.words):
            return None if whole is None else [whole]
        packing = self._settings.packing
        halves = window.halves(packing)
        if halves is None:  # no pause to part it at
            middle_ms = (window.from_ms + window.to_ms) // 2
            at_ms = hole_end_ms(window, whole.words) or middle_ms
            halves = window.parted(at_ms, packing) or window.parted(middle_ms, packing)
        if halves is None:
            return [whole]
        first = await self._decode(halves[0], buffer, hotwords)
        second = await self._decode(halves[1], buffer, hotwords)
        if first is None or second is None:
            return [whole]
        better = weight(first.words) + weight(second.words) > weight(whole.words)
        return [first, second] if better else [whole]

    async def _decode(
        self, window: PackedWindow, buffer: AudioBuffer, hotwords: tuple[str, ...]
    ) -> _Reading | None:
        pcm = np.concatenate([buffer.cut(span.from_ms, span.to_ms) for span in window.spans])
        audio = AudioWindow(pcm)
        options = RecognitionOptions(
            language=window.language,
            hotwords=hotwords,
            beam_size=self._settings.beam_size,
            fill_ms=self._settings.fill_ms,
            max_tokens=_TOKENS_PER_SECOND * audio.duration_ms // 1000 + _TOKENS_EXTRA,
        )
        hypothesis = await self._persist(
            lambda: self._recognizer.transcribe(
                audio,
                options,
                deadline_ms=self._deadline_ms(),
                priority=BACKGROUND,
                stream=self._stream,
            )
        )
        if hypothesis is None:
            return None
        return _Reading(hypothesis, tuple(placed_words(window, hypothesis.words)), window)

    async def _persist(self, ask: Callable[[], Awaitable[_T]]) -> _T | None:
        """Ask the engine until it answers; None when it does not."""
        attempt = 0
        settings = self._settings
        while True:
            try:
                return await ask()
            except EngineError as error:
                attempt += not isinstance(error, EngineDown)  # it can wait
                limit = settings.retryable_attempts if error.retryable else settings.attempts
                if attempt >= limit or isinstance(error, RequestPoisoned):
                    return None
                delay_s = settings.retry_s * 2 ** max(0, attempt - 1)
                await asyncio.sleep(min(delay_s, settings.longest_retry_s))

    def _deadline_ms(self) -> int:
        """After every live decode of the next while, on the clock of all sessions."""
        return int(asyncio.get_running_loop().time() * 1000) + self._settings.patience_ms

    def _passage(
        self, window: PackedWindow, readings: Sequence[_Reading] | None, said: str
    ) -> Passage:
        if readings is None:
            lost = Suspicion(window.from_ms, window.to_ms, ENGINE_FAILED, "")
            return Passage(window.from_ms, window.to_ms, window.language or "", (), (lost,))
        words: list[Word] = []
        withheld: list[Suspicion] = []
        for reading in readings:
            judgement = judge(
                reading.hypothesis,
                reading.words,
                speech_ms=reading.window.speech_ms,
                committed=said + "".join(word.text for word in words),
                language=reading.hypothesis.language,
            )
            words += judgement.kept
            withheld += judgement.withheld
        language = window.language or readings[0].hypothesis.language
        return Passage(window.from_ms, window.to_ms, language, tuple(words), tuple(withheld))
