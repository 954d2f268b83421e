"""A session as the client of another protocol speaks into it: what every adapter shares.

Such a client mostly knows nothing of tokens and sequence numbers, so it cannot come back: when it
leaves, its session is finished, and everything it sent is written down. Only when the server itself
stops, or the client is one that can come back and was lost, is the session kept.
"""

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from greffier.protocol import Finished, ServerMessage, Start
from greffier_models.errors import EngineError
from greffier_server.core.events import GapFound, Recorded
from greffier_server.errors import (
    ModelNotLoaded,
    ServerBusy,
    ServerError,
    SessionClosed,
    StorageFailed,
)
from greffier_server.media.decoding import UndecodableAudio
from greffier_server.pipeline.ports import SpeakingSession
from greffier_server.services import Services
from greffier_server.settings import LimitSettings
from greffier_server.telemetry import bind_session
from greffier_server.transport.auth import Gate
from greffier_server.transport.frames import closing
from greffier_server.transport.greeting import check_start
from greffier_server.transport.intake import Intake, kept_format
from greffier_server.transport.refusals import ServerStopping
from greffier_server.transport.stopping import Connections
from greffier_server.transport.wire import WireMapping

__all__ = ["Doorway", "Guest", "welcome"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Doorway:
    """What an adapter is given: the same for all of them."""

    services: Services
    gate: Gate
    limits: LimitSettings
    connections: Connections

    def check_room(self) -> None:
        """Check that one more connection can be served; call it inside `Connections.place`.

        Raises:
            ServerStopping, ServerBusy.
        """
        if self.connections.stopping:
            raise ServerStopping("the server is shutting down; try again when it is back")
        if self.connections.full:
            raise ServerBusy("too many connections; try again later")


class Guest:
    """One such client's hold of its session; made by `welcome`.

    Args:
        session: just opened.
        connections: says when the server stops.
        intake: brings what is pushed into the session's format; as it is when absent.
        token: with which another connection of the same client may take the session again.
    """

    def __init__(
        self,
        session: SpeakingSession,
        connections: Connections,
        intake: Intake | None = None,
        *,
        token: str = "",
    ) -> None:
        self.token = token
        self._intake = intake or Intake(session.format, session.format)
        self._session = session
        self._connections = connections
        self._finished = False
        self._parting = ""

    @property
    def session(self) -> SpeakingSession:
        """What is spoken into."""
        return self._session

    @property
    def finished(self) -> bool:
        """`finish` was called: no more audio is taken."""
        return self._finished

    @property
    def parting(self) -> str:
        """Why the client left without an end; empty when its session ends with it."""
        return self._parting

    def leave(self, cause: str) -> None:
        """The client may come back: its session is kept for it when the block ends."""
        self._parting = cause

    async def push(self, audio: bytes) -> None:
        """Take audio in the format that was asked for (see `SpeakingSession.push`).

        Raises:
            MisalignedAudio, SessionClosed, StorageFailed.
            UndecodableAudio: it is not a container that can be decoded.
        """
        async with closing(self._intake.take(audio)) as pieces:
            async for piece in pieces:
                await self._session.push(piece)
        if gaps := self._intake.gaps():
            await self._session.note_gaps(gaps)

    async def note_gaps(self, gaps: Sequence[GapFound]) -> None:
        """Record audio that never arrived and was pushed as silence.

        Raises:
            SessionClosed, StorageFailed.
        """
        await self._session.note_gaps(gaps)

    async def finish(self) -> None:
        """No more audio will come; `messages` ends when all of it has been worked on."""
        if not self._finished:
            self._finished = True
            try:
                async with closing(self._intake.rest()) as pieces:
                    async for piece in pieces:
                        await self._session.push(piece)
            except (UndecodableAudio, SessionClosed):
                logger.info("the last of a container was lost")
            finally:
                await self._session.finish()

    async def records(self) -> AsyncGenerator[Recorded, None]:
        """Yield the session's events from the first to the last one.

        Raises:
            ServerStopping: the server stops; the session goes on at its next start.
            SessionClosed: the session was ended from elsewhere.
        """
        async with closing(self._session.log.follow(after=0)) as records:
            async for record in records:
                yield record
        if self._connections.stopping:
            raise ServerStopping("the server is shutting down")

    async def messages(self, *, after_seq: int = 0) -> AsyncGenerator[ServerMessage, None]:
        """Yield the native messages of the session; the last one is `Finished`.

        Args:
            after_seq: what the client has seen.

        Raises:
            ServerStopping, SessionClosed: as in `records`.
        """
        mapping = WireMapping(after_seq=after_seq)
        async with closing(self.records()) as records:
            async for record in records:
                for message in mapping.messages(record):
                    yield message
                    if isinstance(message, Finished):
                        return
        raise SessionClosed("the session was ended by the server; nothing more will come")


@asynccontextmanager
async def welcome(
    doorway: Doorway, tenant: str, start: Start, *, protocol: str
) -> AsyncGenerator[Guest, None]:
    """Open a session, or take one again, and hold it for as long as the block lasts.

    Args:
        doorway: of the server.
        tenant: who pays.
        start: as the native protocol would ask; with `resume`, its format is the session's.
        protocol: name for the log, such as ``deepgram``.

    Raises:
        ModelNotLoaded: not ready.
        UnsupportedAudio, UnknownLanguage, MalformedMessage: `start` asks for what there is not.
        ServerBusy: no room for one more session.
        SessionNotFound, AuthenticationFailed, SessionClosed: it cannot be taken again.
    """
    services = doorway.services
    try:
        check_start(start)
        readiness = services.readiness()
        if not readiness.ready and (start.resume is None or not readiness.resumable):
            raise ModelNotLoaded(readiness.reason or "the models are not loaded yet")
        kept = kept_format(start.format)
        if start.resume is None:
            session, token = await services.desk.open(tenant, replace(start, format=kept))
        else:
            session, token = await services.desk.resume(tenant, start.resume), start.resume.token
    except (ServerError, EngineError) as error:
        services.metrics.sessions_rejected.labels(error.code).inc()
        raise
    bind_session(session.id)
    logger.info("session taken", extra={"protocol": protocol})
    intake = Intake(start.format, kept)
    guest = Guest(session, doorway.connections, intake, token=token)
    try:
        with services.metrics.connections_active.labels("speaker").track_inprogress():
            yield guest
    finally:
        try:
            if doorway.connections.stopping and not guest.finished:
                await session.detach("server stopping")
            elif guest.parting and not guest.finished:
                await session.detach(guest.parting)
            else:
                await _end(guest, session)
        finally:
            await intake.close()


async def _end(guest: Guest, session: SpeakingSession) -> None:
    try:
        await guest.finish()
    except StorageFailed:  # the client was told, or is gone: what is kept ends with the grace time
        await session.detach("the audio could not be stored")
