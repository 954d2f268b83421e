"""A stretch of shared audio as one object: a journal segment, packed and sealed as on a disk."""

import logging
from collections.abc import Sequence

from greffier_server.storage.cipher import AudioCipher
from greffier_server.storage.contents import SegmentReader
from greffier_server.storage.failures import EncryptionKeyMissing
from greffier_server.storage.packed import Span, joined, packed, runs_of
from greffier_server.storage.rows import Key
from greffier_server.storage.segments import (
    ENCRYPTED,
    encode_block,
    encode_coded_block,
    encode_coded_header,
    encode_header,
    salt_of,
)
from greffier_server.storage.shared_blocks import (
    NUMBER,
    Piece,
    StoredBlock,
    block_at,
    opened,
    sealed_block,
)

__all__ = ["decode_object", "encode_object"]

_log = logging.getLogger(__name__)


def encode_object(
    owner: Key, blocks: Sequence[StoredBlock], cipher: AudioCipher, *, span: Span, compress: bool
) -> bytes:
    """Return the object that holds `blocks`, which are all under one key or all in the clear.

    Audio whose key was destroyed is moved as it is: it can be deleted with the rest.

    Args:
        owner: tenant and session.
        blocks: adjacent, with true checksums.
        cipher: of the session.
        span: the whole stretch, with what is damaged of it.
        compress: code the audio in the way that saves most; damage costs 64 KiB then.

    Raises:
        EncryptionKeyWrong, StorageFailed, OSError: the keys cannot be read.
    """
    if compress:
        try:
            runs = list(joined(opened(blocks, cipher, owner)))
            content = packed(runs, span, cipher, cipher.current())
            if list(runs_of(content, span, SegmentReader(*owner, cipher))) == runs:
                return content
            _log.error("shared audio: a packed object does not hold what it was made of")
        except EncryptionKeyMissing:
            _log.warning("shared audio without its key moves as it is", extra={"session": owner[1]})
    return _as_it_is(owner, blocks, cipher, span=span)


def decode_object(content: bytes, owner: Key, cipher: AudioCipher) -> tuple[list[Piece], int]:
    """Return the true audio of an object in order, and how many bytes of the object are damaged.

    Raises:
        EncryptionKeyMissing, EncryptionKeyWrong: it cannot be opened at all.
        StorageFailed, OSError: the keys cannot be read.
    """
    reader = SegmentReader(*owner, cipher)
    segment = reader.scan(NUMBER, content)
    pieces: list[Piece] = []
    bad = segment.bad_bytes
    for block in segment.blocks:
        audio = reader.audio(content, block, segment, NUMBER)
        if audio is None:
            bad += block.stored
        else:
            pieces.append((block.offset, audio))
    return pieces, bad


def _as_it_is(
    owner: Key, blocks: Sequence[StoredBlock], cipher: AudioCipher, *, span: Span
) -> bytes:
    """Block by block; what lies in the clear is sealed where there is a key."""
    salt = salt_of(*owner, NUMBER)
    key_id = blocks[0].key_id if blocks else None
    key = cipher.current() if key_id is None else None
    if key_id is None and key is None:
        parts = [encode_header(*owner, span.first_byte)]
        parts.extend(
            encode_block(each.body, offset=each.from_byte, synced=each.from_byte, salt=salt)
            for each in blocks
        )
        return b"".join(parts)
    parts = [
        encode_coded_header(
            *owner,
            span.first_byte,
            flags=ENCRYPTED,
            end_byte=span.end_byte,
            key_id=key.id if key is not None else key_id or b"",
        )
    ]
    for each in blocks:
        body = each.body
        if key is not None:
            body = sealed_block(cipher, key, body, owner, from_byte=each.from_byte)
        fields = block_at(each.from_byte, each.to_byte - each.from_byte, encrypted=True)
        parts.append(encode_coded_block(body, fields, salt=salt))
    return b"".join(parts)
