"""FLAC in a few lines over PyAV: 16-bit samples in, the same samples out, bit for bit.

Bare FLAC frames, without the container, whose padding alone is 8 KB.
"""

import struct
from collections.abc import Sequence
from typing import Any

__all__ = ["flac", "unflac"]

_RATE = 16_000
"""Written into the frames, and of no effect on the samples."""
_FRAME_SAMPLES = 4_096
_COUNT = struct.Struct("<HH")
_LENGTH = struct.Struct("<I")


def flac(pcm: bytes, channels: int) -> bytes:
    """Return whole s16le frames of one or two interleaved channels as FLAC."""
    import numpy as np
    from av.audio.codeccontext import AudioCodecContext
    from av.audio.frame import AudioFrame

    encoder: Any = AudioCodecContext.create("flac", "w")
    encoder.sample_rate, encoder.format = _RATE, "s16"
    encoder.layout = layout = ("mono", "stereo")[channels - 1]
    encoder.open()
    samples = np.frombuffer(pcm, "<i2").astype(np.int16, copy=False).reshape(1, -1)
    packets: list[bytes] = []
    width = _FRAME_SAMPLES * channels
    for at in range(0, samples.shape[1], width):
        frame: Any = AudioFrame.from_ndarray(samples[:, at : at + width], "s16", layout)
        frame.sample_rate, frame.pts = _RATE, at // channels
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    packets += [bytes(packet) for packet in encoder.encode(None)]
    return _join(bytes(encoder.extradata), [packet for packet in packets if packet])


def unflac(octets: bytes, channels: int, length: int) -> bytes:
    """Return the `length` bytes of samples that `flac` was given.

    Raises:
        ValueError: it is no FLAC, or holds more.
    """
    from av.audio.codeccontext import AudioCodecContext
    from av.error import FFmpegError
    from av.packet import Packet

    about, packets = _split(octets)
    decoder: Any = AudioCodecContext.create("flac", "r")
    decoder.extradata = about
    audio = bytearray()
    try:
        for packet in [*map(Packet, packets), None]:
            for frame in decoder.decode(packet):
                if len(frame.layout.channels) != channels or len(audio) > length:
                    raise ValueError("other channels, or too long")
                audio += frame.to_ndarray().astype("<i2", copy=False).tobytes()
    except FFmpegError as error:
        raise ValueError("not FLAC") from error
    return bytes(audio)


def _join(about: bytes, packets: Sequence[bytes]) -> bytes:
    head = _COUNT.pack(len(about), len(packets)) + about
    return head + b"".join(_LENGTH.pack(len(packet)) + packet for packet in packets)


def _split(octets: bytes) -> tuple[bytes, list[bytes]]:
    try:
        size, count = _COUNT.unpack_from(octets)
        at = _COUNT.size + size
        about, packets = octets[_COUNT.size : at], list[bytes]()
        for _ in range(count):
            (length,) = _LENGTH.unpack_from(octets, at)
            at += _LENGTH.size + length
            packets.append(octets[at - length : at])
    except struct.error as error:
        raise ValueError("cut off") from error
    return about, packets
