"""The recognition of a session whose channels are speakers of their own, or are mixed to one."""

import asyncio
from collections.abc import Sequence

from greffier.protocol import QualityLevel
from greffier_server.pipeline.pace import Pace
from greffier_server.pipeline.ports import Hearing

__all__ = ["Channels"]


class Channels:
    """Runs the recognition of every channel; they end together, and that is recorded once.

    Args:
        recognitions: of the channels, in order; at least one.
        pace: that they share.
        finished: recognition had finished before a restart; there is nothing left to do.
    """

    def __init__(
        self, recognitions: Sequence[Hearing], *, pace: Pace, finished: bool = False
    ) -> None:
        self._recognitions = tuple(recognitions)
        self._pace = pace
        self._finished = finished

    @property
    def heard_ms(self) -> int:
        """Audio that every channel has looked at."""
        return min(recognition.heard_ms for recognition in self._recognitions)

    @property
    def finished(self) -> bool:
        """The last word is recorded."""
        return self._finished

    @property
    def level(self) -> QualityLevel:
        """The session's step on the ladder."""
        return self._pace.level

    async def run(self) -> None:
        """Recognise to the end of all feeds; returns when the last word is recorded."""
        if self._finished:
            return
        async with asyncio.TaskGroup() as tasks:
            for recognition in self._recognitions:
                tasks.create_task(recognition.listen())
        await self._recognitions[0].finish()
        self._finished = True
