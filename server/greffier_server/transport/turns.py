"""Sessions that one connection of another protocol opens, one after another."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from greffier.protocol import Finished, ServerMessage, Start
from greffier_models.errors import EngineError
from greffier_server.core.events import RecognitionFinished
from greffier_server.errors import ServerError, SessionClosed
from greffier_server.transport.frames import closing
from greffier_server.transport.guest import Doorway, Guest, welcome
from greffier_server.transport.refusals import ServerStopping
from greffier_server.transport.wire import WireMapping

__all__ = ["Turn", "Turns"]

_DRAINING: Final = 4
"""Turns whose audio has ended and whose words have not all come; the next one waits."""

Hear = Callable[[ServerMessage], Awaitable[None]]
Fail = Callable[[ServerError | EngineError], Awaitable[None]]


class Turn:
    """One session, from its opening to its last word; made by `Turns`."""

    def __init__(self, *, hear: Hear, fail: Fail, before: "Turn | None") -> None:
        self._hear = hear
        self._fail = fail
        self._before = before
        self._guest: Guest | None = None
        self._opened = asyncio.Event()
        self._refusal: ServerError | EngineError | None = None
        self.over = asyncio.Event()
        """Its last message has been heard."""

    @property
    def id(self) -> str:
        """Of the session."""
        return "" if self._guest is None else self._guest.session.id

    async def opened(self) -> None:
        """Wait until audio can be pushed.

        Raises:
            ServerError, EngineError: it cannot be opened.
        """
        await self._opened.wait()
        if self._refusal is not None:
            raise self._refusal

    async def push(self, audio: bytes) -> None:
        """Take audio.

        Raises:
            SessionClosed: the server has ended the session.
            StorageFailed: the journal cannot be written.
        """
        if self._guest is None or self.over.is_set():
            raise SessionClosed("the session has ended; what is sent next begins another")
        await self._guest.push(audio)

    async def finish(self) -> None:
        """No more audio will come."""
        if self._guest is not None:
            await self._guest.finish()

    async def run(self, door: Doorway, tenant: str, start: Start, *, protocol: str) -> None:
        """Hold the session until its last message is heard; a task of its own.

        Raises:
            ServerStopping: the server shuts down.
        """
        try:
            async with welcome(door, tenant, start, protocol=protocol) as guest:
                self._guest = guest
                self._opened.set()
                if self._before is not None:  # what was said first is told first
                    await self._before.over.wait()
                    self._before = None
                await self._follow(guest)
        except ServerStopping:
            raise
        except (ServerError, EngineError) as error:
            if self._opened.is_set():
                await self._fail(error)
            self._refusal = error
        finally:
            self._opened.set()
            self.over.set()

    async def _follow(self, guest: Guest) -> None:
        """Hear the session up to its last word; minutes are written when nobody waits any more."""
        mapping = WireMapping()
        async with closing(guest.records()) as records:
            async for record in records:
                if isinstance(record.event, RecognitionFinished):
                    await self._hear(Finished(record.seq, "finish"))
                    return
                for message in mapping.messages(record):
                    await self._hear(message)
        raise SessionClosed("the session was ended by the server; nothing more will come")


class Turns:
    """Opens turns; each is told only when the one before is over.

    Args:
        door: of the server.
        tenant: who pays.
        protocol: name for the log.
        tasks: of the connection; the turns run in it.
    """

    def __init__(
        self, door: Doorway, tenant: str, *, protocol: str, tasks: asyncio.TaskGroup
    ) -> None:
        self._door = door
        self._tenant = tenant
        self._protocol = protocol
        self._tasks = tasks
        self._last: Turn | None = None
        self._room = asyncio.Semaphore(_DRAINING)

    async def open(self, start: Start, *, hear: Hear, fail: Fail) -> Turn:
        """Open a session; returns when audio can be pushed.

        Args:
            start: what is asked for.
            hear: told each native message; `Finished` when the last word is known.
            fail: told what ended the session early.

        Raises:
            ServerError, EngineError: as `welcome`.
        """
        await self._room.acquire()
        turn = Turn(hear=hear, fail=fail, before=self._last)
        self._tasks.create_task(self._run(turn, start), name=f"turn {self._protocol}")
        await turn.opened()
        self._last = turn
        return turn

    async def _run(self, turn: Turn, start: Start) -> None:
        try:
            await turn.run(self._door, self._tenant, start, protocol=self._protocol)
        finally:
            self._room.release()
