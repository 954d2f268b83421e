r"""The bytes of a journal segment: a header, then checksummed blocks of audio.

``000001.gja`` is a segment as it was recorded, ``000001.gjc`` a closed one after it was packed. All
numbers are little-endian; the tables are in ``docs/reference/storage.md``.

* Header of version 1 (plain): magic ``GJA\x1a``, u16 version, u16 flags (0), u64 offset of the
  segment's first byte in the session's audio, u16 and u16 lengths of tenant and session, both
  names, u32 CRC-32 of all before. Version 2 (encrypted, packed or both) has before its checksum u64
  offset behind the segment's last byte (0 in one that grows) and 8 bytes, the id of the key.
* Plain block: marker ``GJB\x1a``, u32 length, u32 CRC-32, u64 offset of the block's first byte in
  the session's audio, u64 count of the session's bytes known to be synced when the block was
  written, then `length` bytes of audio.
* Coded block: marker ``GJX\x1a``, u32 length of what is stored, u32 CRC-32, u64 offset, u64 synced
  count, u32 length of the audio, u8 codec, u8 flags (1 = encrypted), u16 0, then what is stored.
* The checksum covers all but marker and itself, and starts from a salt made of tenant, session and
  segment number, so that a block in the wrong file is no block. It is over what lies on the disk:
  no key is needed to find damage.
* A block without audio seals the session: nothing comes after it.

The synced count tells two kinds of bad bytes apart: those that a later block attests were on disk
(damage, reported), and those that nobody was ever told were kept (a torn end, cut off).
"""

import re
import struct
import zlib
from dataclasses import dataclass

__all__ = [
    "COMPACT",
    "ENCRYPTED",
    "MAX_BLOCK",
    "MAX_STORED",
    "NO_KEY",
    "SEALED",
    "Block",
    "Header",
    "Segment",
    "associated",
    "encode_block",
    "encode_coded_block",
    "encode_coded_header",
    "encode_header",
    "longest_header",
    "salt_of",
    "scan",
]

MAX_BLOCK = 65_536
"""Most bytes of audio in one block; longer appends take several."""
MAX_STORED = MAX_BLOCK + 64
"""Most bytes a coded block stores: encryption adds a nonce and a tag."""

ENCRYPTED, COMPACT, SEALED = 1, 2, 4
"""Flags of a header; a block has `ENCRYPTED` alone."""
NO_KEY = bytes(8)
"""Id of the key of a segment that has none."""

_MAGIC = b"GJA\x1a"
_MARKER = b"GJB\x1a"
_CODED_MARKER = b"GJX\x1a"
_MARKERS = re.compile(rb"GJ[BX]\x1a")
_MARKER_BYTES = 4
_HEADER = struct.Struct("<4sHHQHH")
_HEADER_END = struct.Struct("<Q8s")
_CHECKED = struct.Struct("<IQQ")
_BLOCK = struct.Struct("<4sIIQQ")
_CODED_CHECKED = struct.Struct("<IQQIBBH")
_CODED_BLOCK = struct.Struct("<4sIIQQIBBH")
_CRC = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Header:
    """What a true header says."""

    first_byte: int
    """Offset of the segment's first byte in the session's audio."""
    size: int
    """Of the header itself."""
    flags: int = 0
    end_byte: int = 0
    """Offset behind the last byte; 0 = the segment grows."""
    key_id: bytes = NO_KEY

    @property
    def encrypted(self) -> bool:
        """Its blocks are."""
        return bool(self.flags & ENCRYPTED)


@dataclass(frozen=True, slots=True)
class Block:
    """A whole block with a true checksum."""

    offset: int
    """Of its first byte in the session's audio."""
    length: int
    """Bytes of audio in it."""
    synced: int
    """Bytes of the session known to be on disk when it was written."""
    audio_at: int
    """Where its content begins in the segment."""
    stored: int
    """Bytes of its content; its audio itself where it is neither coded nor encrypted."""
    codec: int = 0
    encrypted: bool = False

    @property
    def end(self) -> int:
        """Offset behind its last byte in the session's audio."""
        return self.offset + self.length

    @property
    def end_at(self) -> int:
        """Where the block ends in the segment."""
        return self.audio_at + self.stored

    @property
    def seals(self) -> bool:
        """It is the mark of a complete session."""
        return self.length == 0


@dataclass(frozen=True, slots=True)
class Segment:
    """What can be read of a segment."""

    header: Header | None
    """None when it is damaged."""
    blocks: tuple[Block, ...]
    bad_bytes: int
    """Bytes that belong to neither a true header nor a true block."""
    size: int

    @property
    def first_byte(self) -> int | None:
        """From the header; None when the header is damaged."""
        return None if self.header is None else self.header.first_byte

    @property
    def encrypted(self) -> bool:
        """A key is needed to read it."""
        return (self.header is not None and self.header.encrypted) or any(
            block.encrypted for block in self.blocks
        )


def salt_of(tenant: str, session: str, number: int) -> int:
    """Return the start value of the checksums of a segment."""
    return zlib.crc32(f"{tenant}/{session}/{number}".encode())


def encode_header(tenant: str, session: str, first_byte: int) -> bytes:
    """Return the header of a plain segment whose audio begins at `first_byte`."""
    fields = _names(tenant, session, first_byte, version=1, flags=0)
    return fields + _CRC.pack(zlib.crc32(fields))


def encode_coded_header(
    tenant: str,
    session: str,
    first_byte: int,
    *,
    flags: int,
    end_byte: int = 0,
    key_id: bytes = NO_KEY,
) -> bytes:
    """Return the header of an encrypted or packed segment."""
    fields = _names(tenant, session, first_byte, version=2, flags=flags)
    fields += _HEADER_END.pack(end_byte, key_id)
    return fields + _CRC.pack(zlib.crc32(fields))


def longest_header(tenant: str, session: str) -> int:
    """Return how long a header of this session is at most."""
    return len(encode_coded_header(tenant, session, 0, flags=0))


def encode_block(audio: bytes | memoryview, *, offset: int, synced: int, salt: int) -> bytes:
    """Return a plain block; without audio it is the seal."""
    checked = zlib.crc32(audio, zlib.crc32(_CHECKED.pack(len(audio), offset, synced), salt))
    return _BLOCK.pack(_MARKER, len(audio), checked, offset, synced) + audio


def encode_coded_block(stored: bytes, block: Block, *, salt: int) -> bytes:
    """Return a coded block: `stored` under the fields of `block` (which says not where it lies)."""
    fields = (block.offset, block.synced, block.length, block.codec, int(block.encrypted), 0)
    checked = zlib.crc32(stored, zlib.crc32(_CODED_CHECKED.pack(len(stored), *fields), salt))
    return _CODED_BLOCK.pack(_CODED_MARKER, len(stored), checked, *fields) + stored


def associated(block: Block, *, tenant: str, session: str, number: int) -> bytes:
    """Return what encryption binds a block's content to: its place and its fields."""
    fields = _CODED_CHECKED.pack(0, block.offset, block.synced, block.length, block.codec, 1, 0)
    return f"{tenant}/{session}/{number}".encode() + b"\0" + fields


def scan(content: bytes, *, tenant: str, session: str, number: int) -> Segment:
    """Find every true block; after bad bytes, go on at the next true one. Never raises."""
    salt = salt_of(tenant, session, number)
    header = _header(content, tenant, session)
    good = at = 0 if header is None else header.size
    view = memoryview(content)
    blocks: list[Block] = []
    while at >= 0:
        block = _block(view, at, salt)
        if block is not None:
            blocks.append(block)
            good += block.end_at - at
            at = block.end_at
            marked = content[at : at + _MARKER_BYTES] in (_MARKER, _CODED_MARKER)
            at = at if marked else _next_marker(content, at)
        else:
            at = _next_marker(content, at + 1)
    return Segment(header, tuple(blocks), len(content) - good, len(content))


def _names(tenant: str, session: str, first_byte: int, *, version: int, flags: int) -> bytes:
    owner, name = tenant.encode(), session.encode()
    fields = _HEADER.pack(_MAGIC, version, flags, first_byte, len(owner), len(name))
    return fields + owner + name


def _header(content: bytes, tenant: str, session: str) -> Header | None:
    plain, coded = len(encode_header(tenant, session, 0)), longest_header(tenant, session)
    if len(content) < plain:
        return None
    _, version, flags, first_byte, *_ = _HEADER.unpack_from(content)
    if content[:plain] == encode_header(tenant, session, first_byte):
        return Header(first_byte, plain)
    if version != 2 or len(content) < coded:
        return None
    end_byte, key_id = _HEADER_END.unpack_from(content, coded - _CRC.size - _HEADER_END.size)
    expected = encode_coded_header(
        tenant, session, first_byte, flags=flags, end_byte=end_byte, key_id=key_id
    )
    if content[:coded] != expected:
        return None
    return Header(first_byte, coded, flags, end_byte, key_id)


def _next_marker(content: bytes, at: int) -> int:
    found = _MARKERS.search(content, at)
    return -1 if found is None else found.start()


def _block(view: memoryview, at: int, salt: int) -> Block | None:
    if at + _BLOCK.size > len(view):
        return None
    marker, length, checksum, offset, synced = _BLOCK.unpack_from(view, at)
    if marker == _CODED_MARKER:
        return _coded_block(view, at, salt)
    audio_at = at + _BLOCK.size
    if marker != _MARKER or length > MAX_BLOCK or audio_at + length > len(view):
        return None
    fields = zlib.crc32(_CHECKED.pack(length, offset, synced), salt)
    if zlib.crc32(view[audio_at : audio_at + length], fields) != checksum:
        return None
    return Block(offset=offset, length=length, synced=synced, audio_at=audio_at, stored=length)


def _coded_block(view: memoryview, at: int, salt: int) -> Block | None:
    audio_at = at + _CODED_BLOCK.size
    if audio_at > len(view):
        return None
    _, stored, checksum, *fields = _CODED_BLOCK.unpack_from(view, at)
    offset, synced, length, codec, flags, _ = fields
    if stored > MAX_STORED or length > MAX_BLOCK or audio_at + stored > len(view):
        return None
    checked = zlib.crc32(_CODED_CHECKED.pack(stored, *fields), salt)
    if zlib.crc32(view[audio_at : audio_at + stored], checked) != checksum:
        return None
    return Block(
        offset=offset,
        length=length,
        synced=synced,
        audio_at=audio_at,
        stored=stored,
        codec=codec,
        encrypted=bool(flags & ENCRYPTED),
    )
