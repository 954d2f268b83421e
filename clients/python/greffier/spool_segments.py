"""Audio in files that survive a crash: checksummed blocks, each with its place in the recording.

A file begins with `_MAGIC`, the first sample, and the bytes of a frame. A block is the first
sample, the length, a CRC-32 of the audio and one of the three numbers, then the audio. A block that
is cut short was being written when the process or the power ended: it is passed over, and so is one
that is damaged. Of an encrypted recording the magic is `_SEALED_MAGIC`, and what stands for the
audio, in length and checksum too, is its encrypted form (`greffier.spool_seal`).
"""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from greffier.spool_seal import OVERHEAD_BYTES, SpoolSeal

__all__ = ["Block", "SegmentFile", "read_block", "scan", "segments_in"]

SUFFIX: Final = ".gsp"
_MAGIC: Final = b"GRFSPL1\n"
_SEALED_MAGIC: Final = b"GRFSPL2\n"
_FILE: Final = struct.Struct("<8sQI")
_BLOCK: Final = struct.Struct("<QIII")
_MAX_BLOCK_BYTES: Final = 1 << 24
"""Longer lengths are damage, not audio."""


@dataclass(frozen=True, slots=True)
class Block:
    """Where a stretch of audio is."""

    path: Path
    offset: int
    """Of the audio in its file."""
    length: int
    """In the file."""
    checksum: int
    first_sample: int
    end_sample: int


class SegmentFile:
    """A file that is being written.

    Args:
        folder: of the recording.
        first_sample: of the first block.
        frame_bytes: one sample of every channel.
        seal: encrypts the audio; it stays as it is when absent.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(
        self, folder: Path, *, first_sample: int, frame_bytes: int, seal: SpoolSeal | None = None
    ) -> None:
        self._seal = seal
        self.path = folder / f"{first_sample:016d}{SUFFIX}"
        self._frame_bytes = frame_bytes
        # Unbuffered: what a write returned for is with the system, and survives this process.
        self._file = self.path.open("xb", buffering=0)
        self.size = 0
        try:
            magic = _MAGIC if seal is None else _SEALED_MAGIC
            self._write(_FILE.pack(magic, first_sample, frame_bytes))
        except OSError:
            self._file.close()
            self.path.unlink(missing_ok=True)
            raise

    def append(self, first_sample: int, audio: bytes) -> Block:
        """Write a block, whole or not at all.

        Raises:
            OSError: the disk is full or broken; what half a block left is cut off again.
        """
        kept = audio
        if self._seal is not None:
            kept = self._seal.seal_audio(audio, first_sample=first_sample)
        checksum = zlib.crc32(kept)
        numbers = struct.pack("<QII", first_sample, len(kept), checksum)
        before = self.size
        try:
            self._write(numbers + struct.pack("<I", zlib.crc32(numbers)) + kept)
        except OSError:
            self._file.seek(before)
            self._file.truncate(before)
            self.size = before
            raise
        return Block(
            self.path,
            before + _BLOCK.size,
            len(kept),
            checksum,
            first_sample,
            first_sample + len(audio) // self._frame_bytes,
        )

    def sync(self) -> None:
        """Have the disk keep what was written.

        Raises:
            OSError: it does not.
        """
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; what was written stays."""
        self._file.close()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = self._file.write(view)
            self.size += written
            view = view[written:]


def segments_in(folder: Path) -> list[Path]:
    """Return the files of a recording, in order."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def scan(path: Path, *, frame_bytes: int, sealed: bool = False) -> list[Block]:
    """Return the blocks of a file, without those whose numbers are damaged or which are cut short.

    The audio itself is checked when it is read. Nothing is written: a torn end is passed over, and
    goes with its file.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        shape = _Shape(frame_bytes, OVERHEAD_BYTES if sealed else 0)
        return list(_blocks(file, path, shape))


def read_block(block: Block, seal: SpoolSeal | None = None) -> bytes | None:
    """Return the audio of a block, None when it is damaged or gone."""
    try:
        with block.path.open("rb") as file:
            kept = _kept(file, block)
    except OSError:
        return None
    if kept is None or seal is None:
        return kept
    return seal.open_audio(kept, first_sample=block.first_sample)


@dataclass(frozen=True, slots=True)
class _Shape:
    """How long blocks can be."""

    frame_bytes: int
    overhead: int


def _blocks(file: BinaryIO, path: Path, shape: _Shape) -> Iterator[Block]:
    size = os.fstat(file.fileno()).st_size
    at = 0
    offset = _FILE.size
    while offset + _BLOCK.size <= size:
        file.seek(offset)
        block = _block(file.read(_BLOCK.size), path, offset, shape)
        if block is None or block.first_sample < at or block.offset + block.length > size:
            found = _next_block(file, path, offset, shape)
            if found is None:
                return
            offset = found
            continue
        at = block.end_sample
        yield block
        offset = block.offset + block.length


def _block(head: bytes, path: Path, offset: int, shape: _Shape) -> Block | None:
    first, length, checksum, own = _BLOCK.unpack(head)
    frames, rest = divmod(length - shape.overhead, shape.frame_bytes)
    if length > _MAX_BLOCK_BYTES or frames <= 0 or rest or zlib.crc32(head[:-4]) != own:
        return None
    end = first + frames
    return Block(path, offset + _BLOCK.size, length, checksum, first, end)


def _next_block(file: BinaryIO, path: Path, offset: int, shape: _Shape) -> int | None:
    """Look behind a damaged block for the next one: its length can no longer be trusted."""
    file.seek(offset + 1)
    rest = file.read()
    for skipped in range(len(rest) - _BLOCK.size + 1):
        at = offset + 1 + skipped
        head = rest[skipped : skipped + _BLOCK.size]
        block = _block(head, path, at, shape)
        if block is not None and block.offset + block.length <= offset + 1 + len(rest):
            return at
    return None


def _kept(file: BinaryIO, block: Block) -> bytes | None:
    file.seek(block.offset)
    kept = file.read(block.length)
    return kept if zlib.crc32(kept) == block.checksum else None
