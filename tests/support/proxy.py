"""A TCP proxy on loopback that breaks connections on purpose: cuts, half-open, delayed, in bits."""

import asyncio
from types import TracebackType
from typing import Self

__all__ = ["Proxy"]

_CHUNK_BYTES = 65_536


class _Link:
    """One client's connection and the one to the server behind it."""

    def __init__(
        self, proxy: "Proxy", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy = proxy
        self._reader = reader
        self._writer = writer
        self._behind: asyncio.StreamWriter | None = None
        self._last_bytes: int | None = None
        self._dead = asyncio.Event()
        self._frozen = False

    @property
    def open(self) -> bool:
        """Nothing has ended it yet."""
        return not self._dead.is_set()

    async def run(self) -> None:
        try:
            reader, self._behind = await asyncio.open_connection(*self._proxy.target)
        except OSError:
            self.abort()
            return
        pumps = [
            asyncio.create_task(self._pump(self._reader, self._behind)),
            asyncio.create_task(self._pump(reader, self._writer)),
        ]
        dead = asyncio.create_task(self._dead.wait())
        try:
            await asyncio.wait({*pumps, dead}, return_when=asyncio.FIRST_COMPLETED)
            if self._frozen:
                await dead
            elif not self._dead.is_set():  # one side has closed in good order; so may the other
                await asyncio.wait({*pumps, dead}, timeout=1.0)
        finally:
            for task in (*pumps, dead):
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            await asyncio.gather(dead, return_exceptions=True)
            self.abort()

    def cut(self, *, after_bytes: int) -> None:
        """Abort now, or once so many more bytes have been passed on to either side."""
        self._last_bytes = after_bytes
        if after_bytes == 0:
            self.abort()

    def freeze(self) -> None:
        """Pass nothing on any more, and leave both ends open."""
        self._frozen = True

    def abort(self) -> None:
        """Reset both ends."""
        self._dead.set()
        self._writer.transport.abort()
        if self._behind is not None:
            self._behind.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(_CHUNK_BYTES):
                if self._proxy.delay_s:
                    await asyncio.sleep(self._proxy.delay_s)
                await self._pass_on(chunk, writer)
            if writer.can_write_eof() and not self._frozen:
                writer.write_eof()
        except OSError:
            self.abort()

    async def _pass_on(self, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        size = self._proxy.piece_bytes or len(chunk)
        for at in range(0, len(chunk), size):
            piece = chunk[at : at + size]
            if self._frozen:
                await self._dead.wait()
            if self._last_bytes is not None:
                piece = piece[: self._last_bytes]
                self._last_bytes -= len(piece)
            writer.write(piece)
            await writer.drain()
            if self._last_bytes == 0:
                self.abort()
                return
            if self._proxy.piece_bytes:
                await asyncio.sleep(0)


class Proxy:
    """Passes connections on to a server; use with ``async with``.

    Args:
        port: of the server, on loopback.

    Attributes:
        delay_s: each chunk is held back for so long.
        piece_bytes: chunks are passed on in pieces of this size; 0 = as they come.
    """

    def __init__(self, port: int) -> None:
        self.target = ("127.0.0.1", port)
        self.delay_s = 0.0
        self.piece_bytes = 0
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def connections(self) -> int:
        """Open now."""
        return sum(link.open for link in self._links)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        async with asyncio.timeout(30):
            while self._links:  # noqa: ASYNC110 - they end by themselves, and tell nobody
                await asyncio.sleep(0.01)
        await self._server.wait_closed()

    def cut(self, *, after_bytes: int = 0) -> int:
        """Reset every connection, now or in the middle of what comes next; return how many."""
        links = [link for link in self._links if link.open]
        for link in links:
            link.cut(after_bytes=after_bytes)
        return len(links)

    def freeze(self) -> int:
        """Leave every connection half-open: nothing passes, nobody is told; return how many."""
        links = [link for link in self._links if link.open]
        for link in links:
            link.freeze()
        return len(links)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(self, reader, writer)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)
