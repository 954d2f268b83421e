"""Small recordings in every container that clients send, made by FFmpeg's own encoders."""

import io
from fractions import Fraction
from functools import cache
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray

__all__ = ["CONTAINERS", "encoded", "sine"]

CONTAINERS: dict[str, tuple[str, str, int]] = {
    "ogg-opus": ("ogg", "libopus", 48_000),
    "webm-opus": ("webm", "libopus", 48_000),
    "flac": ("flac", "flac", 44_100),
    "mp3": ("mp3", "libmp3lame", 44_100),
    "aac-adts": ("adts", "aac", 48_000),
    "mp4-fragmented": ("mp4", "aac", 48_000),
    "wav": ("wav", "pcm_s24le", 96_000),
    "aiff": ("aiff", "pcm_s16be", 22_050),
}
"""Name to FFmpeg's format and codec, and the rate."""
_OPTIONS = {
    "mp4": {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "200000"},
    "webm": {"live": "1", "cluster_time_limit": "200"},
}


def sine(hz: float, seconds: float, *, rate: int, channels: int = 1) -> NDArray[np.float32]:
    """A sine at half of full scale: rows are frames."""
    wave = 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)
    return np.tile(wave.astype(np.float32)[:, np.newaxis], (1, channels))


@cache
def encoded(name: str, *, seconds: float = 1.0, hz: float = 440.0, channels: int = 1) -> bytes:
    """Return a sine in a container."""
    form, codec, rate = CONTAINERS[name]
    file = io.BytesIO()
    layout = "stereo" if channels == 2 else "mono"
    with av.open(file, "w", format=form, options=_OPTIONS.get(form, {})) as opened:
        container = cast("Any", opened)
        stream = container.add_stream(codec, rate=rate, layout=layout)
        wanted = str(stream.codec_context.format.name)
        convert = av.AudioResampler(format=wanted, layout=layout, rate=rate)
        fifo = av.AudioFifo()
        samples = sine(hz, seconds, rate=rate, channels=channels)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for part in convert.resample(frame):
            fifo.write(part)
        size = int(stream.codec_context.frame_size) or 1_024
        while (piece := fifo.read(size, partial=True)) is not None:
            for packet in stream.encode(piece):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return file.getvalue()
