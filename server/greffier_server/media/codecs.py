"""Payloads of RTP packets to samples: Opus, G.711 and linear PCM."""

from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from greffier.protocol import AudioFormat
from greffier_server.core.audio import decode_channels
from greffier_server.media.timeline import Decode

__all__ = ["OPUS_RATE", "OpusDecoder", "decode_g711", "decode_linear"]

OPUS_RATE: Final = 48_000
"""Clock of Opus in RTP, whatever it was made from (RFC 7587)."""
_LONGEST_OPUS_BYTES: Final = 8 * 1276
"""Of a packet of 120 ms (RFC 6716)."""
_ONE_FRAME: Final = 0xFC
"""What of a packet's first byte says how it is coded, without how many frames it has."""


class OpusDecoder:
    """Decodes Opus packets, mono or stereo whatever was sent (imports PyAV).

    Args:
        channels: 1 or 2.
    """

    def __init__(self, *, channels: int) -> None:
        import av

        self._channels = channels
        codec: Any = av.CodecContext.create("libopus", "r")
        codec.format = av.AudioFormat("s16")
        codec.layout = av.AudioLayout("stereo" if channels == 2 else "mono")
        codec.sample_rate = OPUS_RATE
        self._codec = codec
        self._kind: int | None = None

    def __call__(self, payload: bytes) -> NDArray[np.int16] | None:
        """Return the samples of a packet, None when it holds no sound."""
        if not 0 < len(payload) <= _LONGEST_OPUS_BYTES:
            return None
        samples = self._decode(payload)
        if samples is not None:
            self._kind = payload[0] & _ONE_FRAME
        return samples

    def conceal(self, length: int) -> NDArray[np.int16] | None:
        """Return what stands for lost sound behind the last packet; None when there was none.

        A frame without content is one that was lost (RFC 6716 §3.2.1): the decoder goes on with
        the voice as it was, ever softer, and joins the next packet to it without a click.

        Args:
            length: in samples.
        """
        parts: list[NDArray[np.int16]] = []
        made = 0
        while self._kind is not None and made < length:
            part = self._decode(bytes([self._kind]))
            if part is None:
                break
            parts.append(part)
            made += len(part)
        return np.concatenate(parts)[:length] if parts else None

    def _decode(self, payload: bytes) -> NDArray[np.int16] | None:
        import av
        from av.error import FFmpegError

        try:
            frames = cast("list[av.AudioFrame]", self._codec.decode(av.Packet(payload)))
        except FFmpegError:
            return None
        if not frames:
            return None
        parts = [frame.to_ndarray().reshape(-1, self._channels) for frame in frames]
        samples: NDArray[np.int16] = np.concatenate(parts).astype(np.int16, copy=False)
        return samples


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
