"""AudioSocket: telephone calls from Asterisk, each a session of its own.

Frames are a type (one byte), a length (two, big endian) and a payload
(https://docs.asterisk.org/Configuration/Channel-Drivers/AudioSocket/).
"""

import asyncio
import logging
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Final

from greffier.errors import GreffierError
from greffier.protocol import AudioFormat
from greffier_server.ingest.carrying import Destination, carry
from greffier_server.ingest.sources import Piece, SourceUnusable

__all__ = ["AudioSocketCall", "answer_calls"]

_log = logging.getLogger(__name__)

_HEAD: Final = struct.Struct("!BH")
_HANGUP: Final = 0x00
_IDENTITY: Final = 0x01
_RATES: Final = {
    0x10: 8_000,
    0x11: 12_000,
    0x12: 16_000,
    0x13: 24_000,
    0x14: 32_000,
    0x15: 44_100,
    0x16: 48_000,
    0x17: 96_000,
    0x18: 192_000,
}
"""Types of signed linear sound, 16 bits, little endian, mono."""
_SILENT_S: Final = 60.0
"""A call that sends nothing for so long is over."""


class AudioSocketCall:
    """One call as a source.

    Args:
        reader: of its connection.
    """

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._first: Piece | None = None
        self._rate = 0
        self.identity = ""
        """The call's UUID, hexadecimal, once it has said so."""

    @property
    def name(self) -> str:
        """For people."""
        return f"call {self.identity or '?'}"

    async def open(self) -> AudioFormat:
        """Wait for the first sound; its type decides the rate.

        Raises:
            SourceUnusable: the call ended before, or is none.
        """
        while (frame := await self._frame()) is not None:
            kind, payload = frame
            if kind == _IDENTITY:
                self.identity = payload.hex()
            elif kind in _RATES:
                self._rate = _RATES[kind]
                self._first = Piece(_whole(payload))
                return AudioFormat("pcm_s16le", self._rate, 1)
        raise SourceUnusable("the call ended before it gave any sound")

    async def pieces(self) -> AsyncIterator[Piece]:
        """Yield to the end of the call."""
        if self._first is not None:
            yield self._first
        while (frame := await self._frame()) is not None:
            kind, payload = frame
            if _RATES.get(kind) == self._rate and len(payload) > 1:
                yield Piece(_whole(payload))

    async def _frame(self) -> tuple[int, bytes] | None:
        try:
            async with asyncio.timeout(_SILENT_S):
                kind, length = _HEAD.unpack(await self._reader.readexactly(_HEAD.size))
                payload = await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, OSError, TimeoutError):
            return None
        return None if kind == _HANGUP else (kind, payload)


async def answer_calls(
    host: str,
    port: int,
    destination: Destination,
    *,
    stop: asyncio.Event,
    listening: asyncio.Future[int],
    calls: int = 32,
) -> None:
    """Carry every call to the server until `stop` is set; then finish those that go on.

    Args:
        host: address to listen on.
        port: TCP; 0 takes a free one.
        destination: of each call; its title has the call's UUID added.
        stop: ends it.
        listening: told the port.
        calls: at once; more are not answered.

    Raises:
        SourceUnusable: the port cannot be had.
    """
    running: set[asyncio.Task[None]] = set()

    async def carried(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = AudioSocketCall(reader)
        try:
            form = await call.open()
            title = f"{destination.title} {call.identity}".strip()
            _log.info("a call began", extra={"rate": form.rate})
            await carry(_Opened(call, form), replace(destination, title=title), stop=stop)
        except (GreffierError, SourceUnusable) as error:
            _log.warning("a call was not carried: %s", error.code)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(running) >= calls or stop.is_set():
            writer.close()
            return
        task = asyncio.get_running_loop().create_task(carried(reader, writer), name="call")
        running.add(task)
        task.add_done_callback(running.discard)

    try:
        server = await asyncio.start_server(answer, host, port)
    except OSError as error:
        raise SourceUnusable(f"cannot listen on port {port}: {error.strerror}") from error
    listening.set_result(server.sockets[0].getsockname()[1])
    try:
        await stop.wait()
    finally:
        server.close()
        await asyncio.gather(*running, return_exceptions=True)


class _Opened:
    """A call whose format is known already."""

    def __init__(self, call: AudioSocketCall, form: AudioFormat) -> None:
        self._call = call
        self._form = form

    @property
    def name(self) -> str:
        return self._call.name

    async def open(self) -> AudioFormat:
        return self._form

    def pieces(self) -> AsyncIterator[Piece]:
        return self._call.pieces()


def _whole(payload: bytes) -> bytes:
    return payload[: len(payload) // 2 * 2]
