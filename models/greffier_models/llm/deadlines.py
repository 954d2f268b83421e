"""One time limit over the many waits of a generation."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from greffier_models.errors import EngineTimeout

__all__ = ["Deadline"]

T = TypeVar("T")


class Deadline:
    """Counts from its creation on the event loop's clock; the consumer's own time counts too."""

    def __init__(self, timeout_s: float) -> None:
        self._at = asyncio.get_running_loop().time() + timeout_s
        self._timeout_s = timeout_s

    @property
    def left_s(self) -> float:
        """Seconds until it is over; never negative."""
        return max(0.0, self._at - asyncio.get_running_loop().time())

    async def run(self, awaitable: Awaitable[T]) -> T:
        """Await something.

        Raises:
            EngineTimeout: the deadline came first; what was awaited is cancelled.
        """
        limit = asyncio.timeout_at(self._at)
        try:
            async with limit:
                return await awaitable
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise EngineTimeout(
                f"The language model gave no whole answer within {self._timeout_s:g} s."
            ) from error

    @asynccontextmanager
    async def entered(self, context: AbstractAsyncContextManager[T]) -> AsyncGenerator[T, None]:
        """Enter `context` within the deadline; its body has none."""
        entered = await self.run(context.__aenter__())
        try:
            yield entered
        except BaseException as error:
            if not await context.__aexit__(type(error), error, error.__traceback__):
                raise
        else:
            await context.__aexit__(None, None, None)
