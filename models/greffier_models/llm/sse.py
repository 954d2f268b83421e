"""Server-sent events, as language model servers stream them (WHATWG HTML, section 9.2)."""

from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from greffier_models.errors import EngineError
from greffier_models.llm.deadlines import Deadline

if TYPE_CHECKING:
    import httpx

__all__ = ["DONE", "EventParser", "payloads"]

DONE = "[DONE]"
"""Payload with which OpenAI-compatible servers end a stream."""

_MAX_EVENT_BYTES = 1 << 20


async def payloads(response: "httpx.Response", deadline: Deadline) -> AsyncGenerator[str, None]:
    """Yield the `data` of each event of a streamed response.

    Raises:
        EngineTimeout: an event did not come before the deadline.
        EngineError: an event above 1 MiB, or bytes that are not UTF-8.
        httpx.HTTPError: the connection failed.
    """
    parser = EventParser()
    chunks = cast("AsyncGenerator[bytes, None]", response.aiter_bytes())
    async with aclosing(chunks):
        while (chunk := await deadline.run(_next(chunks))) is not None:
            for payload in parser.feed(chunk):
                yield payload


def _next(chunks: AsyncGenerator[bytes, None]) -> Awaitable[bytes | None]:
    return anext(chunks, None)


class EventParser:
    """Takes bytes as they come; an event that the end of the stream cuts off is never seen."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lines: list[str] = []
        self._held = 0

    def feed(self, chunk: bytes) -> list[str]:
        """Return the payloads of the events that `chunk` completes.

        Raises:
            EngineError: an event above 1 MiB, or bytes that are not UTF-8.
        """
        complete: list[str] = []
        self._buffer += chunk
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = rest
        for raw in lines:
            line = _text(bytes(raw).removesuffix(b"\r"))
            if line.startswith("data:"):
                self._lines.append(line[5:].removeprefix(" "))
                self._held += len(raw)
            elif not line and self._lines:
                complete.append("\n".join(self._lines))
                self._lines.clear()
                self._held = 0
        if self._held + len(rest) > _MAX_EVENT_BYTES:
            raise EngineError("The language model server sent an event that is too large.")
        return complete


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise EngineError("The language model server sent text that is not UTF-8.") from error
