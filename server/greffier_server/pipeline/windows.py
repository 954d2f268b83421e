"""A recording's audio to the windows it is decoded in, read as they are wanted."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from greffier_models.errors import EngineError
from greffier_models.protocols import SpeechRecognizer, VoiceActivityDetector
from greffier_models.schedule import BACKGROUND
from greffier_models.types import AudioWindow, Pcm
from greffier_server.core.audio import AudioBuffer
from greffier_server.core.packing import (
    PackedWindow,
    PackingSettings,
    SpeechStretches,
    Stretch,
    WindowPacker,
)
from greffier_server.core.speech import SpeechSettings
from greffier_server.core.stretch_languages import LabelledTurn, Turn, TurnFinder, TurnLanguages

__all__ = ["RecordingWindows"]

_ASKED_AHEAD = 6
"""Turns whose language is asked for at once."""
_ASKED_MS = 6_000
"""Speech that is enough to name a language by."""


@dataclass(frozen=True, slots=True)
class _Asked:
    turn: Turn
    answer: "asyncio.Task[dict[str, float] | None] | None"
    """None = not asked about."""


class RecordingWindows:
    """Cuts one recording; used once.

    Args:
        recognizer: names languages.
        detector: voice activity.
        speech: its thresholds.
        packing: bounds of the windows.
        language: ISO 639-1; None = followed from turn to turn.
        expected: languages likely to be spoken.
        deadline_ms: of a request made now.
        stream: tenant and session, for a fair share of the engine.
        start_ms: where the audio begins on the recording's clock.
    """

    def __init__(
        self,
        *,
        recognizer: SpeechRecognizer,
        detector: VoiceActivityDetector,
        speech: SpeechSettings,
        packing: PackingSettings,
        language: str | None,
        expected: Sequence[str],
        deadline_ms: Callable[[], int],
        stream: tuple[str, str] = ("", ""),
        start_ms: int,
    ) -> None:
        self._recognizer = recognizer
        self._vad = detector.open()
        self._language = language
        self._candidates = tuple(code for code in expected if code in recognizer.languages)
        self._deadline_ms = deadline_ms
        self._stream = stream
        self._packer = WindowPacker(packing, start_ms=start_ms)
        self._stretches = SpeechStretches(
            detector.frame_ms,
            speech=speech,
            longest_ms=self._packer.longest_ms,
            start_ms=start_ms,
        )
        self._turns = TurnFinder()
        fallback = next(iter(self._candidates), "en")
        self._languages = TurnLanguages(self._candidates, fallback=fallback)
        self._asked: deque[_Asked] = deque()
        self._buffer = AudioBuffer(start_ms)
        self._pad_ms = packing.pad_ms + packing.max_silence_ms

    @property
    def heard_ms(self) -> int:
        """End of the audio read so far, on the recording's clock."""
        return self._buffer.end_ms

    async def cut(
        self, audio: AsyncIterator[Pcm]
    ) -> AsyncGenerator[tuple[PackedWindow, AudioBuffer], None]:
        """Yield each window with the audio it is cut from, and that alone."""
        try:
            async for block in audio:
                self._buffer.append(block)
                probabilities = await asyncio.to_thread(self._vad.push, block)
                for stretch in self._stretches.push(probabilities):
                    async for window in self._take(stretch):
                        yield window, self._audio_of(window)
                self._buffer.drop_before(self._needed_from_ms())
            for stretch in self._stretches.finish():
                async for window in self._take(stretch):
                    yield window, self._audio_of(window)
            async for window in self._finish():
                yield window, self._audio_of(window)
        finally:
            tasks = [asked.answer for asked in self._asked if asked.answer is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _audio_of(self, window: PackedWindow) -> AudioBuffer:
        """The window's own piece of the recording: the rest is let go while it is decoded."""
        own = AudioBuffer(window.from_ms)
        own.append(self._buffer.cut(window.from_ms, window.to_ms))
        return own

    def _needed_from_ms(self) -> int:
        starts = [
            self._stretches.undecided_from_ms,
            self._packer.keep_from_ms,
            self._turns.open_from_ms,
            self._languages.waiting_from_ms,
            self._asked[0].turn.span.from_ms if self._asked else None,
        ]
        return min(start for start in starts if start is not None) - self._pad_ms

    # --- languages ----------------------------------------------------------------------------

    async def _take(self, stretch: Stretch) -> AsyncGenerator[PackedWindow, None]:
        if self._language is not None:
            for window in self._packer.add(stretch, self._language):
                yield window
            return
        for turn in self._turns.push(stretch):
            self._ask(turn)
        while self._asked and (len(self._asked) > _ASKED_AHEAD or self._asked[0].answer is None):
            for window in self._pack(await self._answered()):
                yield window

    async def _finish(self) -> AsyncGenerator[PackedWindow, None]:
        for turn in self._turns.finish():
            self._ask(turn)
        while self._asked:
            for window in self._pack(await self._answered()):
                yield window
        for window in self._pack(self._languages.finish()):
            yield window
        for window in self._packer.finish(self._buffer.end_ms):
            yield window

    def _ask(self, turn: Turn) -> None:
        answer = None
        if self._languages.asks(turn):
            span = turn.span
            to_ms = min(span.to_ms, span.from_ms + _ASKED_MS)
            heard = AudioWindow(self._buffer.cut(span.from_ms, to_ms), span.from_ms)
            answer = asyncio.create_task(self._identify(heard), name="identify-turn")
        self._asked.append(_Asked(turn, answer))

    async def _identify(self, heard: AudioWindow) -> dict[str, float] | None:
        """Scores, or None where the engine fails: the turn then goes with its neighbours."""
        with suppress(EngineError):
            return await self._recognizer.identify(
                heard,
                self._candidates,
                deadline_ms=self._deadline_ms(),
                priority=BACKGROUND,
                stream=self._stream,
            )
        return None

    async def _answered(self) -> list[LabelledTurn]:
        asked = self._asked[0]
        scores = await asked.answer if asked.answer is not None else None
        self._asked.popleft()
        return self._languages.label(asked.turn, scores)

    def _pack(self, labelled: Sequence[LabelledTurn]) -> Iterator[PackedWindow]:
        for entry in labelled:
            for stretch in entry.turn.stretches:
                yield from self._packer.add(stretch, entry.language)
