"""A WebSocket that is patient with who is made to wait, and not with who floods.

While a session's buffer is full the server stops reading, so that TCP holds the client back. The
client's pongs then wait behind its audio, for as long as it takes. Only silence while the server
reads says that a peer is gone.

What comes in is taken in small pieces, with everyone else's turn in between: 256 KiB of empty
frames are 40,000 frames, and would hold the event loop for half a second at a time.
"""

import asyncio
import logging
from typing import Any, Final

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame

from greffier_server.transport.allowance import Allowance
from greffier_server.transport.oversize import LINGER_S, OversizeProtocol
from greffier_server.transport.refusals import TooManyFrames

__all__ = ["OVERSIZE", "PatientProtocol"]

OVERSIZE = 4
"""Messages up to so many times the limit are read whole and refused by the application."""

logger = logging.getLogger(__name__)

_PIECE_BYTES: Final = 16_384
_TINY_BYTES: Final = 64
"""A fragment this small carries nothing."""
_BURST: Final = 200
_PER_S: Final = 20.0
"""Pings and tiny fragments; a client needs one ping in 20 s."""
_CLOSE_S: Final = 4.0
"""For the client's answer to a close; until then what it still sends is read and dropped."""
_REFUSED_HANDSHAKE: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: 88\r\n\r\n"
    b'{"code":"bad_request","message":"the handshake cannot be understood","retryable":false}\n'
)


class PatientProtocol(WebSocketsSansIOProtocol):
    """Uvicorn's WebSocket, closed for a missing pong only when nothing else came either.

    Pings go on while reading is paused: they tell the client that the server is alive.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.close_timeout = _CLOSE_S
        self._silent_since = self.loop.time()
        self._refusing = False
        # Compression is never on (`serving.uvicorn_config`), so there are no extensions to keep.
        self.conn = OversizeProtocol(
            max_size=config.ws_max_size, said_bytes=config.ws_max_size // OVERSIZE
        )
        self._unread = bytearray()
        self._scheduled = False
        self._allowance = Allowance(_BURST, per_s=_PER_S, clock=self.loop.time)

    def data_received(self, data: bytes) -> None:
        """Hear the peer."""
        if self._refusing:
            return
        self._silent_since = self.loop.time()
        if not self._unread and len(data) <= _PIECE_BYTES:
            self._take(data)
            return
        self._unread += data
        self.transport.pause_reading()
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self.loop.call_soon(self._work)

    def _work(self) -> None:
        """Take one piece of what came; the rest has its turn after everyone else's."""
        self._scheduled = False
        if self._refusing or self.transport.is_closing():
            self._unread.clear()
            self._read_on()
        if self.read_paused or not self._unread:
            return
        piece = bytes(self._unread[:_PIECE_BYTES])
        del self._unread[:_PIECE_BYTES]
        self._take(piece)
        self._read_on()

    def _take(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.handshake_initiated = True  # it never will be: too many headers, or not HTTP
            self.transport.write(_REFUSED_HANDSHAKE)
            self.transport.close()

    def _read_on(self) -> None:
        if self.read_paused or self.transport.is_closing():
            return
        if self._unread:
            self._schedule()
        else:
            self.transport.resume_reading()

    async def send(self, message: ASGISendEvent) -> None:
        """Send; a handshake that was answered with a refusal is over, and no fault of ours."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            self.handshake_complete = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the peer is gone; so is one who left within the handshake."""
        super().connection_lost(exc)
        self.handshake_complete = True

    async def receive(self) -> ASGIReceiveEvent:
        """Give the application the next message; reading goes on after the last one there is."""
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            self._read_on()
        self._silent_since = self.loop.time()  # what it sent meanwhile is still to be read
        return message

    def handle_parser_exception(self) -> None:
        """Tell the client why, and close when it has had a moment to hear it."""
        close = self.conn.close_sent
        if close is None or close.code != CloseCode.MESSAGE_TOO_BIG:
            super().handle_parser_exception()
            return
        self._refusing = True  # what still comes is read and dropped
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": close.code, "reason": close.reason}
        )
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.loop.call_later(LINGER_S, self.transport.close)

    def handle_ping(self) -> None:
        """Answer, unless it is one of a flood."""
        if self._afford():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """Take an answer, unless it is one of a flood."""
        if self._afford():
            super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        """Add to the message; a fragment that adds nothing is one of a flood."""
        if len(event.data) >= _TINY_BYTES or event.fin or self._afford():
            super().handle_cont(event)

    def _afford(self) -> bool:
        """Whether one more frame that carries nothing is taken; otherwise the socket is closed."""
        if self.close_sent:
            return False
        if self._allowance.spend():
            return True
        logger.info("connection ended", extra={"code": TooManyFrames.code})
        self.conn.fail(TooManyFrames.close_code, TooManyFrames.code)
        self.handle_parser_exception()
        return False

    def keepalive_timeout(self) -> None:
        """Take a missing pong: ping again, or close when the peer had its chance to be heard."""
        silent_s = self.loop.time() - self._silent_since
        held = self.read_paused or bool(self._unread)
        heard = held or silent_s < (self.ping_timeout or 0.0)
        if heard and not self.close_sent and not self.transport.is_closing():
            self.pong_timer = None
            self.send_keepalive_ping()
        else:
            super().keepalive_timeout()
