"""A receiver of webhooks on a loopback socket: does what each test tells it to."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Receiver", "Request", "receiver"]


@dataclass(frozen=True, slots=True)
class Request:
    """One attempt, as it came."""

    headers: dict[str, str]
    body: bytes
    status: int
    """Of the answer; 0 = none was given."""

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Answers with the next of `answers`, then with 200.

    An answer is a status, a whole head and body, ``"hang"`` (never answers), ``"drip"`` (a body
    without end) or ``"close"``.
    """

    port: int = 0
    answers: deque[int | str] = field(default_factory=deque[int | str])
    always: int | str = 200
    requests: list[Request] = field(default_factory=list[Request])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def taken(self) -> list[Any]:
        """What was answered with 200, in order."""
        return [request.document for request in self.requests if request.status == 200]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await self._converse(reader, writer)
        writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            pairs = (line.partition(": ") for line in head[1:] if line)
            headers = {name.lower(): value for name, _, value in pairs}
            body = await reader.readexactly(int(headers["content-length"]))
            answer = self.answers.popleft() if self.answers else self.always
            status = answer if isinstance(answer, int) else 0
            self.requests.append(Request(headers, body, status))
            match answer:
                case int():
                    writer.write(f"HTTP/1.1 {answer} X\r\nContent-Length: 0\r\n\r\n".encode())
                case "hang":
                    await reader.read()
                    return
                case "close":
                    return
                case "drip":
                    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    writer.write(b"4\r\nabcd\r\n" * 100)
                    await reader.read()
                    return
                case _:
                    writer.write(answer.encode())
            await writer.drain()


@asynccontextmanager
async def receiver() -> AsyncGenerator[Receiver, None]:
    """A receiver that listens until the block ends."""
    told = Receiver()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await told.handle(reader, writer)
        except asyncio.CancelledError:
            writer.close()
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    told.port = server.sockets[0].getsockname()[1]
    try:
        yield told
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
