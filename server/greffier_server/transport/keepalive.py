"""WebSocket pings that do not take a client that is made to wait for one that is gone.

While a session's buffer is full the server stops reading, so that TCP holds the client back. The
client's pongs then wait behind its audio, for as long as it takes. Only silence while the server
reads says that a peer is gone.
"""

import asyncio
from typing import Any

from uvicorn._types import ASGIReceiveEvent
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import CloseCode

from greffier_server.transport.oversize import LINGER_S, OversizeProtocol

__all__ = ["OVERSIZE", "PatientProtocol"]

OVERSIZE = 4
"""Messages up to so many times the limit are read whole and refused by the application."""


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
        self._silent_since = self.loop.time()
        self._refusing = False
        # Compression is never on (`serving.uvicorn_config`), so there are no extensions to keep.
        self.conn = OversizeProtocol(
            max_size=config.ws_max_size, said_bytes=config.ws_max_size // OVERSIZE
        )

    def data_received(self, data: bytes) -> None:
        """Hear the peer."""
        if self._refusing:
            return
        self._silent_since = self.loop.time()
        super().data_received(data)

    async def receive(self) -> ASGIReceiveEvent:
        """Give the application the next message; reading goes on after the last one there is."""
        message = await super().receive()
        self._silent_since = self.loop.time()  # what it sent meanwhile is still to be read
        return message

    def handle_parser_exception(self) -> None:
        """Tell the client why, and close when it has had a moment to hear it."""
        self._refusing = True
        close = self.conn.close_sent
        if close is None or close.code != CloseCode.MESSAGE_TOO_BIG:
            super().handle_parser_exception()
            return
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": close.code, "reason": close.reason}
        )
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.loop.call_later(LINGER_S, self.transport.close)

    def keepalive_timeout(self) -> None:
        """Take a missing pong: ping again, or close when the peer had its chance to be heard."""
        silent_s = self.loop.time() - self._silent_since
        heard = self.read_paused or silent_s < (self.ping_timeout or 0.0)
        if heard and not self.close_sent and not self.transport.is_closing():
            self.pong_timer = None
            self.send_keepalive_ping()
        else:
            super().keepalive_timeout()
