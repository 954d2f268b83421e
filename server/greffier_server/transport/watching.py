"""The connection of a client that only reads: history, then live."""

import asyncio
from collections.abc import AsyncIterator

from greffier.protocol import Correction, Finished, Started
from greffier_server.core.events import Recorded
from greffier_server.errors import SessionClosed, UnexpectedMessage
from greffier_server.transport.frames import FrameReader, Outbox, closing
from greffier_server.transport.refusals import ServerStopping
from greffier_server.transport.stopping import Connections
from greffier_server.transport.wire import WireMapping

__all__ = ["WatchingConnection"]


class WatchingConnection:
    """Follows one session over one socket.

    Args:
        records: the session's events from the first one on.
        greeting: sent when the session is found.
        reader: the client's frames; any frame is one too many.
        outbox: messages to the client; run by this connection.
        mapping: knows what the client has seen and wants.
        connections: says when the server stops.
    """

    def __init__(
        self,
        records: AsyncIterator[Recorded],
        *,
        greeting: Started,
        reader: FrameReader,
        outbox: Outbox,
        mapping: WireMapping,
        connections: Connections,
    ) -> None:
        self._records = records
        self._greeting = greeting
        self._reader = reader
        self._outbox = outbox
        self._mapping = mapping
        self._connections = connections

    async def run(self) -> None:
        """Serve until the session's log ends and everything in it has been sent.

        Raises:
            ExceptionGroup: of `ClientGone` or `ServerError`, when it ended early.
        """
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(self._outbox.run())
            others = (
                group.create_task(self._refuse_frames()),
                group.create_task(self._stop()),
            )
            await self._relay()
            await self._outbox.end()
            await sending
            for task in others:
                task.cancel()

    async def _relay(self) -> None:
        greeted = False
        finished: Finished | None = None
        async with closing(self._records) as records:
            async for record in records:
                if not greeted:
                    await self._outbox.put(self._greeting)
                    greeted = True
                for message in self._mapping.messages(record):
                    if isinstance(message, Finished):
                        finished = message
                    elif finished is None or isinstance(message, Correction):
                        await self._outbox.put(message)
        if finished is not None:  # the last message, behind what was corrected since
            await self._outbox.put(finished)
            return
        if self._connections.stopping:
            raise _stopping()
        raise SessionClosed("the session was ended by the server; nothing more will come")

    async def _refuse_frames(self) -> None:
        await self._reader.next()
        raise UnexpectedMessage("a viewer sends nothing after watch")

    async def _stop(self) -> None:
        await self._connections.stopped()
        raise _stopping()


def _stopping() -> ServerStopping:
    return ServerStopping("the server is shutting down; watch again when it is back")
