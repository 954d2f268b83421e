"""Blocks of shared audio, sealed and opened: one form in the database and in objects.

A sealed block is bound to its session and place as one of segment 0 is, so that it can move from
the database into an object as it is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping

from greffier_server.storage import codecs
from greffier_server.storage.cipher import AudioCipher, Undecipherable
from greffier_server.storage.rows import Key
from greffier_server.storage.segments import Block, associated
from greffier_server.storage.tenant_keys import TenantKey

__all__ = [
    "NUMBER",
    "Piece",
    "StoredBlock",
    "block_at",
    "opened",
    "sealed_block",
    "stored_block",
]

NUMBER = 0
"""Of the segment that all shared audio is bound to."""

Piece = tuple[int, bytes]
"""Offset in the session's audio, and true bytes."""


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A block as the database holds it."""

    from_byte: int
    to_byte: int
    body: bytes
    key_id: bytes | None
    """None: in the clear."""


def stored_block(row: RowMapping) -> StoredBlock:
    """Return the block of a row with its columns ``from_byte``, ``to_byte``, ``body``, ``key``."""
    key = row["key"]
    return StoredBlock(
        int(row["from_byte"]),
        int(row["to_byte"]),
        bytes(row["body"]),
        None if key is None else bytes.fromhex(str(key)),
    )


def block_at(from_byte: int, length: int, *, encrypted: bool) -> Block:
    """Return the fields of a block of the database."""
    return Block(
        offset=from_byte,
        length=length,
        synced=from_byte,
        audio_at=0,
        stored=0,
        codec=codecs.RAW,
        encrypted=encrypted,
    )


def sealed_block(
    cipher: AudioCipher, key: TenantKey, audio: bytes, owner: Key, *, from_byte: int
) -> bytes:
    """Return a block's body under `key`."""
    return cipher.seal(key, audio, _bound_to(owner, from_byte, len(audio)))


def opened(blocks: Sequence[StoredBlock], cipher: AudioCipher, owner: Key) -> Iterator[Piece]:
    """Yield the audio of blocks; those that are not what was stored there are left out.

    Raises:
        EncryptionKeyMissing, EncryptionKeyWrong: it cannot be opened at all.
        StorageFailed, OSError: the keys cannot be read.
    """
    for block in blocks:
        length = block.to_byte - block.from_byte
        audio = block.body
        if block.key_id is not None:
            bound_to = _bound_to(owner, block.from_byte, length)
            try:
                audio = cipher.open(cipher.candidates(block.key_id), audio, bound_to)
            except Undecipherable:
                continue
        if len(audio) == length:
            yield block.from_byte, audio


def _bound_to(owner: Key, from_byte: int, length: int) -> bytes:
    block = block_at(from_byte, length, encrypted=True)
    return associated(block, tenant=owner[0], session=owner[1], number=NUMBER)
