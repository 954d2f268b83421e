"""Where speech begins and ends, from the probabilities of a voice activity detector.

Voice activity decides only *when* to decode; no audio is ever left out because of it. Time comes
from the frames themselves, so the same audio always gives the same turns.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["PROFILES", "SpeechSettings", "SpeechTracker"]


@dataclass(frozen=True, slots=True)
class SpeechSettings:
    """Thresholds of the hysteresis; the defaults are for wide-band speech.

    They are for Silero as `greffier_models.silero` lets it hear, and lower than its authors advise:
    a false alarm costs one decode, whose words are judged; a word that is not heard is gone.
    """

    on: float = 0.35
    """Probability at which silence becomes speech."""
    off: float = 0.25
    """Probability under which speech becomes silence."""
    min_speech_ms: int = 64
    """Shorter bursts are no speech."""
    memory_ms: int = 60_000
    """How far back `speech_ms` can look."""


PROFILES = {
    "wide": SpeechSettings(),
    "telephone": SpeechSettings(on=0.25, off=0.12),
    "radio": SpeechSettings(on=0.2, off=0.1),
}
"""By kind of audio: speech cut to 300-3,400 Hz is given lower probabilities, and speech under the
noise of a receiver lower ones still. Figures: ADR 0016."""


class SpeechTracker:
    """Follows one stream of probabilities, one for each `frame_ms`."""

    def __init__(
        self, frame_ms: int, settings: SpeechSettings | None = None, *, start_ms: int = 0
    ) -> None:
        self._frame_ms = frame_ms
        self._settings = settings or SpeechSettings()
        keep = self._settings.memory_ms // frame_ms
        self._frames: deque[bool] = deque(maxlen=keep)
        self._heard_ms = start_ms
        self._candidate_ms = start_ms
        self._burst_ms = 0
        self._active = False
        self.speaking = False
        """Speech now (the last whole frame)."""
        self.onset_ms = start_ms
        """Where the last speech began."""
        self.last_speech_ms = start_ms
        """End of the last frame of speech; the start before any."""

    @property
    def frame_ms(self) -> int:
        """Length of a frame."""
        return self._frame_ms

    @property
    def stirring(self) -> bool:
        """The last frame may be the beginning of speech."""
        return self._active and not self.speaking

    @property
    def heard_ms(self) -> int:
        """Audio seen so far, in whole frames."""
        return self._heard_ms

    @property
    def silence_ms(self) -> int:
        """Time since the last speech."""
        return self._heard_ms - self.last_speech_ms

    def push(self, probabilities: Sequence[float]) -> None:
        """Take the next frames."""
        for probability in probabilities:
            self._push_one(probability)

    def _push_one(self, probability: float) -> None:
        frame_from = self._heard_ms
        self._heard_ms += self._frame_ms
        threshold = self._settings.off if self._active else self._settings.on
        active = probability >= threshold
        self._frames.append(active)
        if active and not self._active:
            self._burst_ms = 0
            if not self.speaking:
                self._candidate_ms = frame_from
        self._active = active
        if active:
            self._burst_ms += self._frame_ms
            if self.speaking or self._burst_ms >= self._settings.min_speech_ms:
                if not self.speaking:
                    self.onset_ms = self._candidate_ms
                self.speaking = True
                self.last_speech_ms = self._heard_ms
        else:
            self.speaking = False

    def speech_ms(self, from_ms: int, to_ms: int) -> int:
        """Milliseconds of active frames between two times (within the memory)."""
        first = self._heard_ms - len(self._frames) * self._frame_ms
        begin = max(0, (from_ms - first) // self._frame_ms)
        end = min(len(self._frames), -(-(to_ms - first) // self._frame_ms))
        active = sum(1 for index in range(begin, end) if self._frames[index])
        return active * self._frame_ms

    def speech_start_after(self, from_ms: int, to_ms: int) -> int:
        """Start of the first active frame between two times; `from_ms` when there is none."""
        first = self._heard_ms - len(self._frames) * self._frame_ms
        begin = max(0, (from_ms - first) // self._frame_ms)
        end = min(len(self._frames), -(-(to_ms - first) // self._frame_ms))
        for index in range(begin, end):
            if self._frames[index]:
                return max(from_ms, first + index * self._frame_ms)
        return from_ms

    def start_after_silence(self, from_ms: int, to_ms: int, *, silence_ms: int) -> int:
        """Start of the speech that lasts to `to_ms`: after the last long silence between the two.

        `from_ms` where there was none, or where no speech follows it.
        """
        first = self._heard_ms - len(self._frames) * self._frame_ms
        begin = max(0, (from_ms - first) // self._frame_ms)
        end = min(len(self._frames), -(-(to_ms - first) // self._frame_ms))
        silent, start = 0, from_ms
        for index in range(begin, end):
            if not self._frames[index]:
                silent += self._frame_ms
                continue
            if silent >= silence_ms:
                start = max(from_ms, first + index * self._frame_ms)
            silent = 0
        return start

    def speech_end_before(self, to_ms: int) -> int:
        """End of the last active frame that begins before `to_ms`; 0 when there is none."""
        first = self._heard_ms - len(self._frames) * self._frame_ms
        index = min(len(self._frames), -(-(to_ms - first) // self._frame_ms)) - 1
        while index >= 0:
            if self._frames[index]:
                return first + (index + 1) * self._frame_ms
            index -= 1
        return 0
