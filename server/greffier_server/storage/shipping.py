"""Moves closed stretches of audio from the database to object storage.

In this order, so that a crash between any two steps leaves one copy that counts:

1. the object's name is noted in the database (``writing``), so that no object is ever unknown;
2. the object is written, read back and compared;
3. one transaction declares it ``stored`` and deletes the blocks it holds.

Until 3 the blocks count and the object is nothing; from then on the object counts and the blocks
are gone. Names noted by a server that died are swept up, and their objects deleted.
"""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable, Sequence

from sqlalchemy import RowMapping, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from greffier_server.errors import ServerError
from greffier_server.storage.block_writer import block_checksum
from greffier_server.storage.cipher import AudioCipher
from greffier_server.storage.failures import StorageUnavailable, disk_failure
from greffier_server.storage.keys import KeyRing
from greffier_server.storage.leases import NOW_MS
from greffier_server.storage.low_priority import patient_thread
from greffier_server.storage.objects import ObjectMissing, ObjectStore
from greffier_server.storage.packed import Span
from greffier_server.storage.rows import Key
from greffier_server.storage.shared_blocks import NUMBER, StoredBlock, stored_block
from greffier_server.storage.shared_objects import encode_object
from greffier_server.storage.sql_errors import translated
from greffier_server.storage.tables import audio_blocks, audio_objects, audio_recordings

__all__ = ["SHIPPED", "Shipper"]

_log = logging.getLogger(__name__)

SHIPPED = 2
"""`audio_recordings.sealed` of a recording that is complete and wholly in objects."""
_ABANDONED_MS = 600_000
"""Longer than any upload lasts: what was noted and not stored by then never will be."""
_PAGE = 50

_Stretch = tuple[Key, int, int]
"""Session, first byte, byte behind the last one."""


class Shipper:
    """Ships what it is told of (`due`), and what sealed recordings have left behind.

    Args:
        engine: of the database.
        objects: where closed stretches go.
        prefix: of every object's name.
        segment_bytes: audio in one object.
        retry_s: between two looks at what could not be shipped.
        keys: of tenants; None = what lies in the clear stays so.
        compress: code the audio in the way that saves most.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        objects: ObjectStore,
        *,
        prefix: str = "",
        segment_bytes: int = 8 * 1024 * 1024,
        retry_s: float = 10.0,
        keys: KeyRing | None = None,
        compress: bool = False,
    ) -> None:
        self._engine = engine
        self._objects = objects
        self._prefix = prefix
        self._segment_bytes = segment_bytes
        self._retry_s = retry_s
        self._due: dict[Key, Callable[[], int]] = {}
        self._noted: dict[_Stretch, str] = {}
        self._woken = asyncio.Event()
        self._keys = keys
        self._compress = compress
        self._encoding = patient_thread("audio-objects")

    @property
    def segment_bytes(self) -> int:
        """Audio in one object."""
        return self._segment_bytes

    def due(self, key: Key, certain: Callable[[], int]) -> None:
        """A live session has a segment's worth of audio.

        Args:
            key: tenant and session.
            certain: tells up to which byte its audio is there for good.
        """
        self._due[key] = certain
        self._woken.set()

    async def close(self) -> None:
        """End the thread that makes objects; `run` has ended."""
        await asyncio.to_thread(self._encoding.shutdown)

    def wake(self) -> None:
        """A recording was sealed."""
        self._woken.set()

    async def run(self) -> None:
        """Ship until cancelled; what fails is tried again."""
        while True:
            self._woken.clear()
            try:
                await self.run_once()
            except ServerError as error:
                _log.warning("audio stays in the database for now: %s", error.message)
            try:
                async with asyncio.timeout(self._retry_s):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def run_once(self) -> None:
        """Ship what is due, then what sealed recordings have left; sweep.

        Raises:
            StorageFailed: some of it could not be done; the rest may be.
        """
        failed: ServerError | None = None
        for key, certain in list(self._due.items()):
            try:
                while await self._ship(key, up_to=certain()):
                    pass
            except ServerError as error:
                failed = error
            else:
                self._due.pop(key, None)
        for key in await self._left_behind():
            if isinstance(failed, StorageUnavailable):  # nobody can ship now
                break
            try:
                while await self._ship(key, up_to=None):
                    pass
                await self._mark_shipped(key)
            except ServerError as error:
                failed = error
        if failed is not None:
            raise failed
        await self.sweep()

    async def _ship(self, key: Key, *, up_to: int | None) -> bool:
        """Ship one stretch; False when there is none.

        Args:
            key: tenant and session.
            up_to: whole segments before this byte only; None = all there is.
        """
        blocks = await self._stretch(key, up_to)
        if not blocks:
            return False
        from_byte, to_byte = int(blocks[0]["from_byte"]), int(blocks[-1]["to_byte"])
        content = await self._encoded(key, blocks)
        digest = hashlib.sha256(content).hexdigest()
        which = (key, from_byte, to_byte)
        name = await self._note(which, size_bytes=len(content), digest=digest)
        await asyncio.to_thread(self._upload, name, content, digest)
        stored = await self._declare(key, name, blocks)
        self._noted.pop(which, None)
        if stored:
            return True
        await self._discard(name)  # deleted, or another server was faster
        return False

    async def _encoded(self, key: Key, rows: Sequence[RowMapping]) -> bytes:
        span = Span(*key, NUMBER, int(rows[0]["from_byte"]), int(rows[-1]["to_byte"]))
        cipher = AudioCipher(self._keys, tenant=key[0], session=key[1])

        def encode() -> bytes:
            return encode_object(
                key, _true_blocks(key, rows), cipher, span=span, compress=self._compress
            )

        try:
            return await asyncio.get_running_loop().run_in_executor(self._encoding, encode)
        except OSError as error:
            raise disk_failure(error) from error

    async def _note(self, which: _Stretch, *, size_bytes: int, digest: str) -> str:
        """Note an object before it exists, once however often its upload is tried; name it.

        A stretch that is sealed anew is another object, of the same audio, under the same name.
        """
        (tenant, session), from_byte, to_byte = which
        now = {"size_bytes": size_bytes, "digest": digest, "since_ms": NOW_MS}
        name = self._noted.get(which)
        with translated():
            async with self._engine.begin() as connection:
                if name is not None:
                    known = (audio_objects.c.name == name) & (audio_objects.c.state == "writing")
                    renewed = await connection.execute(
                        update(audio_objects).where(known).values(now)
                    )
                    if renewed.rowcount == 1:
                        return name
                path = f"{tenant}/{session}/{from_byte:015d}"
                name = f"{self._prefix}{path}-{secrets.token_hex(4)}.gja"
                row = {
                    "name": name,
                    "tenant": tenant,
                    "session": session,
                    "from_byte": from_byte,
                    "to_byte": to_byte,
                    "state": "writing",
                }
                await connection.execute(insert(audio_objects).values(row | now))
        self._noted[which] = name
        return name

    async def _stretch(self, key: Key, up_to: int | None) -> Sequence[RowMapping]:
        """Return the oldest adjacent blocks, a segment's worth of them."""
        query = (
            select(
                audio_blocks.c.from_byte,
                audio_blocks.c.to_byte,
                audio_blocks.c.checksum,
                audio_blocks.c.body,
                audio_blocks.c.key,
            )
            .where(audio_blocks.c.tenant == key[0], audio_blocks.c.session == key[1])
            .order_by(audio_blocks.c.from_byte)
        )
        if up_to is not None:
            query = query.where(audio_blocks.c.to_byte <= up_to)
        taken: list[RowMapping] = []
        size = 0
        with translated():
            async with self._engine.connect() as connection, connection.begin():
                stream = await connection.stream(query.execution_options(yield_per=_PAGE))
                async for row in stream.mappings():
                    if taken and _parted(taken[-1], row):
                        return taken
                    taken.append(row)
                    size += len(row["body"])
                    if size >= self._segment_bytes:
                        return taken
        return taken if up_to is None else ()

    def _upload(self, name: str, content: bytes, digest: str) -> None:
        self._objects.put(name, content)
        try:
            stored = self._objects.get(name)
        except ObjectMissing:
            stored = b""
        if hashlib.sha256(stored).hexdigest() != digest:
            raise StorageUnavailable("The object storage did not keep what it was given.")

    async def _declare(self, key: Key, name: str, blocks: Sequence[RowMapping]) -> bool:
        """Let the object count in place of its blocks, if both are as they were."""
        from_byte, to_byte = int(blocks[0]["from_byte"]), int(blocks[-1]["to_byte"])
        here = (
            (audio_blocks.c.tenant == key[0])
            & (audio_blocks.c.session == key[1])
            & audio_blocks.c.from_byte.between(from_byte, to_byte - 1)
        )
        recording = (audio_recordings.c.tenant == key[0]) & (audio_recordings.c.session == key[1])
        with translated():
            async with self._engine.begin() as connection:
                await connection.execute(
                    select(audio_recordings.c.sealed).where(recording).with_for_update()
                )
                counted = await connection.execute(
                    select(func.count(), func.sum(audio_blocks.c.checksum)).where(here)
                )
                now = tuple(counted.one())
                if now != (len(blocks), sum(int(block["checksum"]) for block in blocks)):
                    return False
                noted = (audio_objects.c.name == name) & (audio_objects.c.state == "writing")
                stored = await connection.execute(
                    update(audio_objects).where(noted).values(state="stored", since_ms=NOW_MS)
                )
                if stored.rowcount != 1:
                    return False
                await connection.execute(delete(audio_blocks).where(here))
        return True

    async def _discard(self, name: str) -> None:
        """Delete an object that does not count; from the first step on it never can."""
        noted = audio_objects.c.name == name
        with translated():
            async with self._engine.begin() as connection:
                state = (
                    await connection.execute(
                        select(audio_objects.c.state).where(noted).with_for_update()
                    )
                ).scalar_one_or_none()
                if state == "stored":
                    return
                await connection.execute(
                    update(audio_objects).where(noted).values(state="deleting")
                )
        await asyncio.to_thread(self._objects.delete, name)
        with translated():
            async with self._engine.begin() as connection:
                await connection.execute(delete(audio_objects).where(noted))

    async def _left_behind(self) -> Sequence[Key]:
        query = (
            select(audio_recordings.c.tenant, audio_recordings.c.session)
            .where(audio_recordings.c.sealed == 1)
            .limit(_PAGE)
        )
        with translated():
            async with self._engine.connect() as connection:
                return [(str(t), str(s)) for t, s in await connection.execute(query)]

    async def _mark_shipped(self, key: Key) -> None:
        left = (
            select(audio_blocks.c.from_byte)
            .where(audio_blocks.c.tenant == key[0], audio_blocks.c.session == key[1])
            .exists()
        )
        with translated():
            async with self._engine.begin() as connection:
                await connection.execute(
                    update(audio_recordings)
                    .where(
                        audio_recordings.c.tenant == key[0],
                        audio_recordings.c.session == key[1],
                        audio_recordings.c.sealed == 1,
                        ~left,
                    )
                    .values(sealed=SHIPPED)
                )

    async def forget(self, key: Key) -> None:
        """Delete the objects of a session whose rows are gone already.

        What another server uploads just now is deleted when its upload must have ended.

        Raises:
            StorageUnavailable: some are left; `sweep` deletes them.
        """
        self._due.pop(key, None)
        here = (audio_objects.c.tenant == key[0]) & (audio_objects.c.session == key[1])
        stored = here & (audio_objects.c.state == "stored")
        uploading = here & (audio_objects.c.state == "writing")
        going = select(audio_objects.c.name).where(here, audio_objects.c.state == "deleting")
        with translated():
            async with self._engine.begin() as connection:
                for those, state in ((stored, "deleting"), (uploading, "abandoned")):
                    await connection.execute(
                        update(audio_objects).where(those).values(state=state, since_ms=NOW_MS)
                    )
                names = [str(name) for (name,) in await connection.execute(going)]
        for name in names:
            await self._discard(name)

    async def sweep(self) -> int:
        """Delete objects that are to go, and those of uploads that never ended.

        Raises:
            StorageFailed: some are left; the next sweep goes on.
        """
        old = audio_objects.c.since_ms < NOW_MS - _ABANDONED_MS
        over = audio_objects.c.state.in_(["writing", "abandoned"]) & old
        going = select(audio_objects.c.name).where(audio_objects.c.state == "deleting")
        with translated():
            async with self._engine.begin() as connection:
                await connection.execute(update(audio_objects).where(over).values(state="deleting"))
                names = [str(name) for (name,) in await connection.execute(going.limit(_PAGE))]
        for name in names:
            await self._discard(name)
        return len(names)


def _parted(before: RowMapping, row: RowMapping) -> bool:
    """No object goes across a hole, or has two keys."""
    return bool(row["from_byte"] != before["to_byte"] or row["key"] != before["key"])


def _true_blocks(key: Key, rows: Sequence[RowMapping]) -> list[StoredBlock]:
    return [stored_block(row) for row in rows if _is_true(key, row)]


def _is_true(key: Key, row: RowMapping) -> bool:
    found = block_checksum(*key, int(row["from_byte"]), bytes(row["body"]))
    return found == int(row["checksum"])
