"""The program that decodes one recording that a stranger sent; run as a process of its own.

``python -m greffier_server.transport.recording_decoder SEPARATE MAX_MS KEY < recording``

It reads the recording from standard input, which is a `SealedFile` whose key comes from the pipe
with the descriptor KEY, and writes one line of JSON (the format
of what follows, or why nothing follows), then PCM. A decoder of fifty formats meets hostile input
here: a crash ends this process alone, limits of the kernel hold it, and nothing that a recording
names (playlists, other files, addresses) is opened.
"""

import io
import json
import os
import resource
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Final

from greffier_server.transport.sealed_file import KEY_BYTES, SealedReader

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

__all__ = ["DAMAGED", "RATE", "TOO_LONG", "main"]

RATE: Final = 16_000
"""Samples per second that recordings are decoded to."""
DAMAGED: Final = 3
"""Exit status: it cannot be read to its end."""
TOO_LONG: Final = 4
"""Exit status: it goes on beyond the limit."""

_FORMATS: Final = (
    "aac,ac3,aiff,amr,asf,au,caf,flac,flv,matroska,mov,mp3,mp4,mpeg,mpegts,ogg,w64,wav,webm,wv"
)
"""Demuxers that read the one file they are given (FFmpeg's names)."""
_MEMORY_BYTES: Final = 2 << 30
_CPU_S: Final = 60
_CPU_SHARE: Final = 50
"""Of the longest recording: each of these decoders is many times faster than real time."""
_MAX_CHANNELS: Final = 8
_BUFFER_BYTES: Final = 65_536


class _Refused(Exception):
    """Nothing of the recording can be used; the text is the reason in the header."""


class _Damaged(Exception):
    """It cannot be read any further."""


def main(arguments: list[str]) -> int:
    """Decode standard input to standard output; return the exit status."""
    separate, max_ms = arguments[0] == "1", int(arguments[1])
    _limit(max_ms)
    key_at = int(arguments[2])
    key = os.read(key_at, KEY_BYTES)
    os.close(key_at)
    recording = io.BufferedReader(SealedReader(sys.stdin.fileno(), key), _BUFFER_BYTES)
    out = sys.stdout.buffer
    begun = False
    left = max_ms * RATE // 1000
    try:
        for channels, pcm in _decode(recording, separate=separate, max_ms=max_ms):
            if not begun:
                begun = True
                _head(out, channels=channels)
            left -= len(pcm) // (2 * channels)
            if left < 0:
                return TOO_LONG
            out.write(pcm)
        if not begun:
            _head(out, refused="silent")
    except _Refused as refusal:
        _head(out, refused=str(refusal))
    except _Damaged:
        if begun:
            return DAMAGED
        _head(out, refused="unreadable")
    return 0


def _decode(
    recording: "io.BufferedReader[SealedReader]", *, separate: bool, max_ms: int
) -> Iterator[tuple[int, bytes]]:
    """Yield the number of channels and a piece of PCM."""
    import av  # after the limits: what follows is not ours
    from av.error import FFmpegError

    try:
        with av.open(
            recording,
            mode="r",
            metadata_errors="replace",
            container_options={"format_whitelist": _FORMATS, "protocol_whitelist": "file"},
        ) as container:
            if not container.streams.audio:
                raise _Refused("silent")
            stream = container.streams.audio[0]
            if container.duration is not None and container.duration // 1000 > max_ms:
                raise _Refused("too_long")
            channels = stream.channels if separate else 1
            if channels > _MAX_CHANNELS:
                raise _Refused("channels")
            layout = stream.layout.name if separate else "mono"
            shape: tuple[str, str, int] | None = None
            resampler = av.AudioResampler(format="s16", layout=layout, rate=RATE)
            for frame in _frames(container, stream):
                now = (frame.format.name, frame.layout.name, frame.sample_rate)
                if shape is not None and now != shape:  # parts joined into one file
                    for part in resampler.resample(None):
                        yield channels, bytes(part.planes[0])[: part.samples * 2 * channels]
                    resampler = av.AudioResampler(format="s16", layout=layout, rate=RATE)
                shape = now
                for part in resampler.resample(frame):
                    yield channels, bytes(part.planes[0])[: part.samples * 2 * channels]
            if shape is not None:
                for part in resampler.resample(None):
                    yield channels, bytes(part.planes[0])[: part.samples * 2 * channels]
    except (FFmpegError, ValueError, MemoryError) as error:
        raise _Damaged from error


def _frames(container: "InputContainer", stream: "AudioStream") -> "Iterator[AudioFrame]":
    """Yield what can be decoded; junk before the first and behind the last sound is passed over."""
    from av.error import InvalidDataError

    begun = torn = False
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except InvalidDataError:
            torn = begun
            continue
        if frames and torn:
            raise _Damaged
        begun = begun or bool(frames)
        yield from frames


def _head(out: BinaryIO, *, channels: int = 0, refused: str = "") -> None:
    head = {"rate": RATE, "channels": channels, "refused": refused}
    out.write(json.dumps(head).encode() + b"\n")


def _limit(max_ms: int) -> None:
    cpu_s = _CPU_S + max_ms // 1000 // _CPU_SHARE
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
