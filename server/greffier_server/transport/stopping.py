"""Shutting down without losing anyone: who is still connected, and when the last one has left."""

import asyncio
import math
from collections.abc import Generator
from contextlib import contextmanager

from greffier_server.transport.refusals import ServerStopping

__all__ = ["Connections"]


class Connections:
    """Counts the open WebSockets; once `stop` is called they finish and no new ones are taken."""

    def __init__(self, *, limit: int, retry_after_s: float = 5.0) -> None:
        self._limit = limit
        self.retry_after_s = retry_after_s
        """From `stop` until the next start takes clients again, as far as is known."""
        self._count = 0
        self._stopping = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def count(self) -> int:
        """Open now."""
        return self._count

    @property
    def full(self) -> bool:
        """More hold a place than there is room for."""
        return self._count > self._limit

    @property
    def stopping(self) -> bool:
        """`stop` was called."""
        return self._stopping.is_set()

    def retry_after_ms(self, error: Exception) -> int | None:
        """When a client that is told `error` should come back; None where nobody knows."""
        if not isinstance(error, ServerStopping):
            return None
        return math.ceil(self.retry_after_s * 1000)

    @contextmanager
    def place(self) -> Generator[None, None, None]:
        """Hold a place while a connection lasts."""
        self._count += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._count -= 1
            if self._count == 0:
                self._empty.set()

    async def stopped(self) -> None:
        """Wait for `stop`."""
        await self._stopping.wait()

    def stop(self) -> None:
        """Ask every connection to end."""
        self._stopping.set()

    async def wait_empty(self, *, timeout_s: float) -> bool:
        """Wait until the last connection has left; False when the time was over first."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True
