"""WebSocket ``/``: Vosk and WhisperLive clients name no path, so their first message decides.

``/vosk`` and ``/whisperlive`` are there for clients that can name one.
"""

import asyncio
import json
from typing import Literal, cast

from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from greffier.protocol import SUBPROTOCOL
from greffier_models.errors import EngineError
from greffier_server.errors import MalformedMessage, ServerError
from greffier_server.transport.frames import FrameReader, Outbox
from greffier_server.transport.guest import Doorway
from greffier_server.transport.parting import Farewell
from greffier_server.transport.refusals import StartTimeout, UnsupportedSubprotocol
from greffier_server.transport.visiting import receive, subprotocol
from greffier_server.transport.vosk.live import VoskVisit
from greffier_server.transport.vosk.live import farewell as farewell_of_vosk
from greffier_server.transport.whisperlive.asked import Greeting
from greffier_server.transport.whisperlive.live import WhisperLiveVisit
from greffier_server.transport.whisperlive.live import farewell as farewell_of_whisperlive

__all__ = ["RootEndpoint"]

Spoken = Literal["vosk", "whisperlive"]


class RootEndpoint:
    """Serves the WebSockets of both protocols.

    Args:
        doorway: of the server.
        spoken: the only protocol at this path; None = the first message decides.
    """

    def __init__(self, doorway: Doorway, spoken: Spoken | None = None) -> None:
        self._doorway = doorway
        self._spoken: Spoken | None = spoken

    async def serve(self, socket: WebSocket) -> None:
        """Serve one connection to its end; raises nothing but cancellation."""
        await receive(socket, self._doorway, _RootVisit(socket, self._doorway, self._spoken))


class _RootVisit:
    """One connection (see `visiting.Visit`)."""

    def __init__(self, socket: WebSocket, doorway: Doorway, spoken: Spoken | None) -> None:
        self._socket = socket
        self._doorway = doorway
        self._spoken: Spoken | None = spoken
        self._uid = ""

    async def hold(self, tenant: str) -> None:
        """Accept the socket, find out what it speaks, and serve it."""
        if SUBPROTOCOL in self._socket.scope["subprotocols"]:
            raise UnsupportedSubprotocol(f"{SUBPROTOCOL} is spoken at /v1/live")
        await self._socket.accept(subprotocol=subprotocol(self._socket))
        limits = self._doorway.limits
        reader = FrameReader(self._socket, max_frame_bytes=limits.max_frame_bytes)
        outbox = Outbox(self._socket, send_timeout_s=limits.send_timeout_s)
        first = await self._first(reader)
        greeting = _greeting(first)
        query = self._socket.query_params
        if self._spoken is None:
            self._spoken = "vosk" if greeting is None else "whisperlive"
        if self._spoken == "whisperlive":
            if greeting is None:
                raise MalformedMessage("the first message is a JSON object with uid")
            uid = greeting.get("uid")
            self._uid = uid if isinstance(uid, str) and len(uid) <= 128 else ""
            asked = Greeting.read(greeting)
            await WhisperLiveVisit(asked, self._doorway, reader, outbox, query=query).hold(tenant)
        else:
            await VoskVisit(first, self._doorway, reader, outbox, query=query).hold(tenant)
        await outbox.goodbye()

    async def _first(self, reader: FrameReader) -> str | bytes:
        try:
            async with asyncio.timeout(self._doorway.limits.start_timeout_s):
                return await reader.next()
        except TimeoutError:
            raise StartTimeout("no first message came in time") from None

    def denial(self, error: ServerError | EngineError) -> Response:
        """Return the answer that refuses the handshake, before anything is known of the client."""
        body = {"code": error.code, "message": error.message, "retryable": error.retryable}
        return JSONResponse(body, error.status if isinstance(error, ServerError) else 503)

    def farewell(self, error: ServerError | EngineError) -> Farewell:
        """Return the last message in the protocol that is spoken."""
        if self._spoken == "whisperlive":
            return farewell_of_whisperlive(self._uid, error)
        return farewell_of_vosk(error)


def _greeting(first: str | bytes) -> dict[str, object] | None:
    """Return the first message of a WhisperLive client; None when it is another's."""
    if isinstance(first, bytes):
        return None
    try:
        message: object = json.loads(first)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict):
        return None
    fields = cast("dict[str, object]", message)
    return fields if "uid" in fields else None
