r"""The bytes of a journal segment (``000001.gja``): a header, then checksummed blocks of audio.

All numbers are little-endian.

* Header: magic ``GJA\x1a``, u16 version (1), u16 flags (0), u64 offset of the segment's first
  byte in the session's audio, u16 and u16 lengths of tenant and session, both names, u32 CRC-32 of
  all before.
* Block: marker ``GJB\x1a``, u32 length, u32 CRC-32, u64 offset of the block's first byte in the
  session's audio, u64 count of the session's bytes known to be synced when the block was written,
  then `length` bytes of audio. The checksum covers all but marker and itself, and starts from a
  salt made of tenant, session and segment number, so that a block in the wrong file is no block.
* A block of length 0 seals the session: nothing comes after it.

The synced count tells two kinds of bad bytes apart: those that a later block attests were on disk
(damage, reported), and those that nobody was ever told were kept (a torn end, cut off).
"""

import struct
import zlib
from dataclasses import dataclass

__all__ = [
    "MAX_BLOCK",
    "Block",
    "Segment",
    "encode_block",
    "encode_header",
    "salt_of",
    "scan",
]

MAX_BLOCK = 65_536
"""Most bytes of audio in one block; longer appends take several."""

_MAGIC = b"GJA\x1a"
_MARKER = b"GJB\x1a"
_VERSION = 1
_HEADER = struct.Struct("<4sHHQHH")
_CHECKED = struct.Struct("<IQQ")
_BLOCK = struct.Struct("<4sIIQQ")
_CRC = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Block:
    """A whole block with a true checksum."""

    offset: int
    """Of its first byte in the session's audio."""
    length: int
    synced: int
    """Bytes of the session known to be on disk when it was written."""
    audio_at: int
    """Where its audio begins in the segment."""

    @property
    def end(self) -> int:
        """Offset behind its last byte in the session's audio."""
        return self.offset + self.length

    @property
    def end_at(self) -> int:
        """Where the block ends in the segment."""
        return self.audio_at + self.length

    @property
    def seals(self) -> bool:
        """It is the mark of a complete session."""
        return self.length == 0


@dataclass(frozen=True, slots=True)
class Segment:
    """What can be read of a segment."""

    first_byte: int | None
    """From the header; None when the header is damaged."""
    blocks: tuple[Block, ...]
    bad_bytes: int
    """Bytes that belong to neither a true header nor a true block."""
    size: int


def salt_of(tenant: str, session: str, number: int) -> int:
    """Return the start value of the checksums of a segment."""
    return zlib.crc32(f"{tenant}/{session}/{number}".encode())


def encode_header(tenant: str, session: str, first_byte: int) -> bytes:
    """Return the header of a segment whose audio begins at `first_byte`."""
    owner, name = tenant.encode(), session.encode()
    fields = _HEADER.pack(_MAGIC, _VERSION, 0, first_byte, len(owner), len(name)) + owner + name
    return fields + _CRC.pack(zlib.crc32(fields))


def encode_block(audio: bytes | memoryview, *, offset: int, synced: int, salt: int) -> bytes:
    """Return a block; without audio it is the seal."""
    checked = zlib.crc32(audio, zlib.crc32(_CHECKED.pack(len(audio), offset, synced), salt))
    return _BLOCK.pack(_MARKER, len(audio), checked, offset, synced) + audio


def scan(content: bytes, *, tenant: str, session: str, number: int) -> Segment:
    """Find every true block; after bad bytes, go on at the next true one. Never raises."""
    salt = salt_of(tenant, session, number)
    first_byte, at = _header(content, tenant, session)
    view = memoryview(content)
    blocks: list[Block] = []
    good = at
    while at >= 0:
        block = _block(view, at, salt)
        if block is not None:
            blocks.append(block)
            at = block.end_at
            good += at - block.audio_at + _BLOCK.size
            at = at if content.startswith(_MARKER, at) else content.find(_MARKER, at)
        else:
            at = content.find(_MARKER, at + 1)
    return Segment(first_byte, tuple(blocks), len(content) - good, len(content))


def _header(content: bytes, tenant: str, session: str) -> tuple[int | None, int]:
    """Return the first byte's offset and the header's length, or None and 0."""
    expected = encode_header(tenant, session, 0)
    if len(content) < len(expected):
        return None, 0
    first_byte = int(_HEADER.unpack_from(content)[3])
    if content[: len(expected)] != encode_header(tenant, session, first_byte):
        return None, 0
    return first_byte, len(expected)


def _block(view: memoryview, at: int, salt: int) -> Block | None:
    if at + _BLOCK.size > len(view):
        return None
    marker, length, checksum, offset, synced = _BLOCK.unpack_from(view, at)
    audio_at = at + _BLOCK.size
    if marker != _MARKER or length > MAX_BLOCK or audio_at + length > len(view):
        return None
    fields = zlib.crc32(_CHECKED.pack(length, offset, synced), salt)
    if zlib.crc32(view[audio_at : audio_at + length], fields) != checksum:
        return None
    return Block(offset=offset, length=length, synced=synced, audio_at=audio_at)
