"""One WebSocket of another protocol: who may come in, both directions, and how it ends."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from greffier_models.errors import EngineError
from greffier_server.core.events import Recorded
from greffier_server.errors import ServerError
from greffier_server.transport.auth import TOKEN_SUBPROTOCOL
from greffier_server.transport.frames import ClientGone, Outbox, closing
from greffier_server.transport.guest import Doorway
from greffier_server.transport.refusals import ServerStopping
from greffier_server.transport.stopping import Connections

__all__ = ["Farewell", "InternalError", "Visit", "batches", "converse", "receive", "subprotocol"]

logger = logging.getLogger(__name__)

_GOODBYE_TIMEOUT_S: Final = 5.0
_MARKERS: Final = ("token", "bearer", "realtime")


class InternalError(ServerError):
    """The server failed; its log says where."""

    code = "internal_error"


@dataclass(frozen=True, slots=True)
class Farewell:
    """How a protocol says that it goes on no longer."""

    text: str | None
    """A last message; None where the protocol has none."""
    close_code: int
    reason: str
    """At most 123 bytes (RFC 6455 §5.5)."""


class Visit(Protocol):
    """One connection of a protocol."""

    async def hold(self, tenant: str) -> None:
        """Accept the socket and serve it to its end."""
        ...

    def denial(self, error: ServerError | EngineError) -> dict[str, Any]:
        """Return the body of the HTTP answer that refuses the handshake."""
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
        await _end(socket, visit, error)
        return
    with doorway.connections.place():
        try:
            doorway.check_room()
            await visit.hold(tenant)
        except ClientGone as gone:
            logger.info("client left", extra={"cause": gone.cause})
        except (ServerError, EngineError) as error:
            await _end(socket, visit, error)
        except ExceptionGroup as group:
            await _end_with(socket, visit, group)
        except Exception as error:  # noqa: BLE001 - the last boundary: nothing may pass it
            await _fail(socket, visit, error)


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
            group.create_task(_stop(connections)),
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


async def _stop(connections: Connections) -> None:
    await connections.stopped()
    raise ServerStopping("the server is shutting down; connect again when it is back")


async def _end_with(socket: WebSocket, visit: Visit, group: ExceptionGroup[Exception]) -> None:
    errors = _leaves(group)
    gone = next((error for error in errors if isinstance(error, ClientGone)), None)
    known = next((e for e in errors if isinstance(e, (ServerError, EngineError))), None)
    if gone is not None:
        logger.info("client left", extra={"cause": gone.cause})
    elif known is not None:
        await _end(socket, visit, known)
    else:
        await _fail(socket, visit, errors[0])


async def _fail(socket: WebSocket, visit: Visit, error: Exception) -> None:
    logger.error("connection failed", exc_info=error)
    await _end(socket, visit, InternalError("the server failed; its log says where"))


async def _end(socket: WebSocket, visit: Visit, error: ServerError | EngineError) -> None:
    """Tell the client why, in its protocol's way, if it is still there."""
    logger.info("connection ended", extra={"code": error.code})
    try:
        async with asyncio.timeout(_GOODBYE_TIMEOUT_S):
            if socket.application_state is WebSocketState.CONNECTING:
                status = error.status if isinstance(error, ServerError) else 503
                answer = JSONResponse(visit.denial(error), status_code=status)
                await socket.send_denial_response(answer)
                return
            last = visit.farewell(error)
            if last.text is not None:
                await socket.send_text(last.text)
            await socket.close(last.close_code, last.reason)
    except (TimeoutError, WebSocketDisconnect, OSError, RuntimeError):
        logger.info("client left before it could be told why")


def _leaves(group: ExceptionGroup[Exception]) -> list[Exception]:
    leaves: list[Exception] = []
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            leaves.extend(_leaves(cast("ExceptionGroup[Exception]", error)))
        else:
            leaves.append(error)
    return leaves
