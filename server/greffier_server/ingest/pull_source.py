"""Streams that are fetched: RTSP cameras and receivers, HLS, Icecast, any live HTTP stream."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from greffier.protocol import AudioFormat
from greffier_server.ingest.repeats import Repeats
from greffier_server.ingest.sources import Lack, Piece, SourceUnusable
from greffier_server.media.containers import CODECS
from greffier_server.media.conversion import Converter, UndecodableAudio

__all__ = ["PullSource"]

_log = logging.getLogger(__name__)

_SCHEMES: Final = {
    "http": "http,tcp,crypto",
    "https": "http,https,tls,tcp,crypto",
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsp,rtsps,rtp,udp,tcp,tls",
}
"""What FFmpeg may open for each: a playlist never leads to files of this machine."""
_RATE: Final = 16_000
_WAITING: Final = 64
_FIRST_DELAY_S: Final = 1.0
_LONGEST_DELAY_S: Final = 30.0
_LONGEST_LACK_S: Final = 3_600
_SHORTEST_LACK: Final = _RATE // 10
"""In samples: a break is told even if the stream came back with all that was missed."""
_BURST_S: Final = 1.0
"""So long it is waited after a break for what a server sends at once."""
_LONGEST_BURST: Final = 120 * _RATE
_BAD_PACKETS: Final = 100

_Message = NDArray[np.int16] | Exception | None


class PullSource:
    """Reads a live stream; when it breaks off, it is fetched again, and what was missed is a lack.

    The clock of the samples is that of the wall: a break is silence for the time since the last
    sound, less what the server sends at once when it is back (three segments of a playlist, say).
    What it repeats of before the break is left out.

    Args:
        url: ``rtsp:``, ``rtsps:``, ``http:`` or ``https:``.
        timeout_s: a stream that sends nothing for so long is fetched again.
        attempts: failed ones in a row after which it is given up; None = never.
        once: the stream is a recording: its end is the end.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 15.0,
        attempts: int | None = None,
        once: bool = False,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise SourceUnusable(f"a stream's address begins with {', '.join(_SCHEMES)}")
        self._url = url
        self._protocols = _SCHEMES[parts.scheme]
        self._host = parts.hostname
        self._scheme = parts.scheme
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._once = once

    @property
    def name(self) -> str:
        """For people; an address may hold a password."""
        return f"{self._scheme}://{self._host}"

    async def open(self) -> AudioFormat:
        """Return at once: streams are mixed and brought to 16 kHz."""
        return AudioFormat("pcm_s16le", _RATE, 1)

    async def pieces(self) -> AsyncIterator[Piece]:
        """Yield to the end of a recording, or for ever."""
        clock = asyncio.get_running_loop().time
        at, failed, lost, last_s = 0, 0, False, clock()
        repeats = Repeats()
        while True:
            fetch = _Fetch(partial(self._open, repeats), asyncio.get_running_loop())
            try:
                while (sound := await fetch.next()) is not None:
                    if lost:
                        sound = await fetch.burst(sound)
                        passed = round(min(clock() - last_s, _LONGEST_LACK_S) * _RATE)
                        lack = passed - len(sound)
                        async for piece in _silence(at, max(lack, _SHORTEST_LACK)):
                            at += len(piece.audio) // 2
                            yield piece
                    failed, lost, last_s = 0, False, clock()
                    at += len(sound)
                    for begin in range(0, len(sound), _RATE):
                        yield Piece(sound[begin : begin + _RATE].astype("<i2").tobytes())
            except UndecodableAudio as error:
                _log.info("the stream broke off: %s", error.message)
                failed += 1
            else:
                if self._once:
                    return
                failed += 1
            finally:
                await fetch.close()
            lost = True
            if self._attempts is not None and failed > self._attempts:
                raise SourceUnusable(f"{self.name} gives no sound")
            await asyncio.sleep(min(_FIRST_DELAY_S * 2 ** (failed - 1), _LONGEST_DELAY_S))

    def _open(self, repeats: Repeats, put: Callable[[_Message], bool]) -> None:
        """Read one connection to its end; in a thread."""
        import av
        from av.error import FFmpegError

        options = {"protocol_whitelist": self._protocols, "fflags": "+genpts"}
        if self._scheme.startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        try:
            with av.open(self._url, "r", options=options, timeout=self._timeout_s) as container:
                if not container.streams.audio:
                    raise UndecodableAudio("the stream holds no sound")
                stream = container.streams.audio[0]
                context: Any = stream.codec_context  # None where there is no decoder for it
                if context is None or context.codec.name not in CODECS:
                    raise UndecodableAudio("the stream's codec is not taken")
                converter, bad = Converter(rate=_RATE, channels=1), 0
                repeats.begin()
                for packet in container.demux(stream):
                    if packet.size and repeats.heard(bytes(packet)):
                        continue
                    try:
                        frames = packet.decode()
                    except FFmpegError:
                        bad += 1
                        if bad > _BAD_PACKETS:
                            raise
                        continue
                    bad = 0
                    for frame in frames:
                        sound = converter.feed(frame)
                        if len(sound) and not put(sound):
                            return
                put(converter.flush())
        except (FFmpegError, OSError, ValueError) as error:
            raise UndecodableAudio(type(error).__name__) from None


class _Fetch:
    """One connection, read by a thread of its own; bounded."""

    def __init__(
        self,
        work: Callable[[Callable[[_Message], bool]], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._work = work
        self._loop = loop
        self._queue: asyncio.Queue[_Message] = asyncio.Queue()
        self._room = threading.Semaphore(_WAITING)  # what bounds the queue
        self._kept: _Message = None
        self._keeps = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
        self._thread.start()

    async def next(self) -> NDArray[np.int16] | None:
        """Return the next sound; None at the end.

        Raises:
            UndecodableAudio: the connection broke.
        """
        message = self._kept if self._keeps else await self._get()
        self._keeps = False
        if isinstance(message, Exception):
            raise message
        return message

    async def burst(self, first: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return `first` and what comes soon behind it."""
        parts = [first]
        with suppress(TimeoutError):
            async with asyncio.timeout(_BURST_S):
                while sum(map(len, parts)) < _LONGEST_BURST:
                    message = await self._get()
                    if message is None or isinstance(message, Exception):
                        self._kept, self._keeps = message, True
                        break
                    parts.append(message)
        return np.concatenate(parts)

    async def close(self) -> None:
        """Let the thread end when its read returns."""
        self._stopped.set()

    def _run(self) -> None:
        try:
            self._work(self._put)
        except UndecodableAudio as error:
            self._put(error)
        else:
            self._put(None)

    def _put(self, message: _Message) -> bool:
        while not self._room.acquire(timeout=0.5):
            if self._stopped.is_set():
                return False
        with suppress(RuntimeError):  # the loop is gone
            self._loop.call_soon_threadsafe(self._queue.put_nowait, message)
            return not self._stopped.is_set()
        return False

    async def _get(self) -> _Message:
        message = await self._queue.get()
        self._room.release()
        return message


async def _silence(at: int, length: int) -> AsyncIterator[Piece]:
    for begin in range(0, length, _RATE):
        part = min(_RATE, length - begin)
        last = begin + part == length
        lack = (Lack(at, at + length, "source_lost"),) if last else ()
        yield Piece(bytes(2 * part), lack)
