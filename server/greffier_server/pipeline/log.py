"""The event log of one session: append, follow, close.

Order of things for a durable event: it gets its `seq`, it is stored (the sink returns when it is on
disk), and only then do followers see it. So nobody has ever seen a commit that a crash can undo.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

from greffier_server.core.events import (
    Event,
    Recorded,
    SegmentClosed,
    TailRevised,
    TranslationRevised,
    WordsCommitted,
)
from greffier_server.core.records import GENESIS, record_hash
from greffier_server.errors import ServerError
from greffier_server.pipeline.archive import BLOCK_RECORDS, RecordArchive, RecordView
from greffier_server.pipeline.clock import Clock

__all__ = ["EventLog", "LogClosed", "Sink"]

Sink = Callable[[Sequence[Recorded]], Awaitable[None]]
"""Makes records durable; returns when they are on disk."""


class LogClosed(Exception):
    """The log takes no more events."""


class EventLog:
    """Append-only; every reader has its own cursor.

    Args:
        tenant: owner of the session.
        session: session id.
        clock: wall clock for `at_ms`.
        sink: makes durable records durable (the store).
        history: records already stored, when a session goes on after a restart.
    """

    def __init__(
        self,
        tenant: str,
        session: str,
        *,
        clock: Clock,
        sink: Sink,
        history: Sequence[Recorded] = (),
    ) -> None:
        self._tenant = tenant
        self._session = session
        self._clock = clock
        self._sink = sink
        self._records = RecordArchive(history)
        self._hash = record_hash(history[-1]) if history else GENESIS
        self._visible = len(self._records)
        self._volatile: dict[tuple[str, str], tuple[int, Recorded]] = {}
        self._shown = 0
        self._closed = False
        self._cause: ServerError | None = None
        self._changed = asyncio.Event()
        self._writing = asyncio.Lock()
        self._appends: set[asyncio.Task[int]] = set()

    @property
    def seq(self) -> int:
        """Of the last event that anyone may see."""
        return self._visible

    @property
    def records(self) -> Sequence[Recorded]:
        """Every durable record so far.

        Old ones are unpacked while they are read, some milliseconds for each 64: walk a long log
        with `past`, or in a thread.
        """
        return RecordView(self._records, self._visible)

    async def past(self) -> AsyncIterator[Recorded]:
        """Yield every durable record so far; others run in between, however long the log."""
        cursor, end = 0, self._visible
        while cursor < end:
            for record in (await self._read(cursor))[: end - cursor]:
                cursor += 1
                yield record

    async def _read(self, cursor: int) -> Sequence[Recorded]:
        """Return some records from `cursor` on."""
        number, skip = divmod(cursor, BLOCK_RECORDS)
        records, packed = self._records.block(number)
        if packed:
            await asyncio.sleep(0)
        return records[skip:]

    async def append(
        self,
        *events: Event,
        audio_from_ms: int = 0,
        audio_to_ms: int = 0,
        engine: str = "",
    ) -> int:
        """Record events in order; return the last `seq` once all are durable and visible.

        Volatile events among them are shown and not stored. A caller that is cancelled no longer
        waits; its events are recorded all the same, for they may be on disk already.

        Raises:
            LogClosed: the session is over.
            StorageFailed: from the sink; then none of the events is recorded.
        """
        task = asyncio.create_task(
            self._append(events, audio_from_ms, audio_to_ms, engine), name="log-append"
        )
        self._appends.add(task)
        task.add_done_callback(self._appended)
        return await asyncio.shield(task)

    def _appended(self, task: asyncio.Task[int]) -> None:
        self._appends.discard(task)
        if not task.cancelled():
            task.exception()  # its caller has it, or was cancelled

    async def settled(self) -> None:
        """Wait for appends whose callers were cancelled."""
        while self._appends:
            await asyncio.wait(self._appends)

    async def _append(
        self, events: Sequence[Event], audio_from_ms: int, audio_to_ms: int, engine: str
    ) -> int:
        async with self._writing:
            if self._closed:
                raise LogClosed
            fresh: list[Recorded] = []
            shown: list[Recorded] = []
            last = self._hash
            for event in events:
                seq = len(self._records) + len(fresh) + (1 if event.durable else 0)
                record = Recorded(
                    tenant=self._tenant,
                    session=self._session,
                    seq=seq,
                    at_ms=self._clock.now_ms(),
                    audio_from_ms=audio_from_ms,
                    audio_to_ms=audio_to_ms,
                    prev_hash=last,
                    engine=engine,
                    event=event,
                )
                if event.durable:
                    last = record_hash(record)
                    fresh.append(record)
                else:
                    shown.append(record)
            if fresh:
                await self._sink(fresh)
                self._records.extend(fresh)
                self._hash = last
                self._visible = len(self._records)
                self._forget_tails(fresh)
            for record in shown:
                self._shown += 1
                self._volatile[_volatile_key(record)] = (self._shown, record)
            self._notify()
            return self._visible

    def _forget_tails(self, fresh: Sequence[Recorded]) -> None:
        """Tails are shown until more of their own segment is known, whoever else speaks."""
        known = {
            record.event.segment
            for record in fresh
            if isinstance(record.event, WordsCommitted | SegmentClosed)
        }
        for key, (_, record) in list(self._volatile.items()):
            if isinstance(record.event, TailRevised) and record.event.segment in known:
                del self._volatile[key]

    async def follow(self, *, after: int = 0) -> AsyncIterator[Recorded]:
        """Yield durable records with seq > `after`, then live ones, until the log is closed.

        A slow reader misses volatile records that newer ones replaced, and never a durable one.

        Raises:
            ServerError: the log was closed for this reason, before its end.
        """
        cursor, seen = max(0, after), self._shown
        while True:
            changed = self._changed
            while cursor < self._visible:
                for record in await self._read(cursor):
                    cursor += 1
                    yield record
            before, seen = seen, self._shown
            newer = sorted(
                (entry for entry in self._volatile.values() if entry[0] > before),
                key=lambda entry: entry[0],
            )
            for _, record in newer:
                if record.seq >= cursor:
                    yield record
                elif isinstance(record.event, TailRevised):
                    yield replace(record, seq=cursor)
            if cursor < self._visible or self._shown > seen:
                continue
            if self._closed:
                if self._cause is not None:
                    raise self._cause
                return
            await changed.wait()

    def close(self, cause: ServerError | None = None) -> None:
        """End the log: followers finish what there is and stop.

        Args:
            cause: why it ends before the session does; followers are told.
        """
        self._closed, self._cause = True, cause
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _volatile_key(record: Recorded) -> tuple[str, str]:
    match record.event:
        case TailRevised(channel=channel):
            return ("tail", str(channel))
        case TranslationRevised(language=language):
            return ("translation", language)
        case _:
            return (type(record.event).__name__, "")
