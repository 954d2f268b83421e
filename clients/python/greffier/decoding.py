"""PyAV, the optional decoder of every recording that is not plain WAV (imports it)."""

from collections.abc import Iterator
from pathlib import Path

import av
from av.error import FFmpegError

from greffier.errors import FileUnreadable

__all__ = ["decode", "duration_ms"]


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


def decode(path: Path, *, rate: int) -> Iterator[bytes]:
    """Yield the recording as mono ``pcm_s16le`` at `rate`, in pieces of the decoder's size.

    Raises:
        FileUnreadable: it is damaged.
    """
    try:
        with av.open(str(path)) as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    yield bytes(part.planes[0])[: part.samples * 2]
            for part in resampler.resample(None):
                yield bytes(part.planes[0])[: part.samples * 2]
    except FFmpegError as error:
        raise FileUnreadable(f"cannot read {path}: the file is damaged") from error
