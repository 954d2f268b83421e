"""Both directions of one WebSocket: frames in, under a size limit; messages out, one at a time."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, TypeVar, cast

from starlette.websockets import WebSocket, WebSocketDisconnect

from greffier.codec import encode
from greffier.errors import MalformedFrame
from greffier.protocol import ServerMessage
from greffier_server.transport.allowance import Allowance
from greffier_server.transport.refusals import FrameTooLarge, TooManyFrames

__all__ = ["ClientGone", "FrameReader", "MalformedFrame", "Outbox", "closing"]

T = TypeVar("T")

_QUEUED_MESSAGES: Final = 64
"""A reader of the log that waits for a slow client holds nobody else up: the log is its own."""
_TURN: Final = 32
"""Messages after which others have their turn."""
_TINY_BYTES: Final = 64
"""Two milliseconds of 16 kHz; no audio is sent in such pieces."""
_TINY_BURST: Final = 1_000
_TINY_PER_S: Final = 100.0


class ClientGone(Exception):
    """The socket is closed; `cause` is written into the session's log."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class FrameReader:
    """Reads the client's frames.

    Args:
        socket: accepted.
        max_frame_bytes: a longer frame ends the connection.
    """

    def __init__(self, socket: WebSocket, *, max_frame_bytes: int) -> None:
        self._socket = socket
        self._max_frame_bytes = max_frame_bytes
        self._tiny = Allowance(_TINY_BURST, per_s=_TINY_PER_S, clock=time.monotonic)
        self._in_a_row = 0

    async def next(self) -> str | bytes:
        """Return the next frame: text, or bytes.

        Raises:
            ClientGone: the socket is closed.
            FrameTooLarge: above the limit.
            TooManyFrames: a flood of frames that carry next to nothing.
        """
        self._in_a_row += 1
        if self._in_a_row % _TURN == 0:  # what is queued already is handed over without a pause
            await asyncio.sleep(0)
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise ClientGone(f"closed with code {message.get('code', 1005)}")
        text, audio = message.get("text"), message.get("bytes")
        frame = cast("str | bytes", text if text is not None else audio or b"")
        # A character takes one to four bytes; text near the limit is measured exactly.
        size = len(frame) if isinstance(frame, bytes) else len(frame.encode("utf-8", "replace"))
        if size > self._max_frame_bytes:
            raise FrameTooLarge(
                f"a message has at most {self._max_frame_bytes} bytes; send audio in smaller frames"
            )
        if size < _TINY_BYTES and isinstance(frame, bytes) and not self._tiny.spend():
            raise TooManyFrames(
                f"too many messages of less than {_TINY_BYTES} bytes; send audio in larger frames"
            )
        return frame


class Outbox:
    """A bounded queue of messages and the one task that sends them.

    Args:
        socket: accepted.
        send_timeout_s: a client that does not take one message for so long is gone.
    """

    def __init__(self, socket: WebSocket, *, send_timeout_s: float) -> None:
        self._socket = socket
        self._send_timeout_s = send_timeout_s
        self._queue: asyncio.Queue[str | None] = asyncio.Queue(_QUEUED_MESSAGES)

    async def put(self, message: ServerMessage) -> None:
        """Queue a message; waits while the client is slow."""
        await self._queue.put(encode(message))

    async def put_text(self, text: str) -> None:
        """Queue a text frame of another protocol; waits while the client is slow."""
        await self._queue.put(text)

    def put_first(self, message: ServerMessage) -> None:
        """Queue the message that comes before all others; never waits."""
        self._queue.put_nowait(encode(message))

    async def end(self) -> None:
        """Let `run` return once everything queued has been sent."""
        await self._queue.put(None)

    async def drained(self) -> None:
        """Wait until everything queued has been sent."""
        await self._queue.join()

    async def run(self) -> None:
        """Send until `end`.

        Raises:
            ClientGone: the socket is closed, or the client does not read.
        """
        while (text := await self._queue.get()) is not None:
            await self.send_text(text)
            self._queue.task_done()

    async def send_text(self, text: str) -> None:
        """Send past the queue; for connections on which nothing else sends.

        Raises:
            ClientGone: the socket is closed, or the client does not read.
        """
        try:
            async with asyncio.timeout(self._send_timeout_s):
                await self._socket.send_text(text)
        except TimeoutError:
            raise ClientGone("too slow to read") from None
        except (WebSocketDisconnect, OSError, RuntimeError):
            raise ClientGone("closed while sending") from None

    async def goodbye(self) -> None:
        """Close the socket after everything was sent; nobody is told when it is closed already."""
        with contextlib.suppress(WebSocketDisconnect, OSError, RuntimeError):
            await self._socket.close(1000)


@asynccontextmanager
async def closing(records: AsyncIterator[T]) -> AsyncGenerator[AsyncIterator[T], None]:
    """Close a generator when its reader leaves early (plain iterators need no closing)."""
    try:
        yield records
    finally:
        aclose = getattr(records, "aclose", None)
        if aclose is not None:
            await aclose()
