"""Lossless codings of a block of audio; what comes back is what went in, byte for byte.

The journal does not know what it holds, so the packer tries each coding on a sample and keeps the
smallest: FLAC for 16-bit samples, byte planes for 32-bit floating-point ones, zlib for the rest.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from greffier_server.storage.flac import flac, unflac

__all__ = ["RAW", "best_codec", "decode", "encode"]

RAW = 0
"""The audio itself."""

_ZLIB_LEVEL = 6
_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class _Coding:
    pack: Callable[[bytes], bytes]
    unpack: Callable[[bytes, int], bytes]
    """Takes the length of the audio too, the most it may return."""
    unit: int
    """Whole frames; bytes behind the last one are kept as they are."""


def best_codec(samples: Sequence[bytes]) -> int:
    """Return the coding under which `samples` are smallest."""
    sizes = {
        codec: sum(len(_pack(coding, audio)) for audio in samples)
        for codec, coding in _CODINGS.items()
    }
    return min(sizes, key=lambda codec: sizes[codec], default=RAW)


def encode(audio: bytes, codec: int) -> tuple[int, bytes]:
    """Return the coding used and the coded audio: `RAW` where `codec` saves nothing."""
    coding = _CODINGS.get(codec)
    packed = audio if coding is None else _pack(coding, audio)
    return (codec, packed) if len(packed) < len(audio) else (RAW, audio)


def decode(packed: bytes, codec: int, *, length: int) -> bytes:
    """Return the `length` bytes of audio that were coded.

    Raises:
        ValueError: it is not a coding of that much audio.
    """
    coding = _CODINGS.get(codec)
    if coding is None and codec != RAW:
        raise ValueError("an unknown coding")
    if coding is None:
        audio = packed
    else:
        rest = length % coding.unit
        body, tail = packed[: len(packed) - rest], packed[len(packed) - rest :]
        audio = coding.unpack(body, length - rest) + tail
    if len(audio) != length:
        raise ValueError("another length")
    return audio


def _pack(coding: _Coding, audio: bytes) -> bytes:
    rest = len(audio) % coding.unit
    whole = len(audio) - rest
    return coding.pack(audio[:whole]) + audio[whole:]


def _inflate(packed: bytes, length: int) -> bytes:
    """Never more than `length`: a forged block must not fill the memory."""
    inflater = zlib.decompressobj()
    try:
        audio = inflater.decompress(packed, length + 1)
    except zlib.error as error:
        raise ValueError("not zlib") from error
    if len(audio) != length or not inflater.eof or inflater.unused_data:
        raise ValueError("another length")
    return audio


def _deflate(audio: bytes) -> bytes:
    return zlib.compress(audio, _ZLIB_LEVEL)


def _planes(audio: bytes) -> bytes:
    """Exponents beside exponents compress; floats as they come hardly do."""
    return _deflate(b"".join(audio[plane::_FLOAT_BYTES] for plane in range(_FLOAT_BYTES)))


def _unplanes(packed: bytes, length: int) -> bytes:
    planes = _inflate(packed, length)
    audio, size = bytearray(length), length // _FLOAT_BYTES
    for plane in range(_FLOAT_BYTES):
        audio[plane::_FLOAT_BYTES] = planes[plane * size : (plane + 1) * size]
    return bytes(audio)


_CODINGS: Mapping[int, _Coding] = {
    1: _Coding(_deflate, _inflate, 1),
    2: _Coding(_planes, _unplanes, _FLOAT_BYTES),
    3: _Coding(lambda audio: flac(audio, 1), lambda packed, size: unflac(packed, 1, size), 2),
    4: _Coding(lambda audio: flac(audio, 2), lambda packed, size: unflac(packed, 2, size), 4),
}
