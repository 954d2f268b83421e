"""Events on their way from the socket to whoever iterates: bounded, and ended once."""

import asyncio
from collections import deque

from greffier.protocol import Caption, ServerMessage, Translation

__all__ = ["Inbox", "is_volatile"]


def is_volatile(message: ServerMessage) -> bool:
    """Whether `message` shows only text that may still change (the next one replaces it)."""
    if isinstance(message, (Caption, Translation)):
        return not message.committed and not message.closed
    return False


class Inbox:
    """A queue for one reader. Stale tails are dropped when the reader is slow, nothing else is."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._messages: deque[ServerMessage] = deque()
        self._changed = asyncio.Condition()
        self._failure: Exception | None = None
        self._ended = False

    @property
    def full(self) -> bool:
        """No message is taken until one is read."""
        return len(self._messages) >= self._limit

    async def put(self, message: ServerMessage) -> None:
        """Add `message`; waits while the inbox is full."""
        async with self._changed:
            if self._messages and is_volatile(message):
                last = self._messages[-1]
                if is_volatile(last) and _text_of(last) == _text_of(message):
                    self._messages[-1] = message
                    return
            await self._changed.wait_for(lambda: not self.full)
            self._messages.append(message)
            self._changed.notify_all()

    async def end(self, failure: Exception | None = None) -> None:
        """No message follows; `failure` is raised to the reader behind the last one."""
        async with self._changed:
            if not self._ended:
                self._ended = True
                self._failure = failure
            self._changed.notify_all()

    async def get(self) -> ServerMessage | None:
        """Return the next message, None at the end.

        Raises:
            GreffierError: what ended the session early.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._messages or self._ended)
            if self._messages:
                message = self._messages.popleft()
                self._changed.notify_all()
                return message
            if self._failure is not None:
                raise self._failure
            return None


def _text_of(message: ServerMessage) -> tuple[str, int, str]:
    match message:
        case Caption():
            return ("caption", message.segment, "")
        case Translation():
            return ("translation", message.segment, message.language)
        case _:
            return ("", 0, "")
