"""Looks now and then whether a model's process still answers, while somebody waits for it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

__all__ = ["Pulse"]

_MISSES: Final = 3
"""In a row."""


class Pulse:
    """Ends a process that is alive and does not answer: stopped, or caught in native code.

    A request to it would wait for its whole time limit, and so would the next one.

    Args:
        look: asks the process; raises OSError where it cannot be asked.
        end: ends it, so that whoever waits is told.
        every_s: between two looks.
        answer_s: longest wait for an answer.
    """

    def __init__(
        self,
        look: Callable[[], Awaitable[None]],
        end: Callable[[], Awaitable[None]],
        *,
        every_s: float,
        answer_s: float,
    ) -> None:
        self._look = look
        self._end = end
        self._every_s = every_s
        self._answer_s = answer_s
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[None, None]:
        """Look for as long as the block lasts; any number of blocks share the looks."""
        self._waiting += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._watch(), name="llm-pulse")
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                task, self._task = self._task, None
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _watch(self) -> None:
        missed = 0
        while True:
            await asyncio.sleep(self._every_s)
            missed = 0 if await self._answers() else missed + 1
            if missed == _MISSES:
                missed = 0
                await self._end()

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(self._answer_s):
                await self._look()
        except (TimeoutError, OSError):
            return False
        return True
