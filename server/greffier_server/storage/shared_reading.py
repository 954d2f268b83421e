"""Audio that all servers share, read back: blocks in the database, older ones in objects."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from greffier_server.storage.block_writer import block_checksum
from greffier_server.storage.objects import ObjectMissing, ObjectStore
from greffier_server.storage.rows import Key
from greffier_server.storage.segments import scan
from greffier_server.storage.sql_errors import translated
from greffier_server.storage.tables import audio_blocks, audio_objects

__all__ = ["Found", "ObjectCache", "Piece", "find_audio"]

_log = logging.getLogger(__name__)

_BLOCKS_AT_ONCE = 64

Piece = tuple[int, bytes]
"""Offset in the session's audio, and true bytes."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is stored at an offset: an object by name, or blocks."""

    to_byte: int
    """All before it is in what was found, or lost."""
    name: str | None = None
    blocks: Sequence[Piece] = ()


async def find_audio(engine: AsyncEngine, key: Key, at: int, end: int) -> Found:
    """Find what is stored at byte `at`, in one look: a block may be moving into an object."""
    tenant, session = key
    objects = (
        select(audio_objects.c.name, audio_objects.c.to_byte)
        .where(
            audio_objects.c.tenant == tenant,
            audio_objects.c.session == session,
            audio_objects.c.state == "stored",
            audio_objects.c.from_byte <= at,
            audio_objects.c.to_byte > at,
        )
        .limit(1)
    )
    blocks = (
        select(
            audio_blocks.c.from_byte,
            audio_blocks.c.to_byte,
            audio_blocks.c.checksum,
            audio_blocks.c.body,
        )
        .where(
            audio_blocks.c.tenant == tenant,
            audio_blocks.c.session == session,
            audio_blocks.c.to_byte > at,
            audio_blocks.c.from_byte < end,
        )
        .order_by(audio_blocks.c.from_byte)
        .limit(_BLOCKS_AT_ONCE)
    )
    with translated():
        async with engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="REPEATABLE READ")
            found = (await connection.execute(objects)).first()
            if found is not None:
                return Found(int(found.to_byte), name=str(found.name))
            rows = (await connection.execute(blocks)).all()
    if not rows:
        return Found(end)
    true = [
        (int(row.from_byte), bytes(row.body))
        for row in rows
        if block_checksum(tenant, session, int(row.from_byte), row.body) == row.checksum
        and len(row.body) == row.to_byte - row.from_byte
    ]
    if len(true) < len(rows):
        _log.error("blocks of audio are damaged in the database", extra={"session": session})
    return Found(int(rows[-1].to_byte), blocks=true)


class ObjectCache:
    """The last few objects read, for readers that ask for a little at a time. Thread-safe.

    Args:
        objects: where they are.
        size: how many are kept, of about 8 MiB each.
    """

    def __init__(self, objects: ObjectStore, *, size: int = 4) -> None:
        self._objects = objects
        self._size = size
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Sequence[Piece]] = OrderedDict()

    def pieces(self, key: Key, name: str) -> Sequence[Piece]:
        """Return the true blocks of an object in order (blocking).

        Raises:
            StorageUnavailable: the storage does not answer.
        """
        with self._lock:
            known = self._kept.get(name)
            if known is not None:
                self._kept.move_to_end(name)
                return known
        pieces = self._read(key, name)
        with self._lock:
            self._kept[name] = pieces
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return pieces

    def forget(self) -> None:
        """Drop everything: something was deleted."""
        with self._lock:
            self._kept.clear()

    def _read(self, key: Key, name: str) -> Sequence[Piece]:
        tenant, session = key
        try:
            content = self._objects.get(name)
        except ObjectMissing:
            _log.error("an object with audio is missing", extra={"session": session})
            return ()
        segment = scan(content, tenant=tenant, session=session, number=0)
        if segment.bad_bytes:
            _log.error("an object with audio is damaged", extra={"session": session})
        view = memoryview(content)
        return [
            (block.offset, bytes(view[block.audio_at : block.end_at])) for block in segment.blocks
        ]
