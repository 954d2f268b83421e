"""One WebSocket to a server: open it, greet, read typed messages, and say why it ended."""

import asyncio
import json
import ssl as tls
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, cast

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    WebSocketException,
)
from websockets.http11 import Response
from websockets.typing import Subprotocol

from greffier._version import __version__
from greffier.address import ServerAddress
from greffier.codec import MAX_TEXT_BYTES, UnknownMessage, decode_server, encode
from greffier.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    MalformedFrame,
    ProtocolViolation,
    ServerRefused,
)
from greffier.protocol import SUBPROTOCOL, ClientMessage, Error, ServerMessage, Started

__all__ = ["Dropped", "Wire", "refusal"]

_OPEN_TIMEOUT_S: Final = 10.0
_STARTED_TIMEOUT_S: Final = 60.0
"""A server may still be loading its models."""
_CLOSE_TIMEOUT_S: Final = 2.0
_PING_S: Final = 20.0
_SILENCE_S: Final = 45.0
"""A server pings every 20 s, whatever it is doing: two pings and some time for the way."""
_LOOK_S: Final = 5.0
"""How soon a machine that wakes from sleep notices that its connection is of before."""
_AUTHENTICATION_CODES: Final = frozenset({"authentication_required", "authentication_failed"})
_RETRYABLE_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_BREAKS: Final = frozenset({1001, 1006, 1012})
"""Close codes that have nothing to do with an error sent before."""
_GOING_AWAY_CODES: Final = frozenset({1000, 1001, 1006, 1011, 1012, 1013, 1014})
"""Close codes after which the session is still there to be resumed (RFC 6455 §7.4)."""


class Dropped(Exception):
    """The socket ended before the session did; it may be worth another attempt."""

    def __init__(self, *, retry_after_s: float | None = None) -> None:
        super().__init__()
        self.retry_after_s = retry_after_s
        """Where the server told when to come back."""


def refusal(error: Error) -> ServerRefused:
    """Return the exception for an ``error`` message."""
    kind = AuthenticationFailed if error.code in _AUTHENTICATION_CODES else ServerRefused
    return kind(
        error.code,
        error.message,
        retryable=error.retryable,
        retry_after_s=_asked_s(error),
    )


class _WithoutRedirects(open_websocket):
    """A redirect could carry the audio elsewhere than the address the user gave."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class _HeardConnection(ClientConnection):
    """Knows when anything last came from the server, pings and pongs included."""

    heard_at = 0.0

    def data_received(self, data: bytes) -> None:
        self.heard_at = self.loop.time()
        super().data_received(data)


class _Asleep:
    """Whether this machine slept: the loop's clock stands still then, and the wall clock does not.

    The server has given the connection up meanwhile. A wall clock that was merely set forward costs
    one reconnection.
    """

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._offset_s = time.time() - time.monotonic()

    def passed(self) -> bool:
        return time.time() - time.monotonic() - self._offset_s >= self._longest_s


class Wire:
    """A connected socket that speaks ``greffier.v1``.

    A server that holds back a fast sender does not read, so it answers no ping, for minutes. It is
    gone when it sends nothing at all, not even pings of its own.
    """

    def __init__(self, socket: _HeardConnection, *, silence_s: float = _SILENCE_S) -> None:
        self._socket = socket
        self._silence_s = silence_s
        self._complaint: Error | None = None
        self.alone = True
        """There is no other server to go to: when this one tells when to come back, that counts."""

    @classmethod
    async def open(
        cls,
        address: ServerAddress,
        *,
        token: str | None = None,
        ssl: tls.SSLContext | None = None,
        ping_s: float = _PING_S,
        silence_s: float = _SILENCE_S,
    ) -> "Wire":
        """Connect to the server's live endpoint.

        Args:
            address: of the server.
            token: API token.
            ssl: TLS settings.
            ping_s: between two pings to the server.
            silence_s: a server from which nothing came for so long is gone.

        Raises:
            ConnectionFailed: nobody answers there.
            AuthenticationFailed: the token was refused.
            ServerRefused: the server answered with another HTTP status.
            ProtocolViolation: it is not a Greffier server.
        """
        options: dict[str, Any] = {} if ssl is None else {"ssl": ssl}
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        where = f"{address.host} ({address.live_url})"
        try:
            socket = await _WithoutRedirects(
                address.live_url,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                additional_headers=headers,
                user_agent_header=f"greffier/{__version__}",
                compression=None,
                max_size=MAX_TEXT_BYTES,
                open_timeout=_OPEN_TIMEOUT_S,
                close_timeout=_CLOSE_TIMEOUT_S,
                ping_interval=ping_s,
                ping_timeout=None,
                create_connection=_HeardConnection,
                proxy=None if address.is_loopback else True,
                **options,
            )
        except InvalidStatus as error:
            raise _refused_status(error.response, where) from error
        except tls.SSLCertVerificationError as error:
            raise ConnectionFailed(
                f"{where} shows a certificate that this machine does not trust "
                f"({error.verify_message})"
            ) from error
        except (OSError, TimeoutError, EOFError, InvalidMessage) as error:
            raise ConnectionFailed(f"cannot reach {where}; is the server running?") from error
        except (InvalidHandshake, WebSocketException) as error:
            raise ProtocolViolation(f"no Greffier server answers at {where}") from error
        if socket.subprotocol != SUBPROTOCOL:
            await socket.close(1002)
            raise ProtocolViolation(f"the server at {where} does not speak {SUBPROTOCOL}")
        return cls(cast("_HeardConnection", socket), silence_s=silence_s)

    async def greet(self, message: ClientMessage) -> Started:
        """Send the first message and wait for ``started``.

        Raises:
            ServerRefused: the server answered with an error.
            ConnectionFailed: the socket ended, or no answer came.
            ProtocolViolation: the answer is another message.
        """
        try:
            async with asyncio.timeout(_STARTED_TIMEOUT_S):
                with suppress(Dropped):  # a server that refused already has said why
                    await self.send(encode(message))
                answer = await self.receive()
        except TimeoutError as error:
            raise ConnectionFailed(
                "the server accepted the connection but did not answer"
            ) from error
        except Dropped as error:
            raise ConnectionFailed("the server closed the connection before answering") from error
        if isinstance(answer, Error):
            raise refusal(answer)
        if not isinstance(answer, Started):
            raise ProtocolViolation("the server did not answer start with started")
        return answer

    async def send(self, frame: str | bytes) -> None:
        """Send a text or an audio frame; waits while the network is slower than the sender.

        Raises:
            Dropped: the socket is gone.
        """
        try:
            await self._socket.send(frame)
        except (ConnectionClosed, OSError) as error:
            raise Dropped from error

    async def receive(self) -> ServerMessage:
        """Return the next message of a known type.

        Raises:
            Dropped: the socket ended, and the session may be resumed.
            ServerRefused: the server ended it for good.
            ProtocolViolation: it sent something that is no message.
        """
        while True:
            try:
                frame = await self._next_frame()
            except ConnectionClosed as error:
                raise self._ending(error) from error
            except OSError as error:
                raise Dropped from error
            if isinstance(frame, bytes):
                await self._socket.close(1003)
                raise MalformedFrame("the server sent a binary frame")
            try:
                message = decode_server(frame)
            except MalformedFrame:
                await self._socket.close(1002)
                raise
            if isinstance(message, UnknownMessage):
                continue
            if isinstance(message, Error) and not self.alone:
                message = replace(message, retry_after_ms=None)
            # An error explains the close that follows it, and nothing later.
            self._complaint = message if isinstance(message, Error) else None
            return message

    async def _next_frame(self) -> str | bytes:
        """Return the next frame; cut the connection when nothing comes any more."""
        loop = asyncio.get_running_loop()
        begun = loop.time()  # before that, nothing may have been read for want of a reader
        asleep = _Asleep(self._silence_s)
        while True:
            due = max(begun, self._socket.heard_at) + self._silence_s
            try:
                async with asyncio.timeout_at(min(due, loop.time() + _LOOK_S)):
                    return await self._socket.recv()  # cancelling it loses nothing
            except TimeoutError:
                silent = loop.time() >= max(begun, self._socket.heard_at) + self._silence_s
                if silent or asleep.passed():
                    self._socket.transport.abort()
                    raise Dropped from None

    async def close(self) -> None:
        """Close the socket; never raises, and waits a short time for the peer."""
        await self._socket.close()

    def _ending(self, error: ConnectionClosed) -> Exception:
        complaint = self._complaint
        code = error.rcvd.code if error.rcvd is not None else 1006
        if complaint is not None and not complaint.retryable and code not in _BREAKS:
            return refusal(complaint)
        if error.sent is not None and error.sent.code == 1009:
            return ProtocolViolation(f"the server sent a frame longer than {MAX_TEXT_BYTES} bytes")
        if code in (4401, 4403):
            return AuthenticationFailed("authentication_failed", _ADVICE_401)
        if complaint is not None and code == 4409:
            return refusal(complaint)
        if complaint is None and code not in _GOING_AWAY_CODES:
            return ServerRefused("closed", f"the server closed the connection (code {code})")
        return Dropped(retry_after_s=None if complaint is None else _asked_s(complaint))


def _asked_s(error: Error) -> float | None:
    return None if error.retry_after_ms is None else max(0, error.retry_after_ms) / 1000


_ADVICE_401 = "the server did not accept the token; give it with --token or GREFFIER_TOKEN"


def _refused_status(answer: Response, where: str) -> ServerRefused | ProtocolViolation:
    """Return the exception for an HTTP answer, which may be a proxy's that knows no codes."""
    status = answer.status_code
    if status in (401, 403):
        return AuthenticationFailed("authentication_failed", _ADVICE_401)
    if status in (404, 426) or status < 400:
        return ProtocolViolation(f"no Greffier server answers at {where} (HTTP {status})")
    code, message = _told(answer) or (f"http_{status}", f"{where} answered HTTP {status}")
    after = answer.headers.get("Retry-After", "")
    return ServerRefused(
        code,
        message,
        retryable=status in _RETRYABLE_STATUS,
        # Its other form, a date, would need clocks that agree.
        retry_after_s=float(after) if after.isascii() and after.isdigit() else None,
    )


def _told(answer: Response) -> tuple[str, str] | None:
    """Code and message of a refusal that is a Greffier server's own."""
    try:
        fields: object = json.loads(bytes(answer.body or b""))
    except (ValueError, RecursionError):
        return None
    match fields:
        case {"code": str(code), "message": str(message)} if code and message:
            return code[:64], message[:500]
        case _:
            return None
