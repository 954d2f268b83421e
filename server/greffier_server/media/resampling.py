"""Resampling of studio quality, in pieces of any size, without drift."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Resampler"]

_PIECE: Final = 1 << 16
"""Frames given to libsoxr at once, so that its buffers stay small."""


class Resampler:
    """One stream from one rate to another, by libsoxr's "VHQ" (stop band below -140 dB).

    What comes out does not depend on how the input is cut, and after n frames in and `flush`,
    round(n * to / from) frames have come out, however long the stream was.

    Args:
        from_rate: samples a second of the input.
        to_rate: samples a second of the output.
        channels: of both.
    """

    def __init__(self, from_rate: int, to_rate: int, *, channels: int) -> None:
        self._from_rate = from_rate
        self._to_rate = to_rate
        self._channels = channels
        self._taken = 0
        self._given = 0
        self._stream: Any = None
        if from_rate != to_rate:
            import soxr

            self._stream = soxr.ResampleStream(
                from_rate, to_rate, channels, dtype="float32", quality="VHQ"
            )

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the input up to here gives: rows are frames, columns are channels."""
        if self._stream is None:
            return samples
        self._taken += len(samples)
        parts = [
            self._resampled(samples[at : at + _PIECE], last=False)
            for at in range(0, len(samples), _PIECE)
        ]
        return np.concatenate(parts) if parts else self._nothing()

    def flush(self) -> NDArray[np.float32]:
        """Return the rest; nothing may follow."""
        if self._stream is None:
            return self._nothing()
        rest = self._resampled(self._nothing(), last=True)
        due = (2 * self._taken * self._to_rate + self._from_rate) // (2 * self._from_rate)
        missing = due - self._given
        if missing > 0:  # a frame at most: libsoxr rounds its own way
            rest = np.concatenate([rest, np.zeros((missing, self._channels), np.float32)])
        elif missing < 0:
            rest = rest[:missing]
        self._given = due
        return rest

    def _resampled(self, samples: NDArray[np.float32], *, last: bool) -> NDArray[np.float32]:
        out: NDArray[np.float32] = self._stream.resample_chunk(
            np.ascontiguousarray(samples, dtype=np.float32), last=last
        ).reshape(-1, self._channels)
        self._given += len(out)
        return out

    def _nothing(self) -> NDArray[np.float32]:
        return np.zeros((0, self._channels), np.float32)
