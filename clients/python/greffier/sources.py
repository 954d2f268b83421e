"""Where audio comes from: recordings, standard input and the microphone, as chunks of PCM.

A source tells its `format` and, where known, its `duration_ms`, and is iterated once. WAV files
need nothing but the standard library; other recordings are decoded by PyAV and the microphone is
read by sounddevice, both optional.
"""

import asyncio
import sys
import threading
import wave
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast

from greffier.errors import ExtraMissing, FileUnreadable, SourceFailed
from greffier.protocol import AudioFormat

__all__ = [
    "AudioSource",
    "FileSource",
    "MicrophoneSource",
    "StreamSource",
    "open_recording",
    "paced",
    "stdin_source",
]

CHUNK_MS: Final = 100
MAX_CHANNELS: Final = 8
_WAITING: Final = 4
"""Pieces of a stream that nobody has asked for yet."""


class AudioSource(Protocol):
    """Audio from somewhere, in order, once."""

    @property
    def format(self) -> AudioFormat:
        """Of the chunks."""
        ...

    @property
    def duration_ms(self) -> int | None:
        """Of the whole, where it is known beforehand."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield chunks of 20 to 100 ms.

        Raises:
            FileUnreadable: the recording is damaged.
            SourceFailed: the device or pipe broke.
        """
        ...


async def paced(source: AudioSource, pace: float | None = 1.0) -> AsyncIterator[bytes]:
    """Yield the chunks of `source` when a microphone would have given them.

    Each chunk's moment is counted from the first on the loop's clock, so that delays do not add up.

    Args:
        source: what to play.
        pace: 1.0 is real time, 2.0 twice as fast; None = at once.
    """
    clock = asyncio.get_running_loop().time
    start_s = clock()
    bytes_per_s = source.format.frame_bytes * source.format.rate
    played = 0
    async for chunk in source.chunks():
        played += len(chunk)
        if pace is not None:
            delay_s = start_s + played / bytes_per_s / pace - clock()
            if delay_s > 0:
                await asyncio.sleep(delay_s)
        yield chunk


class FileSource:
    """A recording whose chunks are read in a worker thread."""

    def __init__(
        self,
        read: Callable[[], Iterator[bytes]],
        *,
        format: AudioFormat,
        duration_ms: int | None,
    ) -> None:
        self._read = read
        self.format = format
        self.duration_ms = duration_ms

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield chunks of `CHUNK_MS`."""
        reading = self._read()
        try:
            while (chunk := await asyncio.to_thread(next, reading, None)) is not None:
                yield chunk
        finally:
            close = getattr(reading, "close", None)
            if close is not None:
                await asyncio.to_thread(close)


def open_recording(path: Path, *, separate: bool = False) -> FileSource:
    """Open a recording; reads its header at once (a blocking call).

    Args:
        path: of the file.
        separate: its channels are needed as they are; otherwise they may be mixed down.

    Raises:
        FileUnreadable: no such file, or not a recording, or more channels than can be separate.
        ExtraMissing: the file is not WAV and PyAV is not installed.
    """
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise FileUnreadable(f"cannot open {path}: {error.strerror}") from error
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        try:
            return _wav_source(path)
        except (wave.Error, EOFError):
            pass  # a WAV of another kind (floating point, compressed): PyAV may know it
    return _decoded_source(path, separate=separate)


def _wav_source(path: Path) -> FileSource:
    with closing(wave.open(str(path), "rb")) as file:
        width, rate, channels = file.getsampwidth(), file.getframerate(), file.getnchannels()
        frames = file.getnframes()
    if width not in _TO_16_BIT or channels > MAX_CHANNELS:
        raise wave.Error

    def read() -> Iterator[bytes]:
        narrow = _TO_16_BIT[width]
        frame_bytes = width * channels
        try:
            with closing(wave.open(str(path), "rb")) as opened:
                while chunk := opened.readframes(rate * CHUNK_MS // 1000):
                    whole = len(chunk) - len(chunk) % frame_bytes  # a file cut short
                    yield narrow(chunk[:whole])
        except (wave.Error, EOFError, OSError) as error:
            raise FileUnreadable(f"cannot read {path}: the file is damaged") from error

    return FileSource(
        read,
        format=AudioFormat("pcm_s16le", rate, channels),
        duration_ms=frames * 1000 // rate if rate else None,
    )


def _from_8_bit(chunk: bytes) -> bytes:
    wide = bytearray(2 * len(chunk))
    wide[1::2] = chunk.translate(_SIGNED)
    return bytes(wide)


def _upper_bytes(width: int) -> Callable[[bytes], bytes]:
    def narrow(chunk: bytes) -> bytes:
        kept = bytearray(len(chunk) // width * 2)
        kept[0::2] = chunk[width - 2 :: width]
        kept[1::2] = chunk[width - 1 :: width]
        return bytes(kept)

    return narrow


_SIGNED = bytes(value ^ 0x80 for value in range(256))
_TO_16_BIT: dict[int, Callable[[bytes], bytes]] = {
    1: _from_8_bit,
    2: bytes,
    3: _upper_bytes(3),
    4: _upper_bytes(4),
}


def _decoded_source(path: Path, *, separate: bool) -> FileSource:
    try:
        from greffier.decoding import channel_count, decode, duration_ms
    except ImportError as error:
        raise ExtraMissing(
            "server", f"reading {path.name} (only WAV needs nothing more)"
        ) from error
    channels = channel_count(path) if separate else 1
    if channels > MAX_CHANNELS:
        raise FileUnreadable(
            f"{path} has {channels} channels; at most {MAX_CHANNELS} can be kept apart"
        )
    format = AudioFormat("pcm_s16le", 16_000, channels)
    chunk_bytes = format.frame_bytes * format.rate * CHUNK_MS // 1000

    def read() -> Iterator[bytes]:
        return _rechunk(decode(path, rate=format.rate, separate=separate), chunk_bytes)

    return FileSource(read, format=format, duration_ms=duration_ms(path))


def _rechunk(pieces: Iterator[bytes], chunk_bytes: int) -> Iterator[bytes]:
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= chunk_bytes:
            yield bytes(held[:chunk_bytes])
            del held[:chunk_bytes]
    if held:
        yield bytes(held)


class StreamSource:
    """Raw PCM from a file object, such as a pipe.

    A thread of its own reads it: nothing can wake a thread that waits for a pipe, and one of the
    loop's own would hold up the end of the program.
    """

    duration_ms: int | None = None

    def __init__(self, stream: BinaryIO, format: AudioFormat) -> None:
        self._stream = stream
        self.format = format

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield what is there, at most `CHUNK_MS` at a time; half a frame at the end is dropped."""
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[bytes | OSError] = asyncio.Queue()
        room = threading.Semaphore(_WAITING)  # what bounds the queue

        def hand_over(piece: bytes | OSError) -> bool:
            while not room.acquire(timeout=1):
                if loop.is_closed():
                    return False
            try:
                loop.call_soon_threadsafe(pieces.put_nowait, piece)
            except RuntimeError:  # the loop is gone, and so is the reader
                return False
            return True

        threading.Thread(target=self._read, args=(hand_over,), daemon=True).start()
        frame_bytes = self.format.frame_bytes
        rest = b""
        while piece := await pieces.get():
            room.release()
            if isinstance(piece, OSError):
                raise SourceFailed("the input cannot be read any further") from piece
            rest += piece
            whole = len(rest) - len(rest) % frame_bytes
            if whole:
                yield rest[:whole]
                rest = rest[whole:]

    def _read(self, hand_over: Callable[[bytes | OSError], bool]) -> None:
        wanted = self.format.frame_bytes * self.format.rate * CHUNK_MS // 1000
        # `read1` returns what a pipe holds instead of waiting for a full chunk.
        read = cast("Callable[[int], bytes]", getattr(self._stream, "read1", self._stream.read))
        try:
            while (piece := read(wanted)) and hand_over(piece):
                pass
            hand_over(b"")
        except OSError as error:
            hand_over(error)


def stdin_source(format: AudioFormat) -> StreamSource:
    """Return standard input as raw PCM of `format`.

    It is read without Python's buffer: a thread that waits inside that one holds a lock which the
    interpreter wants when it ends.
    """
    stream = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115
    return StreamSource(cast("BinaryIO", stream), format)


class MicrophoneSource:
    """The microphone, until `stop`.

    What cannot be taken at once is kept, for up to ten minutes of a lost connection.
    """

    duration_ms: int | None = None
    _KEPT_MS: Final = 600_000

    def __init__(
        self, *, device: str | int | None = None, rate: int = 16_000, channels: int = 1
    ) -> None:
        self._device = device
        self.format = AudioFormat("pcm_s16le", rate, channels)
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End the iteration behind what was heard so far; call it on the event loop."""
        self._stopped.set()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield chunks of `CHUNK_MS` as they are heard."""
        try:
            from greffier.microphone import recording
        except (ImportError, OSError) as error:  # OSError: PortAudio itself is missing
            raise ExtraMissing("microphone", "the microphone") from error
        loop = asyncio.get_running_loop()
        heard: deque[bytes] = deque()
        more = asyncio.Event()
        overrun = asyncio.Event()

        def keep(chunk: bytes) -> None:
            if len(heard) * CHUNK_MS < self._KEPT_MS:
                heard.append(chunk)
            else:
                overrun.set()
            more.set()

        def hear(chunk: bytes) -> None:  # in the driver's thread
            with suppress(RuntimeError):  # the loop is gone
                loop.call_soon_threadsafe(keep, chunk)

        stopping = asyncio.create_task(self._stopped.wait())
        frames = self.format.rate * CHUNK_MS // 1000
        try:
            with recording(
                hear,
                device=self._device,
                rate=self.format.rate,
                frames=frames,
                channels=self.format.channels,
            ):
                while heard or not self._stopped.is_set():
                    if overrun.is_set():
                        raise SourceFailed("the server has taken no audio for too long")
                    if heard:
                        yield heard.popleft()
                        continue
                    more.clear()
                    waiting = asyncio.create_task(more.wait())
                    await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
                    waiting.cancel()
        finally:
            stopping.cancel()
