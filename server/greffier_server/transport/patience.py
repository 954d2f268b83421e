"""HTTP connections that say nothing, or say it one byte at a time, are not kept for long.

Uvicorn waits for ever for the rest of a request's head ("slowloris"), takes as many connections as
come, and greets them all before anybody else has a turn; all three end here. h11 limits the size
of the head; the other parser that uvicorn knows does not, so that this one is always used.
"""

import asyncio
import json
from typing import Any, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from greffier_server.transport.crowding import Crowding

__all__ = ["ImpatientHttp", "impatient"]

_HEAD_BYTES: Final = 32_768
_SPARE: Final = 256
"""Connections beside the WebSockets: pages, probes, downloads."""
_BUSY_BODY: Final = (
    b'{"code":"server_busy","message":"too many connections; try again later","retryable":true}'
)
_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 2\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(_BUSY_BODY), _BUSY_BODY)
)
"""Ready beforehand: refusing a flood has to cost next to nothing."""


class ImpatientHttp(H11Protocol):
    """Uvicorn's HTTP with a time for the head of each request, and a number of connections."""

    head_timeout_s = 10.0
    connection_limit = 1_024
    crowding = Crowding()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = h11.Connection(h11.SERVER, _HEAD_BYTES)
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, when there is room for it."""
        super().connection_made(transport)
        crowded = not self.crowding.admits(self.loop)
        if crowded or len(self.connections) > self.connection_limit:
            transport.write(_BUSY)
            transport.close()
            return
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._forget_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take data; the first byte of a request's head starts its time."""
        super().data_received(data)
        self._watch_head()

    def send_400_response(self, msg: str) -> None:
        """Refuse with a body of the usual form what is not HTTP, or has too long a head."""
        self._refuse(400, "bad_request", msg)

    def _watch_head(self) -> None:
        waiting = self.conn.their_state is h11.IDLE and not self.transport.is_closing()
        if not waiting:
            self._forget_head()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_timeout_s, self._give_up)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self._refuse(408, "request_timeout", "the request did not come in time")

    def _refuse(self, status: int, code: str, message: str) -> None:
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        body = json.dumps({"code": code, "message": message, "retryable": False}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=status, headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def impatient(*, head_timeout_s: float, websockets: int) -> type[ImpatientHttp]:
    """Return the protocol with a server's limits: uvicorn makes one of each connection."""
    limits = {
        "head_timeout_s": head_timeout_s,
        "connection_limit": websockets + _SPARE,
        "crowding": Crowding(),
    }
    return type("_ImpatientHttp", (ImpatientHttp,), limits)
