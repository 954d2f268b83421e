"""One WebSocket of another protocol: who may come in, both directions, and how it ends."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Final, Protocol, cast

from starlette.responses import Response
from starlette.websockets import WebSocket

from greffier_models.errors import EngineError
from greffier_server.core.events import Recorded
from greffier_server.errors import ServerError
from greffier_server.transport.auth import TOKEN_SUBPROTOCOL
from greffier_server.transport.frames import Outbox, closing
from greffier_server.transport.guest import Doorway
from greffier_server.transport.parting import Farewell, end_when_stopped, part
from greffier_server.transport.stopping import Connections

__all__ = ["Visit", "batches", "converse", "receive", "subprotocol"]

_MARKERS: Final = ("token", "bearer", "realtime")


class Visit(Protocol):
    """One connection of a protocol."""

    async def hold(self, tenant: str) -> None:
        """Accept the socket and serve it to its end."""
        ...

    def denial(self, error: ServerError | EngineError) -> Response:
        """Return the HTTP answer that refuses the handshake."""
        ...

    def farewell(self, error: ServerError | EngineError) -> Farewell:
        """Return what is said on an accepted socket before it is closed."""
        ...


async def receive(socket: WebSocket, doorway: Doorway, visit: Visit) -> None:
    """Serve one connection to its end; raises nothing but cancellation.

    A client without a token, or of a page of another site, is refused with an HTTP answer.
    """
    try:
        doorway.gate.check_origin(socket)
        tenant = doorway.gate.tenant(socket)
    except ServerError as error:
        await _part(socket, visit, error)
        return
    with doorway.connections.place():
        try:
            doorway.check_room()
            await visit.hold(tenant)
        except Exception as error:  # noqa: BLE001 - the last boundary: nothing may pass it
            await _part(socket, visit, error)


def subprotocol(socket: WebSocket) -> str | None:
    """Return the offered subprotocol that is accepted; never the one that is a token.

    Browsers close a socket whose server chose none of those that they offered.
    """
    offered = cast("list[str]", socket.scope.get("subprotocols", []))
    for name in offered:
        if name.lower() in _MARKERS:
            return name
    plain = (name for name in offered if not name.startswith(TOKEN_SUBPROTOCOL))
    return next(plain, None)


async def converse(
    outbox: Outbox,
    connections: Connections,
    *,
    read: Callable[[], Awaitable[None]],
    relay: Callable[[], Awaitable[None]],
) -> None:
    """Run both directions until `relay` has said everything and it is sent.

    Args:
        outbox: run here.
        connections: tell when the server stops.
        read: takes the client's frames; may end before `relay` does.
        relay: puts the session's messages into the outbox.

    Raises:
        ExceptionGroup: of `ClientGone`, `ServerStopping` and other errors.
    """
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(outbox.run())
        others = [
            group.create_task(_coroutine(read)),
            group.create_task(end_when_stopped(connections)),
        ]
        await relay()
        await outbox.end()
        await sending
        for task in others:
            task.cancel()


async def batches(records: AsyncIterator[Recorded]) -> AsyncGenerator[list[Recorded], None]:
    """Yield all records that are there at once: what one step of the recogniser led to.

    Raises:
        Exception: what `records` raises.
    """
    batch: list[Recorded] = []
    coming: asyncio.Future[Recorded] | None = None
    async with closing(records) as held:
        try:
            while True:
                if coming is None:
                    coming = asyncio.ensure_future(anext(held))
                await asyncio.wait({coming}, timeout=0 if batch else None)
                if not coming.done():
                    yield batch
                    batch = []
                    continue
                try:
                    batch.append(coming.result())
                except StopAsyncIteration:
                    break
                finally:
                    coming = None
            if batch:
                yield batch
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)


async def _coroutine(call: Callable[[], Awaitable[None]]) -> None:
    await call()


async def _part(socket: WebSocket, visit: Visit, error: Exception) -> None:
    async def deny(told: ServerError | EngineError) -> None:
        await socket.send_denial_response(visit.denial(told))

    await part(socket, error, farewell=visit.farewell, deny=deny)
