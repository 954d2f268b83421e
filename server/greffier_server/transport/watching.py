"""The connection of a client that only reads: history, then live."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from greffier.codec import encode
from greffier.protocol import Started
from greffier_server.errors import UnexpectedMessage
from greffier_server.transport.broadcast import Line
from greffier_server.transport.frames import FrameReader, Outbox, closing
from greffier_server.transport.refusals import ServerStopping
from greffier_server.transport.stopping import Connections

__all__ = ["WatchingConnection"]


class WatchingConnection:
    """Follows one session over one socket.

    Args:
        batches: what the client is told (see `Broadcast.batches`).
        greeting: sent when the session is found.
        reader: the client's frames; any frame is one too many.
        outbox: sends to the client; nothing else does.
        connections: says when the server stops, also to a client that is waited for.
    """

    def __init__(
        self,
        batches: AsyncIterator[Sequence[Line]],
        *,
        greeting: Started,
        reader: FrameReader,
        outbox: Outbox,
        connections: Connections,
    ) -> None:
        self._batches = batches
        self._greeting = greeting
        self._reader = reader
        self._outbox = outbox
        self._connections = connections

    async def run(self) -> None:
        """Serve until the session's log ends and everything in it has been sent.

        Raises:
            ExceptionGroup: of `ClientGone` or `ServerError`, when it ended early.
        """
        async with asyncio.TaskGroup() as group:
            others = (
                group.create_task(self._refuse_frames()),
                group.create_task(self._stop()),
            )
            await self._relay()
            for task in others:
                task.cancel()

    async def _relay(self) -> None:
        greeted = False
        async with closing(self._batches) as batches:
            async for batch in batches:
                if not greeted:
                    await self._outbox.send_text(encode(self._greeting))
                    greeted = True
                for line in batch:
                    await self._outbox.send_text(line.text)

    async def _refuse_frames(self) -> None:
        await self._reader.next()
        raise UnexpectedMessage("a viewer sends nothing after watch")

    async def _stop(self) -> None:
        await self._connections.stopped()
        raise ServerStopping("the server is shutting down; watch again when it is back")
