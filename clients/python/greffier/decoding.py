"""PyAV, the optional decoder of every recording that is not plain WAV (imports it)."""

from collections.abc import Iterator
from pathlib import Path

import av
from av.error import FFmpegError

from greffier.errors import FileUnreadable

__all__ = ["channel_count", "decode", "duration_ms"]


def duration_ms(path: Path) -> int | None:
    """Return the length of a recording, None where its file does not say.

    Raises:
        FileUnreadable: it is not a recording.
    """
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise FileUnreadable(f"{path} holds no sound")
            length = container.duration
            return None if length is None else length // 1000  # FFmpeg counts microseconds
    except FFmpegError as error:
        raise FileUnreadable(f"{path} is not a recording that can be read") from error


def channel_count(path: Path) -> int:
    """Return how many channels a recording has.

    Raises:
        FileUnreadable: it is not a recording.
    """
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise FileUnreadable(f"{path} holds no sound")
            return container.streams.audio[0].channels
    except FFmpegError as error:
        raise FileUnreadable(f"{path} is not a recording that can be read") from error


def decode(path: Path, *, rate: int, separate: bool = False) -> Iterator[bytes]:
    """Yield the recording as ``pcm_s16le`` at `rate`, in pieces of the decoder's size.

    It is mixed down to mono, or has its own channels, interleaved, where they are `separate`.

    Raises:
        FileUnreadable: it is damaged.
    """
    try:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            layout = stream.layout.name if separate else "mono"
            width = 2 * (stream.channels if separate else 1)
            resampler = av.AudioResampler(format="s16", layout=layout, rate=rate)
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    yield bytes(part.planes[0])[: part.samples * width]
            for part in resampler.resample(None):
                yield bytes(part.planes[0])[: part.samples * width]
    except FFmpegError as error:
        raise FileUnreadable(f"cannot read {path}: the file is damaged") from error
