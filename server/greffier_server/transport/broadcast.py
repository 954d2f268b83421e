"""One session told to many readers: each of its messages is mapped and encoded once for all.

A broadcast follows the session's log for as long as somebody reads, and keeps its last messages.
Every reader has its own place in them, goes at its own pace, and comes from the log itself where
its place is older than what is kept. So nobody waits for a slow reader.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from greffier.codec import encode
from greffier.protocol import Correction, Finished, Minutes, ServerMessage, Translation
from greffier_models.errors import EngineError
from greffier_server.core.events import (
    Recorded,
    SessionStarted,
    TailRevised,
    TranslationRevised,
)
from greffier_server.errors import ServerError, SessionClosed
from greffier_server.pipeline.ports import SessionDesk
from greffier_server.transport.frames import closing
from greffier_server.transport.refusals import ServerStopping
from greffier_server.transport.stopping import Connections
from greffier_server.transport.wire import WireMapping, untranslated

__all__ = ["BEAT_S", "Broadcast", "Broadcasts", "Line"]

BEAT_S = 15.0
"""After so long without a message, readers are given an empty batch."""
_KEPT = 1_024
"""Messages that a reader may be behind before it reads the log by itself; about ten minutes."""
_HISTORY_BATCH = 32


class Line:
    """One message in its place, with the text that is sent of it.

    Args:
        seq: of its record.
        message: mapped.
        replaces: of a message that may change: newer ones with the same key make it worthless.
    """

    __slots__ = ("_event", "_text", "message", "replaces", "seq")

    def __init__(
        self, seq: int, message: ServerMessage, replaces: tuple[str, object] | None = None
    ) -> None:
        self.seq = seq
        self.message = message
        self.replaces = replaces
        self._text: str | None = None
        self._event: bytes | None = None

    @property
    def text(self) -> str:
        """The WebSocket frame."""
        if self._text is None:
            self._text = encode(self.message)
        return self._text

    @property
    def event(self) -> bytes:
        """The server-sent event (HTML Standard §9.2)."""
        if self._event is None:
            self._event = f"id: {self.seq}\ndata: {self.text}\n\n".encode()
        return self._event

    @property
    def last(self) -> bool:
        """Nothing comes after it."""
        return isinstance(self.message, Finished)


@dataclass(frozen=True, slots=True)
class _Reader:
    """What one reader is told."""

    languages: frozenset[str] | None
    """Only translations into these; None = every one."""
    minutes: bool
    """Minutes and what editors do to them, and who they are: not told to who came by a link."""

    def chosen(self, lines: Iterable[Line]) -> list[Line]:
        """Return the lines for this reader, as it is told them."""
        return [told for line in lines if (told := self._told(line)) is not None]

    def _told(self, line: Line) -> Line | None:
        match line.message:
            case Translation(language=language):
                return line if self._wants(language) else None
            case Minutes():
                return line if self.minutes else None
            case Correction(target=target) as correction:
                if target.kind == "translation":
                    told = self._wants(target.language)
                else:
                    told = self.minutes or target.kind in ("words", "speaker")
                if not told or self.minutes:
                    return line if told else None
                return Line(line.seq, replace(correction, who=""))
            case _:
                return line

    def _wants(self, language: str) -> bool:
        return self.languages is None or language in self.languages


class Broadcast:
    """The readers' common view of one session; made by `Broadcasts.join`.

    Args:
        follow: opens the session's records from the first one on.
        connections: says when the server stops.
        kept: messages kept at least.
    """

    def __init__(
        self,
        follow: Callable[[], AsyncIterator[Recorded]],
        *,
        connections: Connections,
        kept: int = _KEPT,
    ) -> None:
        self._follow = follow
        self._connections = connections
        self._kept = kept
        self._lines: list[Line] = []
        self._first = 0  # index of the first line kept
        self._floor = 0  # seq of the last line that is not
        self._changed = asyncio.Event()
        self._begun = asyncio.Event()
        self._beats = 0
        self._cause: Exception | None = None
        self._over = False
        self._started: SessionStarted | None = None
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self.readers = 0

    @property
    def over(self) -> bool:
        """Nothing more will come."""
        return self._over

    def start(self) -> None:
        """Begin to follow the log."""
        self._tasks = (
            asyncio.create_task(self._relay(), name="broadcast"),
            asyncio.create_task(self._beat(), name="broadcast-beat"),
            asyncio.create_task(self._stop(), name="broadcast-stop"),
        )

    async def close(self) -> None:
        """Follow no longer; `batches` ends."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._end(SessionClosed("the session is told no longer"))

    async def batches(
        self,
        *,
        after_seq: int = 0,
        languages: Sequence[str] | None = None,
        minutes: bool = True,
    ) -> AsyncGenerator[Sequence[Line], None]:
        """Yield what one reader is to be told, in order.

        The first batch comes as soon as the session is found, and may be empty; later empty ones
        say that nothing has happened for `BEAT_S`. The last line of the last batch is `Line.last`.

        Args:
            after_seq: the last event the reader has seen; nothing up to it is told again.
            languages: only translations into these; None = every one.
            minutes: tell them too, and who corrects what.

        Raises:
            SessionNotFound: there is none.
            ServerStopping: the server stops; the session goes on at its next start.
            SessionClosed: the session was ended by the server.
            ServerError: why its log ended early.
        """
        reader = _Reader(None if languages is None else frozenset(languages), minutes)
        await self._begun.wait()
        if self._over and self._cause is not None and not self._lines:
            raise self._cause
        yield self._never_told(reader) if after_seq == 0 else ()
        seq = after_seq
        while True:
            if seq < self._floor:
                async with closing(self._history(seq, reader)) as history:
                    async for place, batch in history:
                        seq = place
                        yield batch
                        if batch and batch[-1].last:
                            return
            async with closing(self._live(seq, reader)) as live:
                async for place, batch in live:
                    seq = place
                    yield batch
                    if batch and batch[-1].last:
                        return

    def _never_told(self, reader: _Reader) -> Sequence[Line]:
        """What a reader must know who waits for a language that will not come."""
        if self._started is None:
            return ()
        error = untranslated(self._started, reader.languages)
        return () if error is None else (Line(0, error),)

    async def _live(
        self, after_seq: int, reader: _Reader
    ) -> AsyncGenerator[tuple[int, Sequence[Line]], None]:
        """Yield what is kept and what comes; returns when the reader has fallen behind."""
        seq, index = after_seq, self._place(after_seq)
        while index >= self._first:
            changed, beats = self._changed, self._beats
            lines = self._lines[index - self._first :]
            index = self._first + len(self._lines)
            if lines:
                seq = lines[-1].seq
                if batch := _newest(reader.chosen(lines)):
                    yield seq, batch
                continue
            if self._over:
                raise self._cause or SessionClosed(
                    "the session was ended by the server; nothing more will come"
                )
            await changed.wait()
            if self._beats != beats:
                yield seq, ()

    def _place(self, seq: int) -> int:
        """Index of the first line that a reader at `seq` has not seen.

        The tail of the moment, and the last word of all, are told again.
        """
        for back, line in enumerate(reversed(self._lines)):
            again = line.last or (line.replaces is not None and line.seq == seq)
            if line.seq <= seq and not again:
                return self._first + len(self._lines) - back
        return self._first

    async def _history(
        self, after_seq: int, reader: _Reader
    ) -> AsyncGenerator[tuple[int, Sequence[Line]], None]:
        """Read the log as far as the broadcast has dropped it; yield where it is, and lines."""
        mapping = WireMapping(after_seq=after_seq)
        batch: list[Line] = []
        last: Line | None = None
        async with closing(self._follow()) as records:
            async for record in records:
                lines, last = _held_back(_lines(mapping, record), last)
                batch += reader.chosen(lines)
                met = record.event.durable and record.seq >= self._floor
                if met or len(batch) >= _HISTORY_BATCH:
                    yield record.seq, batch
                    batch = []
                if met:
                    return
        if last is not None:
            yield last.seq, [*batch, last]
            return
        raise self._cause or SessionClosed("the session's events are gone")

    async def _relay(self) -> None:
        mapping = WireMapping()
        last: Line | None = None
        try:
            async with closing(self._follow()) as records:
                async for record in records:
                    if isinstance(record.event, SessionStarted):
                        self._started = record.event
                    lines, last = _held_back(_lines(mapping, record), last)
                    self._lines += lines
                    self._begun.set()
                    if lines:
                        self._trim()
                        self._notify()
            if last is not None:
                self._lines.append(last)
            self._end(None)
        except (ServerError, EngineError) as error:
            self._end(error)
        except Exception as error:
            self._end(error)
            raise

    async def _beat(self) -> None:
        while True:
            before = self._first + len(self._lines)
            await asyncio.sleep(BEAT_S)
            if self._first + len(self._lines) == before:
                self._beats += 1
                self._notify()

    async def _stop(self) -> None:
        await self._connections.stopped()
        self._end(ServerStopping("the server is shutting down; watch again when it is back"))

    def _trim(self) -> None:
        if len(self._lines) < 2 * self._kept:
            return
        dropped = len(self._lines) - self._kept
        self._floor = self._lines[dropped - 1].seq
        self._first += dropped
        del self._lines[:dropped]

    def _end(self, cause: Exception | None) -> None:
        if not self._over:
            self._over, self._cause = True, cause
        self._begun.set()
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class Broadcasts:
    """The sessions that are being read, each followed once.

    Args:
        desk: where sessions are followed.
        connections: says when the server stops.
    """

    def __init__(self, desk: SessionDesk, connections: Connections) -> None:
        self._desk = desk
        self._connections = connections
        self._open: dict[tuple[str, str], Broadcast] = {}

    @property
    def count(self) -> int:
        """Sessions followed now."""
        return len(self._open)

    @asynccontextmanager
    async def join(self, tenant: str, session: str) -> AsyncGenerator[Broadcast, None]:
        """Read a session for as long as the block lasts; the last reader ends its broadcast."""
        key = (tenant, session)
        broadcast = self._open.get(key)
        if broadcast is None or broadcast.over:
            broadcast = Broadcast(
                lambda: self._desk.follow(tenant, session, after=0), connections=self._connections
            )
            self._open[key] = broadcast
            broadcast.start()
        broadcast.readers += 1
        try:
            yield broadcast
        finally:
            broadcast.readers -= 1
            if broadcast.readers == 0:
                if self._open.get(key) is broadcast:
                    del self._open[key]
                await broadcast.close()


def _lines(mapping: WireMapping, record: Recorded) -> list[Line]:
    key: tuple[str, object] | None = None
    match record.event:
        case TailRevised(channel=channel):
            key = ("tail", channel)
        case TranslationRevised(language=language):
            key = ("translation", language)
        case _:
            pass
    return [Line(record.seq, message, key) for message in mapping.messages(record)]


def _held_back(lines: Sequence[Line], last: Line | None) -> tuple[Sequence[Line], Line | None]:
    """Keep the last line for the end: what was corrected since comes before it."""
    if last is not None:
        return [line for line in lines if isinstance(line.message, Correction)], last
    if lines and lines[-1].last:
        return lines[:-1], lines[-1]
    return lines, None


def _newest(lines: Sequence[Line]) -> Sequence[Line]:
    """Leave out what is replaced by something behind it."""
    if len(lines) < 2:
        return lines
    seen: set[tuple[str, object]] = set()
    kept: list[Line] = []
    for line in reversed(lines):
        if line.replaces is not None:
            if line.replaces in seen:
                continue
            seen.add(line.replaces)
        kept.append(line)
    kept.reverse()
    return kept
