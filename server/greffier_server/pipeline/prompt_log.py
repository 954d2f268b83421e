"""Events that clients wait for: recorded at once, or the client hears that it takes long."""

import asyncio

from greffier_server.core.events import Event
from greffier_server.pipeline.log import EventLog
from greffier_server.storage.failures import StorageUnavailable

__all__ = ["PromptLog"]

_RECORD_S = 5.0
"""A client that resumes waits no longer for its event to be stored."""


class PromptLog:
    """A session's log as a client that waits appends to it."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._unrecorded = False

    async def append(self, event: Event, *, audio_from_ms: int = 0, audio_to_ms: int = 0) -> None:
        """Record an event; say so when it takes too long.

        The event is recorded all the same as soon as the store takes it again; until then further
        clients wait for that one, so that not every attempt leaves another event behind.

        Raises:
            StorageUnavailable: the store takes no events just now.
        """
        try:
            async with asyncio.timeout(_RECORD_S):
                if self._unrecorded:
                    await self._log.settled()
                self._unrecorded = True
                await self._log.append(event, audio_from_ms=audio_from_ms, audio_to_ms=audio_to_ms)
                self._unrecorded = False
        except TimeoutError:
            raise StorageUnavailable(
                "The server cannot store events just now: its disk is full, or its database does "
                "not answer. Nothing stored is lost; resume again in a moment."
            ) from None
