"""Payloads of RTP packets to samples: Opus, G.711 and linear PCM."""

from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from greffier.protocol import AudioFormat
from greffier_server.core.audio import decode_channels
from greffier_server.media.timeline import Decode

__all__ = ["OPUS_RATE", "decode_g711", "decode_linear", "opus_decoder"]

OPUS_RATE: Final = 48_000
"""Clock of Opus in RTP, whatever it was made from (RFC 7587)."""
_LONGEST_OPUS_BYTES: Final = 8 * 1276
"""Of a packet of 120 ms (RFC 6716)."""


def opus_decoder(*, channels: int) -> Decode:
    """Return a decoder of Opus packets, mono or stereo whatever was sent (imports PyAV)."""
    import av
    from av.error import FFmpegError

    codec: Any = av.CodecContext.create("libopus", "r")
    codec.format = av.AudioFormat("s16")
    codec.layout = av.AudioLayout("stereo" if channels == 2 else "mono")
    codec.sample_rate = OPUS_RATE

    def decode(payload: bytes) -> NDArray[np.int16] | None:
        if not 0 < len(payload) <= _LONGEST_OPUS_BYTES:
            return None
        try:
            frames = cast("list[av.AudioFrame]", codec.decode(av.Packet(payload)))
        except FFmpegError:
            return None
        if not frames:
            return None
        parts = [frame.to_ndarray().reshape(-1, channels) for frame in frames]
        samples: NDArray[np.int16] = np.concatenate(parts).astype(np.int16, copy=False)
        return samples

    return decode


def decode_g711(law: str) -> Decode:
    """Return a decoder of G.711: ``mulaw`` or ``alaw``."""
    form = AudioFormat("mulaw" if law == "mulaw" else "alaw", 8_000)

    def decode(payload: bytes) -> NDArray[np.int16] | None:
        if not payload:
            return None
        samples: NDArray[np.int16] = np.rint(decode_channels(payload, form) * 32768.0).astype(
            np.int16
        )
        return samples

    return decode


def decode_linear(*, channels: int) -> Decode:
    """Return a decoder of L16: 16 bits, big endian (RFC 3551 §4.5.11)."""

    def decode(payload: bytes) -> NDArray[np.int16] | None:
        if not payload or len(payload) % (2 * channels):
            return None
        return np.frombuffer(payload, ">i2").astype(np.int16).reshape(-1, channels)

    return decode
