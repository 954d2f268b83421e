"""The queue in front of a language model: who may generate next."""

import asyncio
import heapq
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from greffier_models.errors import EngineUnavailable

__all__ = ["Slots"]


@dataclass(order=True, slots=True)
class _Waiter:
    priority: int
    number: int
    tokens: int = field(compare=False)
    admitted: asyncio.Future[None] = field(compare=False)


class Slots:
    """Places to generate in, given by priority and then by arrival.

    With two places or more, one is kept for priority 0: live translation never waits for notes or
    minutes to end. Within a priority nobody is overtaken, so that a long prompt gets its turn.

    Args:
        count: generations that run at once.
        total_tokens: room for the prompts and answers of all that run; None = no such limit.
        background_tokens: what priorities above 0 may use of it; None = all.
        queue_limit: generations that may wait; more are refused.
    """

    def __init__(
        self,
        count: int,
        *,
        total_tokens: int | None = None,
        background_tokens: int | None = None,
        queue_limit: int = 256,
    ) -> None:
        if count < 1:
            raise ValueError("a model needs at least one slot")
        self._count = count
        self._background_count = max(1, count - 1)
        self._total_tokens = total_tokens
        self._background_tokens = total_tokens if background_tokens is None else background_tokens
        self._queue_limit = queue_limit
        self._waiters: list[_Waiter] = []
        self._arrivals = 0
        self._running = 0
        self._running_tokens = 0
        self._background_running = 0
        self._background_running_tokens = 0
        self._closed = False

    @property
    def running(self) -> int:
        """Generations that hold a slot."""
        return self._running

    @property
    def waiting(self) -> int:
        """Generations in the queue."""
        return len(self._waiters)

    @asynccontextmanager
    async def hold(self, *, priority: int, tokens: int = 0) -> AsyncGenerator[None, None]:
        """Wait for a slot and keep it inside the context.

        Args:
            priority: lower goes first; 0 may use the reserved slot.
            tokens: prompt and answer at most; fits into the background's room.

        Raises:
            EngineUnavailable: the engine was closed, or too many wait already.
        """
        await self._acquire(priority, tokens)
        try:
            yield
        finally:
            self._release(priority, tokens)

    def close(self) -> None:
        """Refuse whoever waits and whoever comes."""
        self._closed = True
        for waiter in self._waiters:
            if not waiter.admitted.done():
                waiter.admitted.set_exception(_closed())
        self._waiters.clear()

    async def _acquire(self, priority: int, tokens: int) -> None:
        if self._closed:
            raise _closed()
        if len(self._waiters) >= self._queue_limit:
            raise EngineUnavailable("Too many texts wait for the language model; try again later.")
        admitted = asyncio.get_running_loop().create_future()
        self._arrivals += 1
        waiter = _Waiter(priority, self._arrivals, tokens, admitted)
        heapq.heappush(self._waiters, waiter)
        self._admit()
        try:
            await admitted
        except asyncio.CancelledError:
            if admitted.done() and not admitted.cancelled() and admitted.exception() is None:
                self._release(priority, tokens)  # admitted and cancelled in the same step
            elif waiter in self._waiters:
                self._waiters.remove(waiter)
                heapq.heapify(self._waiters)
                self._admit()
            raise

    def _release(self, priority: int, tokens: int) -> None:
        self._running -= 1
        self._running_tokens -= tokens
        if priority > 0:
            self._background_running -= 1
            self._background_running_tokens -= tokens
        self._admit()

    def _admit(self) -> None:
        while self._waiters and self._fits(self._waiters[0]):
            waiter = heapq.heappop(self._waiters)
            self._running += 1
            self._running_tokens += waiter.tokens
            if waiter.priority > 0:
                self._background_running += 1
                self._background_running_tokens += waiter.tokens
            waiter.admitted.set_result(None)

    def _fits(self, waiter: _Waiter) -> bool:
        if self._running >= self._count:
            return False
        total = self._total_tokens
        if total is not None and self._running_tokens + waiter.tokens > total:
            return False
        if waiter.priority <= 0:
            return True
        if self._background_running >= self._background_count:
            return False
        room = self._background_tokens
        return room is None or self._background_running_tokens + waiter.tokens <= room


def _closed() -> EngineUnavailable:
    return EngineUnavailable("The language model was closed.")
