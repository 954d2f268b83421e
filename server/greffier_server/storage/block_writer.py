"""Group commit of audio: one transaction takes what all sessions have sent in the meantime.

Each transaction locks the rows of its sessions and compares their owners first, so that nothing is
written to a session that another server has taken.
"""

import asyncio
import logging
import zlib
from collections.abc import Callable, Sequence

from sqlalchemy import RowMapping, delete, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from greffier_server.errors import ServerError, SessionClosed, SessionNotFound, StorageFailed
from greffier_server.storage.cipher import AudioCipher
from greffier_server.storage.failures import StorageUnavailable, disk_failure, moved
from greffier_server.storage.leases import NOW_MS
from greffier_server.storage.rows import Key
from greffier_server.storage.segments import MAX_BLOCK, salt_of
from greffier_server.storage.shared_blocks import sealed_block
from greffier_server.storage.sql_errors import ConnectionLost, translated
from greffier_server.storage.tables import audio_blocks, audio_recordings, sessions

__all__ = ["BlockWriter", "Tail", "block_checksum", "locked_rows", "refusal", "truncate"]

_log = logging.getLogger(__name__)

_RETRY_S = 0.5
_LARGEST_BATCH = 16 * 1024 * 1024

_Row = dict[str, object]
_Refused = dict["Tail", ServerError]


def block_checksum(tenant: str, session: str, from_byte: int, body: bytes) -> int:
    """Return the checksum of a block as it is stored; in another place it would be another one."""
    return zlib.crc32(body, salt_of(tenant, session, from_byte))


class Tail:
    """The end of one session's audio, as this node goes on with it.

    Args:
        key: tenant and session.
        epoch: under which this node owns it; None = it may not write.
        durable: bytes that are stored.
        sealed: the session is complete.
        cipher: of the session; in the clear when absent.
    """

    def __init__(
        self,
        key: Key,
        *,
        epoch: int | None,
        durable: int,
        sealed: bool,
        cipher: AudioCipher | None = None,
    ) -> None:
        self.key = key
        self.cipher = cipher or AudioCipher(None, tenant=key[0], session=key[1])
        self.epoch = epoch
        self.durable = durable
        self.sealed = sealed
        self.uncertain = False
        """More than `durable` may be stored: nobody was told that it is, and it is cut off."""
        self.failures = 0
        self.error: ServerError = StorageFailed("The audio could not be kept.")

    def fail(self, error: ServerError) -> None:
        """Refuse what was queued before this was known: it would leave a hole."""
        self.failures += 1
        self.uncertain = True
        self.error = error


class _Append:
    """Audio of one caller, and where it waits."""

    __slots__ = ("audio", "failures", "stored", "tail")

    def __init__(self, tail: Tail, audio: bytes) -> None:
        self.tail = tail
        self.audio = audio
        self.failures = tail.failures
        self.stored: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def settle(self, error: ServerError | None) -> None:
        """Tell the caller, unless it was cancelled."""
        if self.stored.done():
            return
        if error is None:
            self.stored.set_result(self.tail.durable)
        else:
            self.stored.set_exception(error)


class BlockWriter:
    """Writes the audio of all sessions of this node.

    Args:
        engine: of the database.
        node: this server.
        gather_s: how long audio gathers for one transaction; part of the delay of an `ack`.
        patience_s: a database that is away is waited for so long; appends fail then.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        node: str,
        *,
        gather_s: float = 0.05,
        patience_s: float = 10.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._engine = engine
        self._node = node
        self._gather_s = gather_s
        self._patience_s = patience_s
        self._clock = clock or asyncio.get_running_loop().time
        self._queue: list[_Append] = []
        self._writing: asyncio.Task[None] | None = None
        self._closed = False

    async def append(self, tail: Tail, audio: bytes) -> int:
        """Store audio behind `tail`; return its durable end.

        Cancelling the wait does not take the audio back.

        Raises:
            ServerError: nothing of it is kept, nor of what was queued behind it.
        """
        if self._closed:
            raise StorageUnavailable("The server is stopping; reconnect in a moment.")
        entry = _Append(tail, audio)
        self._queue.append(entry)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="audio-writer")
        return await entry.stored

    async def settled(self) -> None:
        """Wait until all that is queued now is stored or refused."""
        while self._writing is not None:
            await asyncio.shield(self._writing)

    async def close(self) -> None:
        """Store what waits, then take nothing more."""
        self._closed = True
        await self.settled()

    async def _write_all(self) -> None:
        try:
            while self._queue:
                await asyncio.sleep(self._gather_s)
                await self._write(self._next_batch())
        except BaseException:  # the task itself is cancelled: nobody may wait for ever
            for entry in self._queue:
                entry.stored.cancel()
            self._queue.clear()
            raise
        finally:
            self._writing = None

    def _next_batch(self) -> list[_Append]:
        size = count = 0
        for entry in self._queue:
            size += len(entry.audio)
            if count and size > _LARGEST_BATCH:
                break
            count += 1
        batch, self._queue = self._queue[:count], self._queue[count:]
        return batch

    async def _write(self, batch: Sequence[_Append]) -> None:
        groups: dict[Tail, list[_Append]] = {}
        for entry in batch:
            if entry.failures != entry.tail.failures:
                entry.settle(entry.tail.error)
            else:
                groups.setdefault(entry.tail, []).append(entry)
        audio = {tail: b"".join(e.audio for e in entries) for tail, entries in groups.items()}
        if not audio:
            return
        try:
            rows, refused = await _encoded(audio)
            if rows:
                refused |= await self._store_patiently(rows)
        except Exception as failure:  # noqa: BLE001 - handed to the callers
            failed = failure if isinstance(failure, ServerError) else _defect(failure)
            refused = dict.fromkeys(audio, failed)
        except BaseException:
            for entry in batch:
                entry.stored.cancel()
            raise
        for tail, entries in groups.items():
            error = refused.get(tail)
            if error is None:
                tail.durable += len(audio[tail])
                tail.uncertain = False
            else:
                tail.fail(error)
            for entry in entries:
                entry.settle(error)

    async def _store_patiently(self, audio: dict[Tail, list[_Row]]) -> _Refused:
        over = self._clock() + self._patience_s
        while True:
            try:
                with translated():
                    async with self._engine.begin() as connection:
                        return await self._store(connection, audio)
            except ConnectionLost:
                for tail in audio:
                    tail.uncertain = True  # did it commit? it is written anew in any case
                if self._closed or self._clock() > over:
                    raise
                _log.warning("audio waits for the database")
                await asyncio.sleep(_RETRY_S)

    async def _store(self, connection: AsyncConnection, audio: dict[Tail, list[_Row]]) -> _Refused:
        """Store what may be stored; return why the rest may not."""
        rows = await locked_rows(connection, sorted(tail.key for tail in audio))
        refused: _Refused = {}
        added: list[_Row] = []
        for tail, blocks in audio.items():
            error = refusal(tail, rows.get(tail.key), self._node)
            if error is not None:
                refused[tail] = error
                continue
            if tail.uncertain:
                await truncate(connection, tail)
            added.extend(blocks)
        if added:
            await connection.execute(insert(audio_blocks).values(at_ms=NOW_MS), added)
        return refused


def refusal(tail: Tail, row: RowMapping | None, node: str) -> ServerError | None:
    """Return why nothing may be written behind `tail`, given its locked row."""
    if row is None:
        return SessionNotFound("The session does not exist, or is deleted.")
    if tail.epoch is None or row["owner"] != node or row["epoch"] != tail.epoch:
        return moved()
    if row["sealed"]:
        return SessionClosed("The recording is complete; no audio can be added to it.")
    return None


async def truncate(connection: AsyncConnection, tail: Tail) -> None:
    """Delete what may have been stored behind the durable end; nobody was told that it was."""
    await connection.execute(
        delete(audio_blocks).where(
            audio_blocks.c.tenant == tail.key[0],
            audio_blocks.c.session == tail.key[1],
            audio_blocks.c.from_byte >= tail.durable,
        )
    )


async def locked_rows(connection: AsyncConnection, keys: Sequence[Key]) -> dict[Key, RowMapping]:
    """Lock the sessions against other owners and deletion, in the order all others lock in."""
    query = (
        select(
            sessions.c.tenant,
            sessions.c.session,
            sessions.c.owner,
            sessions.c.epoch,
            audio_recordings.c.sealed,
        )
        .join_from(
            sessions,
            audio_recordings,
            (sessions.c.tenant == audio_recordings.c.tenant)
            & (sessions.c.session == audio_recordings.c.session),
        )
        .where(tuple_(sessions.c.tenant, sessions.c.session).in_(keys))
        .order_by(sessions.c.tenant, sessions.c.session)
        .with_for_update(read=True)
    )
    found = (await connection.execute(query)).mappings()
    return {(str(row["tenant"]), str(row["session"])): row for row in found}


async def _encoded(audio: dict[Tail, bytes]) -> tuple[dict[Tail, list[_Row]], _Refused]:
    """Return the rows of each tail's audio, sealed where there are keys, and what cannot be."""
    if any(tail.cipher.wanted for tail in audio):
        return await asyncio.to_thread(_rows, audio)  # keys are read, and 16 MiB take a while
    return _rows(audio)


def _rows(audio: dict[Tail, bytes]) -> tuple[dict[Tail, list[_Row]], _Refused]:
    rows: dict[Tail, list[_Row]] = {}
    refused: _Refused = {}
    for tail, octets in audio.items():
        try:
            rows[tail] = _blocks(tail, octets)
        except ServerError as error:
            refused[tail] = error
        except OSError as error:
            refused[tail] = disk_failure(error)
    return rows, refused


def _blocks(tail: Tail, audio: bytes) -> list[_Row]:
    tenant, session = tail.key
    key = tail.cipher.current()
    rows: list[_Row] = []
    for at in range(0, len(audio), MAX_BLOCK):
        body = audio[at : at + MAX_BLOCK]
        from_byte, to_byte = tail.durable + at, tail.durable + at + len(body)
        if key is not None:
            body = sealed_block(tail.cipher, key, body, tail.key, from_byte=from_byte)
        rows.append(
            {
                "tenant": tenant,
                "session": session,
                "from_byte": from_byte,
                "to_byte": to_byte,
                "checksum": block_checksum(tenant, session, from_byte, body),
                "body": body,
                "key": None if key is None else key.id.hex(),
            }
        )
    return rows


def _defect(error: Exception) -> StorageFailed:
    _log.error("the audio writer met a defect: %s", type(error).__name__)
    return StorageFailed("The audio could not be kept. Report this error.")
