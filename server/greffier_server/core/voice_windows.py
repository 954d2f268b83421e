"""Which stretches of audio are shown to the model of voices: whole windows of speech.

A stretch is speech without a longer pause; windows are cut from it at even steps, and each answers
for the part of the stretch that lies nearest to its middle. Time comes from the frames alone, so
the same audio always gives the same windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from greffier_server.core.speech import SpeechSettings

__all__ = ["VoiceWindow", "VoiceWindows"]

WINDOW_MS = 1_500
"""What the model is shown; shorter stretches are repeated up to it."""
_STEP_MS = 750
_PAUSE_MS = 250
"""A pause this long ends a stretch: turns of speakers are seldom closer."""
_LEAST_MS = 320
"""A shorter stretch says nothing of a voice."""


@dataclass(frozen=True, slots=True)
class VoiceWindow:
    """Speech from `from_ms` to `to_ms`, whose voice is taken for the part it answers for."""

    from_ms: int
    to_ms: int
    answers_from_ms: int
    answers_to_ms: int


class VoiceWindows:
    """Follows one stream of speech probabilities, one for each `frame_ms`."""

    def __init__(self, frame_ms: int, settings: SpeechSettings | None = None) -> None:
        self._frame_ms = frame_ms
        self._settings = settings or SpeechSettings()
        self._heard_ms = 0
        self._begin_ms: int | None = None
        self._end_ms = 0
        self._next_ms = 0
        self._answered_ms = 0

    @property
    def keep_from_ms(self) -> int:
        """Audio before this is in no window to come."""
        if self._begin_ms is None:
            return self._heard_ms
        return max(self._begin_ms, self._end_ms - WINDOW_MS)

    def push(self, probabilities: Sequence[float]) -> list[VoiceWindow]:
        """Take the next frames; return the windows that they complete."""
        windows: list[VoiceWindow] = []
        for probability in probabilities:
            windows += self._push_one(probability)
        return windows

    def finish(self) -> list[VoiceWindow]:
        """Return what is left of the stretch at the end of the audio."""
        return self._close()

    def _push_one(self, probability: float) -> list[VoiceWindow]:
        start_ms = self._heard_ms
        self._heard_ms += self._frame_ms
        speaking = self._begin_ms is not None and start_ms == self._end_ms
        if probability >= (self._settings.off if speaking else self._settings.on):
            if self._begin_ms is None:
                self._begin_ms = self._next_ms = self._answered_ms = start_ms
            self._end_ms = self._heard_ms
            return self._whole()
        if self._begin_ms is not None and self._heard_ms - self._end_ms >= _PAUSE_MS:
            return self._close()
        return []

    def _whole(self) -> list[VoiceWindow]:
        if self._end_ms - self._next_ms < WINDOW_MS:
            return []
        from_ms, to_ms = self._next_ms, self._next_ms + WINDOW_MS
        middle_ms = (from_ms + to_ms + _STEP_MS) // 2
        window = VoiceWindow(from_ms, to_ms, self._answered_ms, middle_ms)
        self._answered_ms = middle_ms
        self._next_ms += _STEP_MS
        return [window]

    def _close(self) -> list[VoiceWindow]:
        begin_ms, self._begin_ms = self._begin_ms, None
        if begin_ms is None or self._end_ms - begin_ms < _LEAST_MS:
            return []
        from_ms = max(begin_ms, self._end_ms - WINDOW_MS)
        return [VoiceWindow(from_ms, self._end_ms, self._answered_ms, self._end_ms)]
