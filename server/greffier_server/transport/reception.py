"""What WebSockets of JSON messages share, whoever's protocol it is: refusal, pace, farewell."""

import asyncio
import json
import secrets
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

from starlette.responses import Response
from starlette.websockets import WebSocket

from greffier_models.errors import EngineError
from greffier_server.errors import MalformedMessage, ServerError
from greffier_server.transport.frames import FrameReader, Outbox
from greffier_server.transport.guest import Doorway
from greffier_server.transport.parting import Farewell, end_when_stopped, part
from greffier_server.transport.refusals import (
    FrameTooLarge,
    IdleTimeout,
    ServerStopping,
    TooManyErrors,
    TooManyFrames,
)
from greffier_server.transport.turns import Turns

__all__ = ["Conversation", "Line", "Reception"]

_MAX_COMPLAINTS: Final = 100
_ENDING: Final = (FrameTooLarge, IdleTimeout, ServerStopping, TooManyErrors, TooManyFrames)


class Line:
    """The way back to one client.

    Args:
        outbox: run by the reception.
        turns: opens its sessions.
    """

    def __init__(self, outbox: Outbox, turns: Turns) -> None:
        self._outbox = outbox
        self.turns = turns
        self.id = secrets.token_hex(12)
        """Of the connection; says nothing."""

    async def send(self, event: dict[str, Any]) -> None:
        """Queue a message; waits while the client is slow."""
        await self._outbox.put_text(_text(event))


class Conversation(Protocol):
    """One client's protocol."""

    async def greet(self) -> None:
        """Say what comes first."""
        ...

    async def take(self, message: dict[str, Any]) -> bool:
        """Act on a message; False = the conversation is over, and everything is said.

        Raises:
            ServerError, EngineError: it cannot be used; the client is told and goes on.
        """
        ...

    def error(
        self, error: ServerError | EngineError, message: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Return how the protocol says that `message` could not be used."""
        ...


class Reception:
    """Serves the WebSockets of one protocol.

    Args:
        door: of the server.
        protocol: name for the log.
        converse: begins a conversation with a client.
        deny: the answer to a client whose handshake is refused.
        subprotocols: those that can be agreed on.
    """

    def __init__(
        self,
        door: Doorway,
        *,
        protocol: str,
        converse: Callable[[WebSocket, Line], Conversation],
        deny: Callable[[ServerError], Response],
        subprotocols: tuple[str, ...] = (),
    ) -> None:
        self._door = door
        self._protocol = protocol
        self._converse = converse
        self._deny = deny
        self._subprotocols = subprotocols

    async def serve(self, socket: WebSocket) -> None:
        """Serve one connection to its end; raises nothing but cancellation."""
        with self._door.connections.place():
            try:
                self._door.gate.check_origin(socket)
                tenant = self._door.gate.tenant(socket)
                self._door.check_room()
            except ServerError as error:
                await socket.send_denial_response(self._deny(error))
                return
            offered = cast("list[str]", socket.scope["subprotocols"])
            agreed = next((name for name in offered if name in self._subprotocols), None)
            await socket.accept(subprotocol=agreed)
            await self._hold(socket, tenant)

    async def _hold(self, socket: WebSocket, tenant: str) -> None:
        outbox = Outbox(socket, send_timeout_s=self._door.limits.send_timeout_s)
        talk: Conversation | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(outbox.run())
                stopping = tasks.create_task(end_when_stopped(self._door.connections))
                turns = Turns(self._door, tenant, protocol=self._protocol, tasks=tasks)
                talk = self._converse(socket, Line(outbox, turns))
                await talk.greet()
                await self._read(socket, talk, outbox)
                await outbox.end()
                await sending
                stopping.cancel()
            await outbox.goodbye()
        except ExceptionGroup as group:
            await part(socket, group, farewell=lambda error: _farewell(talk, error))

    async def _read(self, socket: WebSocket, talk: Conversation, outbox: Outbox) -> None:
        reader = FrameReader(socket, max_frame_bytes=self._door.limits.max_frame_bytes)
        complaints = 0
        going_on = True
        while going_on:
            frame = await self._next(reader)
            message: dict[str, Any] | None = None
            try:
                message = _parsed(frame)
                going_on = await talk.take(message)
            except _ENDING:
                raise
            except (ServerError, EngineError) as error:
                complaints += 1
                if complaints > _MAX_COMPLAINTS:
                    raise TooManyErrors(
                        "too many messages could not be used; correct the client"
                    ) from None
                await outbox.put_text(_text(talk.error(error, message)))

    async def _next(self, reader: FrameReader) -> str | bytes:
        idle_s = self._door.limits.idle_timeout_s
        try:
            async with asyncio.timeout(idle_s):
                return await reader.next()
        except TimeoutError:
            raise IdleTimeout(f"nothing came for {idle_s:g} s; connect again") from None


def _farewell(talk: Conversation | None, error: ServerError | EngineError) -> Farewell:
    text = None if talk is None else _text(talk.error(error, None))
    close_code = error.close_code if isinstance(error, ServerError) else 1011
    return Farewell(text, close_code, error.code)


def _parsed(frame: str | bytes) -> dict[str, Any]:
    if isinstance(frame, bytes):
        raise MalformedMessage("send text frames; audio goes into them as base64")
    try:
        message = json.loads(frame, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise MalformedMessage("a message is one JSON object") from None
    if not isinstance(message, dict):
        raise MalformedMessage("a message is one JSON object")
    return cast("dict[str, Any]", message)


def _no_number(name: str) -> float:
    raise ValueError(name)


def _text(event: dict[str, Any]) -> str:
    # ASCII: what a client sent and is shown again may hold half a character.
    return json.dumps(event, separators=(",", ":"))
