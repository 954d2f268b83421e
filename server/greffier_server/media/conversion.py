"""Decoded frames of any rate, layout and sample format to samples of one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from greffier_server.errors import BadRequest
from greffier_server.media.resampling import Resampler

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

__all__ = ["Converter", "UndecodableAudio"]

_MAX_CHANNELS: Final = 8
_RATES: Final = range(4_000, 384_001)


class UndecodableAudio(BadRequest):
    """The bytes are no container that is known, or are damaged."""

    code = "undecodable_audio"


@dataclass(frozen=True, slots=True)
class _Form:
    rate: int
    channels: int


class Converter:
    """Converts one stream; its form may change on the way.

    Args:
        rate: of the output, samples a second.
        channels: of the output; 1 mixes down.
    """

    def __init__(self, *, rate: int, channels: int) -> None:
        self._rate = rate
        self._channels = channels
        self._form: _Form | None = None
        self._resampler: Resampler | None = None

    def feed(self, frame: "AudioFrame") -> NDArray[np.int16]:
        """Return what the stream gives up to this frame.

        Raises:
            UndecodableAudio: an impossible rate, or channels that do not fit.
        """
        form = _Form(frame.sample_rate, frame.layout.nb_channels)
        before = np.zeros((0, self._channels), np.int16)
        if form != self._form or self._resampler is None:
            if form.rate not in _RATES or not 1 <= form.channels <= _MAX_CHANNELS:
                raise UndecodableAudio("the sound has an impossible rate or too many channels")
            before = self.flush()
            self._form = form
            self._resampler = Resampler(form.rate, self._rate, channels=self._channels)
        mixed = self._mixed(_samples(frame))
        return np.concatenate([before, _integers(self._resampler.feed(mixed))])

    def flush(self) -> NDArray[np.int16]:
        """Return the rest; another stream may follow."""
        if self._resampler is None:
            return np.zeros((0, self._channels), np.int16)
        rest = self._resampler.flush()
        self._resampler = None
        return _integers(rest)

    def _mixed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        found = samples.shape[1]
        if found == self._channels:
            return samples
        if self._channels == 1:
            mean: NDArray[np.float32] = samples.mean(axis=1, keepdims=True, dtype=np.float32)
            return mean
        if found == 1:
            return np.repeat(samples, self._channels, axis=1)
        raise UndecodableAudio(
            f"the container has {found} channels and the session {self._channels}; "
            "ask for as many, or for 1"
        )


def _samples(frame: "AudioFrame") -> NDArray[np.float32]:
    """Rows are frames, columns are channels, -1 to 1; without libswresample."""
    array = frame.to_ndarray()
    planar = frame.format.is_planar
    array = array.T if planar else array.reshape(-1, frame.layout.nb_channels)
    match array.dtype.kind:
        case "f":
            floats = np.clip(np.nan_to_num(array.astype(np.float32)), -1.0, 1.0)
            return np.asarray(floats, np.float32)
        case "u":
            return (array.astype(np.float32) - 128.0) / np.float32(128.0)
        case _:
            full = np.float32(2 ** (8 * array.dtype.itemsize - 1))
            return array.astype(np.float32) / full


def _integers(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    scaled = np.clip(np.rint(samples * np.float32(32_768.0)), -32_768, 32_767)
    integers: NDArray[np.int16] = scaled.astype(np.int16)
    return integers
