"""Audio that all servers share, read back: blocks in the database, older ones in objects."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from greffier_server.storage.block_writer import block_checksum
from greffier_server.storage.cipher import AudioCipher
from greffier_server.storage.objects import ObjectMissing, ObjectStore
from greffier_server.storage.rows import Key
from greffier_server.storage.shared_blocks import Piece, StoredBlock, stored_block
from greffier_server.storage.shared_objects import decode_object
from greffier_server.storage.sql_errors import translated
from greffier_server.storage.tables import audio_blocks, audio_objects

__all__ = ["Found", "ObjectCache", "find_audio"]

_log = logging.getLogger(__name__)

_BLOCKS_AT_ONCE = 64
_OPEN_S = 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """What is stored at an offset: an object by name, or blocks."""

    from_byte: int
    to_byte: int
    """All between is in what was found, or lost."""
    name: str | None = None
    blocks: Sequence[StoredBlock] = ()
    """With true checksums."""


async def find_audio(engine: AsyncEngine, key: Key, at: int, end: int) -> Found:
    """Find what is stored at byte `at`, in one look: a block may be moving into an object."""
    tenant, session = key
    objects = (
        select(audio_objects.c.name, audio_objects.c.from_byte, audio_objects.c.to_byte)
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
            audio_blocks.c.key,
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
                return Found(int(found.from_byte), int(found.to_byte), name=str(found.name))
            rows = (await connection.execute(blocks)).mappings().all()
    if not rows:
        return Found(at, end)
    true = [
        stored_block(row)
        for row in rows
        if block_checksum(tenant, session, int(row["from_byte"]), row["body"]) == row["checksum"]
    ]
    if len(true) < len(rows):
        _log.error("blocks of audio are damaged in the database", extra={"session": session})
    begin = min(at, int(rows[0]["from_byte"]))
    return Found(begin, int(rows[-1]["to_byte"]), blocks=true)


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
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._opened: dict[str, tuple[float, Sequence[Piece]]] = {}

    def pieces(self, key: Key, name: str, cipher: AudioCipher) -> Sequence[Piece]:
        """Return the true audio of an object in order (blocking).

        Objects are kept as they are stored; what is opened of them for a second at most, since
        its key may be destroyed meanwhile.

        Raises:
            EncryptionKeyMissing, EncryptionKeyWrong: it cannot be opened at all.
            StorageFailed, OSError: the storage does not answer, or the keys cannot be read.
        """
        with self._lock:
            opened_s, known = self._opened.get(name, (float("-inf"), ()))
        if time.monotonic() - opened_s < _OPEN_S:
            return known
        pieces, bad = decode_object(self._content(key, name), key, cipher)
        if bad:
            _log.error("an object with audio is damaged", extra={"session": key[1]})
        now_s = time.monotonic()
        with self._lock:
            fresh = [each for each in self._opened.items() if now_s - each[1][0] < _OPEN_S]
            self._opened = dict(fresh[-self._size + 1 :]) | {name: (now_s, pieces)}
        return pieces

    def _content(self, key: Key, name: str) -> bytes:
        with self._lock:
            known = self._kept.get(name)
            if known is not None:
                self._kept.move_to_end(name)
                return known
        content = self._read(key, name)
        with self._lock:
            self._kept[name] = content
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return content

    def forget(self) -> None:
        """Drop everything: something was deleted."""
        with self._lock:
            self._kept.clear()
            self._opened.clear()

    def _read(self, key: Key, name: str) -> bytes:
        try:
            return self._objects.get(name)
        except ObjectMissing:
            _log.error("an object with audio is missing", extra={"session": key[1]})
            return b""
