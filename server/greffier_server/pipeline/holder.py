"""A session in the hands of the client that speaks into it; one client at a time has it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from greffier.protocol import AudioFormat
from greffier_server.core.events import GapFound
from greffier_server.errors import SessionTakenOver
from greffier_server.pipeline.log import EventLog

if TYPE_CHECKING:  # each of the two knows the other
    from greffier_server.pipeline.session import Session

__all__ = ["Holder", "taken_over"]

_DETACH_S = 1.0


class Holder:
    """A session as the client that speaks into it holds it (see `SpeakingSession`)."""

    def __init__(self, session: "Session") -> None:
        self._session = session

    @property
    def tenant(self) -> str:
        """Owner."""
        return self._session.tenant

    @property
    def id(self) -> str:
        """Session id, URL-safe."""
        return self._session.id

    @property
    def format(self) -> AudioFormat:
        """Of the audio that `push` takes."""
        return self._session.format

    @property
    def log(self) -> EventLog:
        """The session's events."""
        return self._session.log

    @property
    def accepted_samples(self) -> int:
        """Samples of each channel taken so far."""
        return self._session.accepted_samples

    @property
    def durable_samples(self) -> int:
        """Samples of each channel that are on disk."""
        return self._session.durable_samples

    @property
    def heard_ms(self) -> int:
        """Audio that recognition has looked at."""
        return self._session.heard_ms

    async def push(self, audio: bytes) -> None:
        """Take audio; waits while the session's buffer is full."""
        await self._session.take(self, audio)

    async def note_gaps(self, gaps: Sequence[GapFound]) -> None:
        """Record what never arrived."""
        await self._session.note_gaps(self, gaps)

    def acks(self) -> AsyncIterator[int]:
        """Durable samples each time they have grown."""
        return self._session.acks(self)

    async def finish(self) -> None:
        """No more audio will come; not so when audio before it was not kept (`StorageFailed`)."""
        self._session.finish(self)

    async def detach(self, cause: str) -> None:
        """The client is gone."""
        try:
            # On a full disk the record waits for space; the client that is to be told does not.
            async with asyncio.timeout(_DETACH_S):
                await self._session.lose(self, cause)
        except TimeoutError:
            return


def taken_over() -> SessionTakenOver:
    """Return what a client hears that no longer holds the session."""
    return SessionTakenOver(
        "Another client speaks on this session now; this one must not take it back by itself."
    )
