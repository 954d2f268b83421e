"""WebSocket ``/v1/live``: handshake, first message, and how each connection ends."""

import asyncio
import logging
import time
from dataclasses import replace

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from greffier.codec import encode
from greffier.protocol import SUBPROTOCOL, Error, Resume, Start, Started, Watch
from greffier_models.errors import EngineError
from greffier_server.errors import (
    AuthenticationFailed,
    ModelNotLoaded,
    ServerBusy,
    ServerError,
    SessionNotFound,
)
from greffier_server.pipeline.ports import SpeakingSession
from greffier_server.services import Services
from greffier_server.settings import LimitSettings
from greffier_server.storage.links import Link
from greffier_server.telemetry import bind_session
from greffier_server.transport.auth import Gate
from greffier_server.transport.broadcast import Broadcasts
from greffier_server.transport.frames import FrameReader, Outbox
from greffier_server.transport.greeting import parse_first
from greffier_server.transport.guesses import Guesses
from greffier_server.transport.intake import Intake, kept_format
from greffier_server.transport.parting import Farewell, part
from greffier_server.transport.refusals import (
    LinkInvalid,
    ServerStopping,
    StartTimeout,
    TooManyGuesses,
    UnsupportedSubprotocol,
)
from greffier_server.transport.speaking import SpeakingConnection
from greffier_server.transport.stopping import Connections
from greffier_server.transport.viewers import ViewerLinks, link_secret
from greffier_server.transport.watching import WatchingConnection
from greffier_server.transport.wire import WireMapping

__all__ = ["LiveEndpoint"]

logger = logging.getLogger(__name__)


class LiveEndpoint:
    """Serves every connection to ``/v1/live``.

    Args:
        services: the desk, the metrics, and whether models are loaded.
        gate: decides who may connect.
        limits: sizes and times.
        connections: counts them, and ends them on shutdown.
        links: lets viewers without a token in.
        broadcasts: what viewers are told.
    """

    def __init__(
        self,
        services: Services,
        *,
        gate: Gate,
        limits: LimitSettings,
        connections: Connections,
        links: ViewerLinks,
        broadcasts: Broadcasts,
    ) -> None:
        self._services = services
        self._broadcasts = broadcasts
        self._gate = gate
        self._limits = limits
        self._connections = connections
        self._links = links
        self._guesses = Guesses(time.monotonic)

    async def serve(self, socket: WebSocket) -> None:
        """Serve one connection to its end; raises nothing but cancellation."""
        try:
            if SUBPROTOCOL not in socket.scope["subprotocols"]:
                raise UnsupportedSubprotocol(f"offer the WebSocket subprotocol {SUBPROTOCOL}")
            self._gate.check_origin(socket)
            if self._connections.stopping:  # before `accept`: a proxy can send it elsewhere
                raise ServerStopping("the server is shutting down; try again when it is back")
        except ServerError as error:
            await self._deny(socket, error)
            return
        await socket.accept(subprotocol=SUBPROTOCOL)
        with self._connections.place():
            try:
                await self._converse(socket)
            except Exception as error:  # noqa: BLE001 - the last boundary: nothing may pass it
                await part(socket, error, farewell=self._farewell)

    async def _converse(self, socket: WebSocket) -> None:
        secret = link_secret(socket)
        link = await self._links.grant(secret) if secret else None
        tenant = self._gate.tenant(socket) if link is None else link.tenant
        if self._connections.stopping:  # since the handshake
            raise ServerStopping("the server is shutting down; try again when it is back")
        if self._connections.full:
            raise ServerBusy("too many connections; try again later")
        reader = FrameReader(socket, max_frame_bytes=self._limits.max_frame_bytes)
        outbox = Outbox(socket, send_timeout_s=self._limits.send_timeout_s)
        match await self._first_message(reader):
            case Start() if link is not None:
                raise LinkInvalid("a viewer link lets nobody speak; give the server's token")
            case Start() as start:
                await self._speak(tenant, start, reader, outbox, address=_address(socket))
            case Watch() as watch if link is not None:
                await self._watch_by_link(link, watch, reader, outbox)
            case Watch() as watch:
                await self._watch(tenant, watch, reader, outbox)

    async def _first_message(self, reader: FrameReader) -> Start | Watch:
        try:
            async with asyncio.timeout(self._limits.start_timeout_s):
                return parse_first(await reader.next())
        except TimeoutError:
            raise StartTimeout(
                f"no start or watch came within {self._limits.start_timeout_s:g} s"
            ) from None

    async def _speak(
        self, tenant: str, start: Start, reader: FrameReader, outbox: Outbox, *, address: str
    ) -> None:
        session, token = await self._take(tenant, start, address=address)
        bind_session(session.id)
        after_seq = start.resume.after_seq if start.resume else 0
        intake = Intake(start.format, session.format, first_sample=session.accepted_samples)
        connection = SpeakingConnection(
            session,
            intake=intake,
            reader=reader,
            outbox=outbox,
            mapping=WireMapping(after_seq=after_seq),
            connections=self._connections,
            idle_timeout_s=self._limits.idle_timeout_s,
            drain_s=self._limits.drain_s,
            metrics=self._services.metrics,
        )
        # No await that can fail lies between taking the session and `run`, which detaches it.
        outbox.put_first(Started(session.id, token, after_seq, session.durable_samples))
        logger.info("session taken", extra={"resumed": start.resume is not None})
        with self._services.metrics.connections_active.labels("speaker").track_inprogress():
            await connection.run()
        await outbox.goodbye()

    async def _take(
        self, tenant: str, start: Start, *, address: str
    ) -> tuple[SpeakingSession, str]:
        readiness = self._services.readiness()
        try:
            if not readiness.ready and (start.resume is None or not readiness.resumable):
                raise ModelNotLoaded(readiness.reason or "the models are not loaded yet")
            if start.resume is None:
                kept = replace(start, format=kept_format(start.format))
                return await self._services.desk.open(tenant, kept)
            return await self._resume(tenant, start.resume, address), start.resume.token
        except (ServerError, EngineError) as error:
            self._services.metrics.sessions_rejected.labels(error.code).inc()
            raise

    async def _resume(self, tenant: str, resume: Resume, address: str) -> SpeakingSession:
        if self._guesses.refused(address, resume.session):
            raise TooManyGuesses("too many wrong tokens for this session; wait a minute")
        try:
            return await self._services.desk.resume(tenant, resume)
        except AuthenticationFailed:
            self._guesses.wrong(address, resume.session)
            raise

    async def _watch(
        self,
        tenant: str,
        watch: Watch,
        reader: FrameReader,
        outbox: Outbox,
        *,
        minutes: bool = True,
    ) -> None:
        bind_session(watch.session)
        async with self._broadcasts.join(tenant, watch.session) as broadcast:
            connection = WatchingConnection(
                broadcast.batches(
                    after_seq=watch.after_seq, languages=watch.languages, minutes=minutes
                ),
                greeting=Started(watch.session, "", watch.after_seq),
                reader=reader,
                outbox=outbox,
                connections=self._connections,
            )
            with self._services.metrics.connections_active.labels("viewer").track_inprogress():
                await connection.run()
        await outbox.goodbye()

    async def _watch_by_link(
        self, link: Link, watch: Watch, reader: FrameReader, outbox: Outbox
    ) -> None:
        if watch.session != link.session:
            raise SessionNotFound("the link is of another session")
        wanted, granted = watch.languages, link.languages
        if granted is not None:
            asked = granted if wanted is None else wanted
            wanted = tuple(language for language in asked if language in granted)
        async with asyncio.TaskGroup() as group:
            holding = group.create_task(self._links.hold(link))
            granted_watch = replace(watch, languages=wanted)
            await self._watch(link.tenant, granted_watch, reader, outbox, minutes=False)
            holding.cancel()

    async def _deny(self, socket: WebSocket, error: ServerError) -> None:
        """Refuse the handshake with an HTTP answer (RFC 6455 §4.2.2)."""
        body = {"code": error.code, "message": error.message, "retryable": error.retryable}
        await socket.send_denial_response(JSONResponse(body, status_code=error.status))

    def _farewell(self, error: ServerError | EngineError) -> Farewell:
        after_ms = self._connections.retry_after_ms(error)
        message = Error(error.code, error.message, error.retryable, after_ms)
        close_code = error.close_code if isinstance(error, ServerError) else 1011
        return Farewell(encode(message), close_code, error.code)


def _address(socket: WebSocket) -> str:
    return "" if socket.client is None else socket.client.host
