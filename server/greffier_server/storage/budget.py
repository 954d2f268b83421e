"""A bounded count of bytes that callers wait for in the order they came."""

import asyncio
from collections import deque

__all__ = ["ByteBudget"]


class ByteBudget:
    """At most `total` bytes are out at once; used on one event loop.

    More than `total` at once counts as `total`: it waits until nothing else is out.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def used(self) -> int:
        """Bytes out."""
        return self._used

    async def take(self, count: int) -> None:
        """Wait until `count` bytes are free and everybody who came before has theirs."""
        size = min(count, self._total)
        if not self._waiting and self._used + size <= self._total:
            self._used += size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(count)
            else:
                self._waiting.remove((size, turn))
                self._wake()
            raise

    def give_back(self, count: int) -> None:
        """Free `count` bytes that were taken together."""
        self._used -= min(count, self._total)
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._used + self._waiting[0][0] <= self._total:
            size, turn = self._waiting.popleft()
            if turn.cancelled():  # its caller gives nothing back
                continue
            self._used += size
            turn.set_result(None)
