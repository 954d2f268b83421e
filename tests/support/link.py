"""A link between a client and a server that can fail in the ways links do."""

import asyncio
import contextlib
import socket
import struct
from contextlib import suppress
from typing import Literal

__all__ = ["Link", "LinkState"]

LinkState = Literal["up", "refusing", "frozen", "bad-gateway", "elsewhere"]
"""``refusing``: connections are reset; ``frozen``: nothing passes and nobody says so;
``bad-gateway``: a proxy without its server; ``elsewhere``: a captive portal that redirects."""

_ANSWERS: dict[str, bytes] = {
    "bad-gateway": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "elsewhere": b"HTTP/1.1 302 Found\r\nLocation: http://portal.invalid/\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n",
}


class Link:
    """Relays a loopback port to another; use with ``async with``."""

    def __init__(self, port: int, *, state: LinkState = "up") -> None:
        self.port_behind = port
        self.state: LinkState = state
        self.connections = 0
        self._moving = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def become(self, state: LinkState, *, cut: bool = True) -> None:
        """Change the state; unless it freezes, open connections are reset (``cut``)."""
        self.state = state
        if state != "frozen":
            self._moving.set()
            if cut and state != "up":
                self.cut()

    def cut(self) -> None:
        """Reset every open connection."""
        for writer in list(self._writers):
            _reset(writer)

    async def __aenter__(self) -> "Link":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.state == "refusing":
            _reset(writer)
            return
        if self.state in _ANSWERS:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(_ANSWERS[self.state])
            await writer.drain()
            return
        behind, onward = await asyncio.open_connection("127.0.0.1", self.port_behind)
        self._writers.add(onward)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._relay(reader, onward))
                group.create_task(self._relay(behind, writer))
        except* (OSError, _Ended):
            pass
        finally:
            self._writers.discard(onward)
            onward.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            piece = await reader.read(65_536)
            while self.state == "frozen":
                self._moving.clear()
                await self._moving.wait()
            if not piece:
                raise _Ended
            writer.write(piece)
            await writer.drain()


class _Ended(Exception):
    """One side closed."""


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST (SO_LINGER of 0 s)."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        writer.transport.abort()
