"""Voice activity by energy alone: the fallback where no model of speech is at hand.

A frame is as likely speech as it stands above the noise. The noise floor is followed by minimum
statistics (R. Martin, "Noise power spectral density estimation based on optimal smoothing and
minimum statistics", IEEE Trans. Speech and Audio Processing 9(5), 2001), here on the energy of
the whole band: the least smoothed energy of the last seconds, so that speech, which pauses, does
not lift the floor while a new hum does.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from greffier_models.protocols import VadStream
from greffier_models.types import SAMPLES_PER_MS, Pcm

__all__ = ["EnergySettings", "EnergyVad"]

_FULL_SCALE = 32_768.0
_SILENCE_DB = -96.0
"""The least a frame can have: one unit of 16 bits."""


@dataclass(frozen=True, slots=True)
class EnergySettings:
    """How loud speech must be; levels are decibels relative to full scale."""

    frame_ms: int = 32
    threshold_db: float = 9.0
    """Above the noise floor, where a frame is as likely speech as not."""
    slope_db: float = 2.0
    """Decibels from one half to 0.73 (a logistic curve)."""
    quietest_db: float = -55.0
    """The noise floor is never taken for lower, so that a digital silence breaks no rule."""
    loudest_db: float = -25.0
    """Nor for higher: who begins in the midst of speech is heard."""
    memory_ms: int = 3_000
    """The floor is the least of this time; longer than speech goes on without a pause."""
    smoothing: float = 0.6
    """Share of the past in the smoothed energy that the floor follows, 0 to 1."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work.

        Raises:
            ValueError: a value is out of range.
        """
        if self.frame_ms <= 0 or self.memory_ms < self.frame_ms:
            raise ValueError("frame_ms must be positive and memory_ms hold at least one frame")
        if self.slope_db <= 0 or not 0 <= self.smoothing < 1:
            raise ValueError("slope_db must be positive and smoothing at least 0 and below 1")
        if self.quietest_db > self.loudest_db:
            raise ValueError("quietest_db must not exceed loudest_db")


class EnergyVad:
    """Opens streams of energy-based voice activity; they share nothing but the settings."""

    def __init__(self, settings: EnergySettings | None = None) -> None:
        self._settings = settings or EnergySettings()

    @property
    def frame_ms(self) -> int:
        """Length of the frame that one probability stands for."""
        return self._settings.frame_ms

    def open(self) -> VadStream:
        """Begin a stream at silence."""
        return _EnergyStream(self._settings)


class _EnergyStream:
    """The noise floor of one stream, and the samples of its unfinished frame."""

    def __init__(self, settings: EnergySettings) -> None:
        self._settings = settings
        self._frame_samples = settings.frame_ms * SAMPLES_PER_MS
        self._rest: Pcm = np.zeros(0, dtype=np.int16)
        self._recent: deque[float] = deque(
            [settings.quietest_db], maxlen=settings.memory_ms // settings.frame_ms
        )
        self._smoothed = settings.quietest_db

    def push(self, pcm: Pcm) -> Sequence[float]:
        """Take the next samples; return the speech probability of each whole frame completed."""
        samples = np.concatenate([self._rest, pcm])
        count = len(samples) // self._frame_samples
        used = count * self._frame_samples
        self._rest = samples[used:].copy()
        levels = _levels_db(samples[:used].reshape(count, self._frame_samples))
        return [self._probability(float(level)) for level in levels]

    def _probability(self, level: float) -> float:
        settings = self._settings
        self._smoothed = settings.smoothing * self._smoothed + (1 - settings.smoothing) * level
        self._recent.append(self._smoothed)
        floor = min(max(min(self._recent), settings.quietest_db), settings.loudest_db)
        above = level - floor - settings.threshold_db
        return float(1 / (1 + np.exp(-above / settings.slope_db)))


def _levels_db(frames: NDArray[np.int16]) -> NDArray[np.float64]:
    """Return the energy of each frame without its mean: a constant offset is no sound."""
    scaled = frames.astype(np.float64) / _FULL_SCALE
    power = scaled.var(axis=1)
    levels: NDArray[np.float64] = 10 * np.log10(np.maximum(power, 1e-12))
    return np.maximum(levels, _SILENCE_DB, out=levels)
