"""The sessions that are live in this process, and how much room they take."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from greffier_server.core.admission import Occupancy
from greffier_server.pipeline.session import Session

__all__ = ["LiveSession", "occupancy"]


@dataclass(slots=True)
class LiveSession:
    """A session, the hash of its token, and the task it lives in."""

    session: Session
    token_hash: str
    task: asyncio.Task[None]

    async def stop(self) -> None:
        """End the task; what was on its way to the store is there when this returns."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.session.log.settled()


def occupancy(live: Iterable[LiveSession], *, opening: int) -> Occupancy:
    """Return what `live` and the sessions that are being opened take."""
    here = [entry.session for entry in live if not entry.session.dormant]
    speaking = [session for session in here if not session.recognised]
    return Occupancy(
        speaking=len(speaking) + opening,
        live=len(here) + opening,
        lowest=sum(session.level == "finals-only" for session in speaking),
    )
