"""Runs the application: socket, uvicorn, announcement, and a shutdown that loses nobody."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import FrameType
from typing import ClassVar

import uvicorn
from fastapi import FastAPI

from greffier_server.app import create_app
from greffier_server.errors import ServerError
from greffier_server.services import Services
from greffier_server.settings import Settings
from greffier_server.transport.keepalive import OVERSIZE, PatientProtocol
from greffier_server.transport.patience import impatient
from greffier_server.transport.stopping import Connections
from greffier_server.transport.wyoming.listener import open_wyoming

__all__ = ["AddressTaken", "Build", "DrainingServer", "listen", "run", "uvicorn_config"]

logger = logging.getLogger(__name__)

Build = Callable[[Settings], AbstractAsyncContextManager[Services]]
"""Builds the parts from the settings and closes them; may still be loading models when it yields
(`Services.readiness` says so)."""

_READY_POLL_S = 0.1
_QUEUED = 1_024
_ACCEPTED_IN_A_TURN = 16
"""New connections before everybody else has a turn: each costs a few milliseconds."""
_AGAIN_S = 2.0
"""Until the process is started again, and has loaded its modules."""
_LONGEST_AGAIN_S = 30.0


class AddressTaken(ServerError):
    """Something else listens there, or the address is not this machine's."""

    code: ClassVar[str] = "address_taken"


class DrainingServer(uvicorn.Server):
    """Lets connections leave in good order before it closes what is left of them.

    A second signal does not wait. Signals are not raised again at the end, so that the parts behind
    the application are closed as well.

    Args:
        config: uvicorn's.
        connections: asked to end first.
        drain_s: longest wait for them.
    """

    def __init__(self, config: uvicorn.Config, *, connections: Connections, drain_s: float) -> None:
        super().__init__(config)
        self._connections = connections
        self._drain_s = drain_s
        self._hurried = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal: stop, or stop at once."""
        del sig, frame
        if self.should_exit:
            self.force_exit = True
            if self._loop is not None:  # it sleeps: setting the event alone would not wake it
                self._loop.call_soon_threadsafe(self._hurried.set)
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; what waits to be accepted is more than what is accepted in one turn."""
        await super().startup(sockets)
        for listener in sockets or ():  # the event loop has made the queue as short as the turn
            listener.listen(_QUEUED)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the connections, then the server."""
        self._loop = asyncio.get_running_loop()
        logger.info("stopping", extra={"connections": self._connections.count})
        self._connections.stop()
        if not self.force_exit and not await self._empty():
            logger.warning("connections were cut", extra={"count": self._connections.count})
        await super().shutdown(sockets)
        if self.force_exit:  # left out by uvicorn then; it waits for nobody
            await self.lifespan.shutdown()

    async def _empty(self) -> bool:
        """Wait for the connections to leave, up to the limit or a second signal."""
        emptying = asyncio.create_task(self._connections.wait_empty(timeout_s=self._drain_s))
        hurrying = asyncio.create_task(self._hurried.wait())
        try:
            await asyncio.wait({emptying, hurrying}, return_when=asyncio.FIRST_COMPLETED)
            return emptying.done() and emptying.result()
        finally:
            emptying.cancel()
            hurrying.cancel()
            await asyncio.gather(emptying, hurrying, return_exceptions=True)


def listen(settings: Settings) -> socket.socket:
    """Take the address, before anything is loaded.

    Raises:
        AddressTaken: the message says what to do.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server(
            (settings.host.strip("[]"), settings.port), family=family, backlog=_QUEUED
        )
    except OSError as error:
        raise AddressTaken(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}); stop what "
            "listens there, or choose another port: greffier serve --port 0 takes a free one"
        ) from error


async def run(
    settings: Settings,
    build: Build,
    *,
    listener: socket.socket,
    announce: Callable[[str], None],
) -> None:
    """Serve until a signal.

    Args:
        settings: of this server.
        build: gives the parts behind the application.
        listener: from `listen`; closed at the end.
        announce: told the address once sessions can be opened, and why they cannot be yet.
    """
    connections = Connections(limit=settings.limits.connections)
    if settings.limits.retry_after_s is not None:
        connections.retry_after_s = settings.limits.retry_after_s
    begun_s = time.monotonic()
    with listener:
        async with build(settings) as services:
            app = create_app(settings, services, connections=connections)
            server = DrainingServer(
                uvicorn_config(settings, app),
                connections=connections,
                drain_s=settings.limits.drain_s,
            )
            async with (
                open_wyoming(settings.wyoming, app.state.doorway),
                asyncio.TaskGroup() as group,
            ):
                telling = group.create_task(
                    _tell(
                        services,
                        announce=announce,
                        address=_address(settings, listener),
                        connections=connections,
                        begun_s=begun_s if settings.limits.retry_after_s is None else None,
                    )
                )
                await server.serve(sockets=[listener])
                telling.cancel()


def uvicorn_config(settings: Settings, app: FastAPI, *, ping_s: float = 20.0) -> uvicorn.Config:
    """Return how the application is served.

    Args:
        settings: of this server.
        app: served.
        ping_s: between two pings, and the longest wait for an answer. Clients rely on the pings:
            see "Pings" in the protocol's reference.
    """
    tls = settings.tls
    return uvicorn.Config(
        app,
        loop="asyncio",  # others do not pass the socket guard's audit hook
        http=impatient(
            head_timeout_s=settings.limits.start_timeout_s,
            websockets=settings.limits.connections,
        ),
        ws=PatientProtocol,  # pauses reading when the application does not take frames
        backlog=_ACCEPTED_IN_A_TURN,
        ws_max_size=OVERSIZE * settings.limits.max_frame_bytes,
        ws_per_message_deflate=False,  # audio does not compress, captions are short
        ws_ping_interval=ping_s,
        ws_ping_timeout=ping_s,
        lifespan="on",
        log_config=None,
        access_log=False,  # it would write tokens given as ?token=
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, round(settings.limits.drain_s)),
        ssl_certfile=tls.certificate,
        ssl_keyfile=tls.key,
    )


async def _tell(
    services: Services,
    *,
    announce: Callable[[str], None],
    address: str,
    connections: Connections,
    begun_s: float | None,
) -> None:
    reason = ""
    while not (readiness := services.readiness()).ready:
        if readiness.reason != reason:
            reason = readiness.reason
            announce(f"Not ready yet: {reason}")
        await asyncio.sleep(_READY_POLL_S)
    if begun_s is not None:  # the next start will take as long
        took_s = time.monotonic() - begun_s
        connections.retry_after_s = min(_AGAIN_S + took_s, _LONGEST_AGAIN_S)
    announce(f"Greffier listens on {address} (Ctrl+C stops it)")


def _address(settings: Settings, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "https" if settings.tls.certificate else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
