"""How a WebSocket ends before its time, in any protocol: what ended it, what its client hears."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NoReturn, cast

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from greffier_models.errors import EngineError
from greffier_server.errors import ServerError
from greffier_server.transport.frames import ClientGone
from greffier_server.transport.refusals import ServerStopping
from greffier_server.transport.stopping import Connections

__all__ = ["Farewell", "InternalError", "end_when_stopped", "part"]

logger = logging.getLogger(__name__)

_GOODBYE_S: Final = 5.0


class InternalError(ServerError):
    """The server failed; its log says where."""

    code = "internal_error"
    retryable = True


@dataclass(frozen=True, slots=True)
class Farewell:
    """How a protocol says that it goes on no longer."""

    text: str | None
    """A last message; None where the protocol has none."""
    close_code: int
    reason: str
    """At most 123 bytes (RFC 6455 §5.5)."""


async def part(
    socket: WebSocket,
    error: BaseException,
    *,
    farewell: Callable[[ServerError | EngineError], Farewell],
    deny: Callable[[ServerError | EngineError], Awaitable[None]] | None = None,
) -> None:
    """Log what ended a connection, and tell the client if it is still there.

    Args:
        socket: of the client.
        error: what ended it; a group of several is known by the first that says most.
        farewell: what is said on an accepted socket.
        deny: answers the handshake of one that is not accepted yet.
    """
    cause = _cause(error)
    if isinstance(cause, ClientGone):
        logger.info("client left", extra={"cause": cause.cause})
        return
    if isinstance(cause, ServerError | EngineError):
        told: ServerError | EngineError = cause
    else:
        logger.error("connection failed", exc_info=cause)
        told = InternalError("the server failed; its log says where")
    logger.info("connection ended", extra={"code": told.code})
    if socket.client_state is WebSocketState.DISCONNECTED:
        return
    try:
        async with asyncio.timeout(_GOODBYE_S):
            if deny is not None and socket.application_state is WebSocketState.CONNECTING:
                await deny(told)
                return
            last = farewell(told)
            if last.text is not None:
                await socket.send_text(last.text)
            await socket.close(last.close_code, last.reason)
    except (TimeoutError, WebSocketDisconnect, OSError, RuntimeError):
        logger.info("client left before it could be told why")


async def end_when_stopped(connections: Connections) -> NoReturn:
    """Wait for the server to stop; ServerStopping is raised then."""
    await connections.stopped()
    raise ServerStopping("the server is shutting down; connect again when it is back")


def _cause(error: BaseException) -> BaseException:
    """Return the client's leaving, else what we know, else anything."""
    leaves = list(_leaves(error))
    for kind in (ClientGone, (ServerError, EngineError)):
        for leaf in leaves:
            if isinstance(leaf, kind):
                return leaf
    return leaves[0]


def _leaves(error: BaseException) -> list[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    group = cast("BaseExceptionGroup[BaseException]", error)
    return [leaf for inner in group.exceptions for leaf in _leaves(inner)]
