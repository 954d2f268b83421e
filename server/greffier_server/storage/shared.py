"""The audio journal that several servers share: PostgreSQL, and object storage for what is closed.

Audio is acknowledged when a transaction holds it. Once a stretch of it is long enough it moves to
an object, where there is object storage; reading joins both.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import Any, Self, TypeVar

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from greffier_server.errors import SessionNotFound, StorageFailed
from greffier_server.storage.block_writer import BlockWriter, Tail, locked_rows, refusal, truncate
from greffier_server.storage.budget import ByteBudget
from greffier_server.storage.cipher import AudioCipher
from greffier_server.storage.engines import engine_for
from greffier_server.storage.failures import StorageUnavailable, disk_failure
from greffier_server.storage.holdings import Holdings
from greffier_server.storage.keys import KeyRing
from greffier_server.storage.objects import ObjectStore
from greffier_server.storage.parts import missing
from greffier_server.storage.rows import Key
from greffier_server.storage.shared_blocks import Piece, opened
from greffier_server.storage.shared_reading import Found, ObjectCache, find_audio
from greffier_server.storage.shared_space import SharedSpace
from greffier_server.storage.shipping import Shipper
from greffier_server.storage.space import Quota
from greffier_server.storage.sql_errors import ConstraintRefused, translated
from greffier_server.storage.tables import audio_blocks, audio_objects, audio_recordings

__all__ = ["SharedJournal", "SharedRecording"]

T = TypeVar("T")

_log = logging.getLogger(__name__)

_READ_TIMEOUT_S = 60.0


class SharedRecording:
    """`SessionJournal`: the audio of one session; made by `SharedJournal.open`."""

    def __init__(self, tail: Tail, journal: "SharedJournal", *, shipped: int) -> None:
        self._tail = tail
        self._journal = journal
        self._pending = 0
        self._next_segment = shipped + journal.segment_bytes
        self._holes: list[tuple[int, int]] = []

    @property
    def accepted_bytes(self) -> int:
        """Bytes taken so far, durable or not."""
        return self._tail.durable + self._pending

    @property
    def durable_bytes(self) -> int:
        """Bytes that every server can read."""
        return self._tail.durable

    @property
    def sealed(self) -> bool:
        """The session is complete: no audio can be added."""
        return self._tail.sealed

    @property
    def holes(self) -> Sequence[tuple[int, int]]:
        """Stretches (from, to) that were found to be damaged so far; costs nothing to ask."""
        return tuple(self._holes)

    @property
    def key(self) -> Key:
        """Tenant and session."""
        return self._tail.key

    @property
    def epoch(self) -> int | None:
        """Under which this server owns the session; None = it only reads."""
        return self._tail.epoch

    async def append(self, audio: bytes) -> int:
        """Store audio with the next transaction; return the durable byte count.

        Waits first while too much audio waits for the database. Cancelling the wait for the
        transaction does not take the audio back.

        Raises:
            SessionMoved: another server has the session; nothing is kept.
            SessionClosed: the session is sealed.
            QuotaExceeded: the tenant has no space left; nothing of this call is kept.
            StorageFailed: the database is away or full; nothing of this call is kept, nor of
                calls for the same session that were made before this one was answered.
        """
        tenant = self._tail.key[0]
        self._journal.space.reserve(tenant, len(audio))
        try:
            await self._journal.budget.take(len(audio))
        except BaseException:
            self._journal.space.free(tenant, len(audio))
            raise
        self._pending += len(audio)
        waiting = asyncio.ensure_future(self._journal.writer.append(self._tail, audio))
        waiting.add_done_callback(lambda done: self._appended(done, len(audio)))
        return await asyncio.shield(waiting)

    def _appended(self, done: "asyncio.Future[int]", count: int) -> None:
        self._pending -= count
        self._journal.budget.give_back(count)
        refused = done.cancelled() or done.exception() is not None  # its caller has it
        self._journal.space.free(self._tail.key[0], count, stored=not refused)
        if self._tail.durable >= self._next_segment:
            self._next_segment = self._tail.durable + self._journal.segment_bytes
            self._journal.ship(self._tail)

    async def seal(self) -> None:
        """No more audio: mark the session complete.

        Raises:
            SessionMoved: another server has the session.
            StorageFailed: it could not be marked; try again.
        """
        while self._pending:
            await self._journal.writer.settled()
            await asyncio.sleep(0)  # for the answers to be taken
        if not self._tail.sealed and self._tail.epoch is not None:
            await self._journal.seal(self._tail)
        self._journal.forget(self)

    def read(self, from_byte: int, to_byte: int | None = None) -> Iterator[bytes]:
        """Durable audio in blocks; damaged stretches are left out (blocking)."""
        for _, audio in self.blocks(from_byte, to_byte):
            yield audio

    def blocks(self, from_byte: int, to_byte: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Durable audio in blocks, each with its offset (blocking; call it in a thread).

        Raises:
            EncryptionKeyMissing, EncryptionKeyWrong: it cannot be opened.
            StorageFailed: the database or the object storage does not answer.
        """
        durable = self._tail.durable
        end = durable if to_byte is None else min(to_byte, durable)
        at = from_byte
        while at < end:
            found = self._journal.find(self._tail.key, at, end)
            pieces = self._journal.pieces(self._tail.key, found, self._tail.cipher)
            self._note_holes(found, pieces, durable=durable)
            for offset, body in pieces:
                begin, stop = max(offset, at), min(offset + len(body), end)
                if begin < stop:
                    yield begin, body[begin - offset : stop - offset]
            at = max(found.to_byte, at + 1)

    def search(self) -> None:
        """Read all of it, so that `holes` are all there are (blocking)."""
        for _ in self.blocks(0):
            pass

    def damage(self) -> list[tuple[int, int]]:
        """Stretches (from, to) of durable audio that cannot be read (blocking)."""
        return missing(self.blocks(0), self._tail.durable)

    def _note_holes(self, found: Found, pieces: Sequence[Piece], *, durable: int) -> None:
        at, upto = found.from_byte, min(found.to_byte, durable)
        for offset, body in (*pieces, (upto, b"")):
            if at < offset <= upto and (at, offset) not in self._holes:
                self._holes.append((at, offset))
            at = max(at, offset + len(body))


class SharedJournal:
    """`AudioJournal` in a PostgreSQL database; make one with `open`.

    Args:
        engine: of a database whose schema is up to date; closed by `close`.
        holdings: what this node owns.
        objects: where closed stretches go; None = everything stays in the database.
        prefix: of the objects' names.
        segment_bytes: audio in one object.
        queue_bytes: most audio waiting for the database, of all sessions; more callers wait.
        gather_s: how long audio gathers for one transaction.
        patience_s: a database that is away is waited for so long.
        keys: of tenants; None = audio is not sealed.
        compress: objects are packed without loss.
        quota: space that each tenant's audio may take.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        holdings: Holdings,
        *,
        objects: ObjectStore | None = None,
        prefix: str = "",
        segment_bytes: int = 8 * 1024 * 1024,
        queue_bytes: int = 32 * 1024 * 1024,
        gather_s: float = 0.05,
        patience_s: float = 10.0,
        keys: KeyRing | None = None,
        compress: bool = False,
        quota: Quota = lambda _: None,
    ) -> None:
        self._keys = keys
        self._engine = engine
        self._holdings = holdings
        self._loop = asyncio.get_running_loop()
        self._open: dict[Key, SharedRecording] = {}
        self._closed = False
        self.segment_bytes = segment_bytes
        self.budget = ByteBudget(queue_bytes)
        self.writer = BlockWriter(engine, holdings.node, gather_s=gather_s, patience_s=patience_s)
        self._objects = objects
        self._cache: ObjectCache | None = None
        self.shipper: Shipper | None = None
        self._shipping: asyncio.Task[None] | None = None
        self.space = SharedSpace(
            engine, segment_bytes=None if objects is None else segment_bytes, quota=quota
        )
        if objects is not None:
            self._cache = ObjectCache(objects)
            self.shipper = Shipper(
                engine,
                objects,
                prefix=prefix,
                segment_bytes=segment_bytes,
                keys=keys,
                compress=compress,
            )

    @classmethod
    async def open_at(cls, url: str, holdings: Holdings, **options: Any) -> Self:
        """Connect to the database at `url` and begin to ship.

        Args:
            url: ``postgresql://…``; its schema is up to date.
            holdings: what this node owns.
            **options: as the class takes them.
        """
        journal = cls(await engine_for(url), holdings, **options)
        journal.start()
        return journal

    def start(self) -> None:
        """Begin to ship closed stretches."""
        if self.shipper is not None:
            self._shipping = asyncio.create_task(self.shipper.run(), name="ship-audio")

    async def open(self, tenant: str, session: str) -> SharedRecording:
        """Create the session's journal, or go on with it as its new owner.

        Raises:
            SessionNotFound: there is no such session.
            QuotaExceeded: the session is new, and its tenant has no space left.
            StorageFailed: the database cannot be used.
        """
        if self._closed:
            raise StorageUnavailable("The server is stopping; reconnect in a moment.")
        key = (tenant, session)
        epoch = self._holdings.epoch(key)
        self._open = {
            other: recording
            for other, recording in self._open.items()
            if self._holdings.epoch(other) == recording.epoch
        }
        known = self._open.get(key)
        if known is not None:
            return known
        durable, shipped, sealed = await self._measure(key)
        if not durable and epoch is not None:
            self.space.reserve(tenant, 1)
            self.space.free(tenant, 1)
        cipher = AudioCipher(self._keys, tenant=tenant, session=session)
        tail = Tail(key, epoch=epoch, durable=durable, sealed=sealed, cipher=cipher)
        recording = SharedRecording(tail, self, shipped=shipped)
        if epoch is not None:
            self._open[key] = recording
            if durable - shipped >= self.segment_bytes:
                self.ship(tail)
        return recording

    async def _measure(self, key: Key) -> tuple[int, int, bool]:
        """Return how much is stored, how much of it in objects, and whether it is complete."""
        row = {"tenant": key[0], "session": key[1]}
        ends = [
            select(func.coalesce(func.max(table.c.to_byte), 0)).where(
                table.c.tenant == key[0], table.c.session == key[1]
            )
            for table in (audio_blocks, audio_objects)
        ]
        ends[1] = ends[1].where(audio_objects.c.state == "stored")
        try:
            with translated():
                async with self._engine.begin() as plain:
                    await plain.execute(
                        insert(audio_recordings).values(**row, sealed=0).on_conflict_do_nothing()
                    )
                async with self._engine.connect() as plain:
                    connection = await plain.execution_options(isolation_level="REPEATABLE READ")
                    blocks, shipped = [
                        int((await connection.execute(end)).scalar_one()) for end in ends
                    ]
                    sealed = await connection.execute(
                        select(audio_recordings.c.sealed).where(
                            audio_recordings.c.tenant == key[0],
                            audio_recordings.c.session == key[1],
                        )
                    )
                    return max(blocks, shipped), shipped, bool(sealed.scalar_one_or_none())
        except ConstraintRefused:
            raise SessionNotFound("The session does not exist, or is deleted.") from None

    async def seal(self, tail: Tail) -> None:
        """Mark a recording as complete (see `SharedRecording.seal`)."""
        with translated():
            async with self._engine.begin() as connection:
                rows = await locked_rows(connection, [tail.key])
                error = refusal(tail, rows.get(tail.key), self._holdings.node)
                if error is not None:
                    raise error
                if tail.uncertain:
                    await truncate(connection, tail)
                await connection.execute(
                    update(audio_recordings)
                    .where(
                        audio_recordings.c.tenant == tail.key[0],
                        audio_recordings.c.session == tail.key[1],
                    )
                    .values(sealed=1)
                )
        tail.sealed = True
        if self.shipper is not None:
            self.shipper.wake()

    def forget(self, recording: SharedRecording) -> None:
        """Nothing more is written through `recording`."""
        if self._open.get(recording.key) is recording:
            del self._open[recording.key]

    def ship(self, tail: Tail) -> None:
        """A segment's worth of audio can move to an object."""
        if self.shipper is not None:
            self.shipper.due(tail.key, lambda: 0 if tail.uncertain else tail.durable)

    async def delete(self, tenant: str, session: str) -> None:
        """Delete the session's audio; no error when there is none.

        Raises:
            StorageFailed: some of it could not be deleted; try again.
        """
        self._open.pop((tenant, session), None)
        with translated():
            async with self._engine.begin() as connection:
                await connection.execute(  # its blocks go with it
                    delete(audio_recordings).where(
                        audio_recordings.c.tenant == tenant, audio_recordings.c.session == session
                    )
                )
                left = await connection.execute(
                    select(func.count())
                    .select_from(audio_objects)
                    .where(audio_objects.c.tenant == tenant, audio_objects.c.session == session)
                )
                objects = int(left.scalar_one())
        if self._cache is not None:
            self._cache.forget()
        if objects and self.shipper is None:
            raise StorageFailed(
                "A part of the session's audio is in object storage. Name it in the settings "
                "(objects) to delete the session."
            )
        if objects and self.shipper is not None:
            await self.shipper.forget((tenant, session))

    async def size_bytes(self, tenant: str, session: str) -> int:
        """Space the session's audio takes in the database and in objects."""
        blocks = select(func.coalesce(func.sum(func.length(audio_blocks.c.body)), 0)).where(
            audio_blocks.c.tenant == tenant, audio_blocks.c.session == session
        )
        objects = select(func.coalesce(func.sum(audio_objects.c.size_bytes), 0)).where(
            audio_objects.c.tenant == tenant,
            audio_objects.c.session == session,
            audio_objects.c.state == "stored",
        )
        with translated():
            async with self._engine.connect() as plain:
                connection = await plain.execution_options(isolation_level="REPEATABLE READ")
                found: list[int] = [
                    int((await connection.execute(query)).scalar_one())
                    for query in (blocks, objects)
                ]
        return sum(found)

    async def close(self) -> None:
        """Store what waits and let go of everything."""
        self._closed = True
        await self.writer.close()
        if self._shipping is not None:
            self._shipping.cancel()
            await asyncio.gather(self._shipping, return_exceptions=True)
        if self.shipper is not None:
            await self.shipper.close()
        self._open.clear()
        await self._engine.dispose()
        if self._objects is not None:
            await asyncio.to_thread(self._objects.close)

    # --- reading, in threads ------------------------------------------------------------------

    def find(self, key: Key, at: int, end: int) -> Found:
        """Find what is stored at byte `at` (blocking; not on the event loop)."""
        return self._ask(lambda: find_audio(self._engine, key, at, end))

    def pieces(self, key: Key, found: Found, cipher: AudioCipher) -> Sequence[Piece]:
        """Return the true audio of what was found (blocking)."""
        try:
            return self._pieces(key, found, cipher)
        except OSError as error:
            raise disk_failure(error) from error

    def _pieces(self, key: Key, found: Found, cipher: AudioCipher) -> Sequence[Piece]:
        if found.name is None:
            pieces = list(opened(found.blocks, cipher, key))
            if len(pieces) < len(found.blocks):
                _log.error("sealed blocks of audio are damaged", extra={"session": key[1]})
            return pieces
        if self._cache is None:
            raise StorageUnavailable(
                "A part of the session's audio is in object storage. Name it in the settings."
            )
        return self._cache.pieces(key, found.name, cipher)

    def _ask(self, query: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `query` on the journal's event loop, from another thread."""
        running: asyncio.AbstractEventLoop | None = None
        with suppress(RuntimeError):
            running = asyncio.get_running_loop()
        if running is self._loop:
            raise RuntimeError("audio is read in threads, not on the event loop")
        if self._loop.is_closed():
            raise StorageUnavailable("The server is stopping; reconnect in a moment.")
        answer = asyncio.run_coroutine_threadsafe(query(), self._loop)
        try:
            return answer.result(_READ_TIMEOUT_S)
        except TimeoutError as error:
            answer.cancel()
            raise StorageUnavailable("The database does not answer in time.") from error
