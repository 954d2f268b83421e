"""A scripted server on loopback: one coroutine for each connection the client makes."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from greffier.codec import decode_client, encode
from greffier.protocol import SUBPROTOCOL, Finish, ServerMessage, Start, Started, Watch

M = TypeVar("M")
Script = Callable[["PeerConnection"], Awaitable[None]]


class PeerConnection:
    """The server's end of one connection."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket

    @property
    def authorization(self) -> str | None:
        request = self._socket.request
        return None if request is None else request.headers.get("Authorization")

    async def expect(self, kind: type[M]) -> M:
        frame = await self._socket.recv()
        assert isinstance(frame, str), "audio where a message was expected"
        message = decode_client(frame)
        assert isinstance(message, kind), f"{type(message).__name__}, not {kind.__name__}"
        return message

    async def begin(self, *, samples: int = 0) -> Start:
        start = await self.expect(Start)
        await self.send(Started(session="s1", token="t1", seq=0, samples=samples))
        return start

    async def audio(self, size: int) -> bytes:
        """Receive exactly `size` bytes of audio."""
        received = b""
        while len(received) < size:
            frame = await self._socket.recv()
            assert isinstance(frame, bytes), "a message where audio was expected"
            received += frame
        assert len(received) == size
        return received

    async def audio_to_finish(self) -> bytes:
        """Receive all audio up to ``finish``."""
        received = b""
        while isinstance(frame := await self._socket.recv(), bytes):
            received += frame
        assert isinstance(decode_client(frame), Finish)
        return received

    async def watched(self) -> Watch:
        return await self.expect(Watch)

    async def send(self, *messages: ServerMessage) -> None:
        for message in messages:
            await self._socket.send(encode(message))

    async def send_raw(self, frame: str | bytes) -> None:
        await self._socket.send(frame)

    async def close(self, code: int = 1000) -> None:
        await self._socket.close(code)

    async def until_gone(self) -> None:
        """Wait until the client leaves."""
        await self._socket.wait_closed()

    def freeze(self) -> None:
        """Read nothing more, not even pings, with the connection left open."""
        self._socket.transport.pause_reading()

    async def ping(self) -> None:
        """Send a ping; nobody waits for its answer."""
        _ = await self._socket.ping()

    def drop(self) -> None:
        """Cut the connection without a closing handshake."""
        self._socket.transport.abort()


class Peer:
    """Serves `scripts` in the order of connections; use with ``async with``.

    A failed script fails the test when the block is left.
    """

    def __init__(
        self,
        *scripts: Script,
        status: HTTPStatus | None = None,
        location: str | None = None,
        subprotocol: str | None = SUBPROTOCOL,
    ) -> None:
        self._scripts = list(scripts)
        self._status = status
        self._location = location
        self._subprotocol = subprotocol
        self._server: Server | None = None
        self._failures: list[BaseException] = []
        self.connections = 0

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> "Peer":
        self._server = await serve(
            self._handle,
            "127.0.0.1",
            0,
            subprotocols=None if self._subprotocol is None else [Subprotocol(self._subprotocol)],
            process_request=self._answer,
            compression=None,
            close_timeout=1,
        )
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        if self._failures and kind is None:
            raise self._failures[0]

    async def stop_listening(self) -> None:
        assert self._server is not None
        self._server.close(close_connections=False)
        await asyncio.sleep(0)

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        assert request.path == "/v1/live"
        if self._status is None:
            return None
        response = connection.respond(self._status, "no\n")
        if self._location is not None:
            response.headers["Location"] = self._location
        return response

    async def _handle(self, socket: ServerConnection) -> None:
        number = self.connections
        self.connections += 1
        try:
            assert number < len(self._scripts), "one connection too many"
            await self._scripts[number](PeerConnection(socket))
        except ConnectionClosed:
            pass
        except AssertionError as failure:
            self._failures.append(failure)
