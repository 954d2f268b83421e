"""Resampling of studio quality, in pieces of any size, without drift."""

from math import gcd
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Resampler", "steps"]

_PIECE: Final = 1 << 16
"""Frames given to libsoxr at once, so that its buffers stay small."""
_SIMPLE: Final = 12
"""Ratios of numbers up to this one are exact in one step."""


def steps(from_rate: int, to_rate: int) -> tuple[tuple[int, int], ...]:
    """Return the pairs of rates over which libsoxr stays below -90 dB.

    Where the ratio is not simple, it interpolates its filter's coefficients, and errs more the
    nearer a tone is to the band's edge (measured: -65 dB at 0.44 of the lower rate, -115 dB at
    0.22). Done between the doubled rates, the same step has twice the distance to the edge.
    """
    if from_rate == to_rate:
        return ()
    if max(from_rate, to_rate) // gcd(from_rate, to_rate) <= _SIMPLE:
        return ((from_rate, to_rate),)
    return ((from_rate, 2 * from_rate), (2 * from_rate, 2 * to_rate), (2 * to_rate, to_rate))


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
        self._streams: list[Any] = []
        for before, after in steps(from_rate, to_rate):
            import soxr

            self._streams.append(
                soxr.ResampleStream(before, after, channels, dtype="float32", quality="VHQ")
            )

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the input up to here gives: rows are frames, columns are channels."""
        if not self._streams:
            return samples
        self._taken += len(samples)
        parts = [
            self._resampled(samples[at : at + _PIECE], last=False)
            for at in range(0, len(samples), _PIECE)
        ]
        return np.concatenate(parts) if parts else self._nothing()

    def flush(self) -> NDArray[np.float32]:
        """Return the rest; nothing may follow."""
        if not self._streams:
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
        out = samples
        for stream in self._streams:
            out = stream.resample_chunk(np.ascontiguousarray(out, dtype=np.float32), last=last)
            out = out.reshape(-1, self._channels)
        self._given += len(out)
        return out

    def _nothing(self) -> NDArray[np.float32]:
        return np.zeros((0, self._channels), np.float32)
