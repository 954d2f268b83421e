"""The journal of one session as files: blocking, used by one thread at a time.

Only `read` and `damage` may run in other threads meanwhile: they look at durable audio, which does
not change any more.
"""

import contextlib
import errno
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from greffier_server.errors import BadRequest, SessionClosed
from greffier_server.storage.filesystem import FileSystem, OpenFile
from greffier_server.storage.segments import (
    MAX_BLOCK,
    Block,
    Segment,
    encode_block,
    encode_header,
    salt_of,
    scan,
)

__all__ = ["Recording", "folder_of", "segment_files"]

_log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FILE = re.compile(r"(\d{6})\.gja")


def folder_of(root: Path, tenant: str, session: str) -> Path:
    """Return where a session's audio lies.

    Raises:
        BadRequest: a name that could lead elsewhere.
    """
    if not (_NAME.fullmatch(tenant) and _NAME.fullmatch(session)):
        raise BadRequest("Names of tenants and sessions are 1 to 64 letters, digits, _ and -.")
    return root / tenant / session


def segment_files(files: FileSystem, folder: Path) -> list[tuple[int, Path]]:
    """Return the segments of a folder by number."""
    found = [(match, name) for name in files.names(folder) if (match := _FILE.fullmatch(name))]
    return sorted((int(match.group(1)), folder / name) for match, name in found)


@dataclass(frozen=True, slots=True)
class _Part:
    """A segment in its place."""

    number: int
    path: Path
    first_byte: int


class Recording:
    """Blocks appended to segments of bounded size.

    Args:
        files: where the segments are.
        root: folder of all tenants; it must exist.
        tenant: owner.
        session: session id.
        segment_bytes: a segment this long takes no further append.

    Raises:
        BadRequest: a name that could lead elsewhere.
        OSError: the segments cannot be read, or not be made durable.
    """

    def __init__(
        self,
        files: FileSystem,
        root: Path,
        *,
        tenant: str,
        session: str,
        segment_bytes: int,
    ) -> None:
        self._files = files
        self._root = root
        self._tenant = tenant
        self._session = session
        self._folder = folder_of(root, tenant, session)
        self._segment_bytes = segment_bytes
        self._parts: list[_Part] = []
        self._next_number = 1
        self._file: OpenFile | None = None
        self._size = 0
        self._synced_size = 0
        self._written = 0
        self._durable = 0
        self._dirty = False
        self._lost: OSError | None = None
        self._sealed = False
        self._recover()

    @property
    def written_bytes(self) -> int:
        """Audio written, durable or not."""
        return self._written

    @property
    def durable_bytes(self) -> int:
        """Audio that survives a power cut."""
        return self._durable

    @property
    def sealed(self) -> bool:
        """The session is complete."""
        return self._sealed

    def write(self, audio: bytes) -> None:
        """Write behind what is there; `sync` makes it durable.

        Raises:
            SessionClosed: the session is sealed.
            OSError: nothing of `audio` is kept; what was written before it still is, unless the
                next `sync` raises too.
        """
        if self._sealed:
            raise SessionClosed("The recording is complete; no audio can be added to it.")
        if not audio:
            return
        view = memoryview(audio)
        self._write_blocks([view[at : at + MAX_BLOCK] for at in range(0, len(view), MAX_BLOCK)])
        self._written += len(audio)

    def sync(self) -> None:
        """Make all that was written durable.

        Raises:
            OSError: what was written since the last sync is not kept.
        """
        if self._lost is not None:
            lost, self._lost = self._lost, None
            raise lost
        if self._file is None or not self._dirty:
            return
        try:
            self._file.sync()
        except OSError as error:
            # Linux forgets the pages whose writing failed: a second fsync would say all is well
            # (https://wiki.postgresql.org/wiki/Fsync_Errors). This file takes nothing more.
            with contextlib.suppress(OSError):
                self._file.truncate(self._synced_size)
            self._abandon(error)
            self._lost = None
            raise
        self._durable, self._synced_size, self._dirty = self._written, self._size, False

    def seal(self) -> None:
        """Mark the session as complete, and close.

        Raises:
            OSError: not all of it is durable.
        """
        if not self._sealed:
            self.sync()
            self._write_blocks([memoryview(b"")])
            self.sync()
            self._sealed = True
        self.close()

    def close(self) -> None:
        """Close the file; what was not synced may be lost."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()

    def blocks(self, from_byte: int, to_byte: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Yield durable audio with its offset; damaged stretches are left out.

        Raises:
            OSError: a segment cannot be read.
        """
        durable = self._durable
        end = durable if to_byte is None else min(to_byte, durable)
        parts = tuple(self._parts)
        for index, part in enumerate(parts):
            bound = parts[index + 1].first_byte if index + 1 < len(parts) else durable
            if bound <= from_byte or part.first_byte >= end:
                continue
            content = self._files.read(part.path)
            expected = part.first_byte
            for block in self._scan(part.number, content).blocks:
                if block.offset < expected or block.end > bound or block.seals:
                    continue
                expected = block.end
                begin, stop = max(block.offset, from_byte), min(block.end, end)
                if begin < stop:
                    shift = block.audio_at - block.offset
                    yield begin, content[begin + shift : stop + shift]

    def damage(self) -> list[tuple[int, int]]:
        """Return the stretches of durable audio that cannot be read, as (from, to) bytes.

        Raises:
            OSError: a segment cannot be read.
        """
        lost: list[tuple[int, int]] = []
        expected, end = 0, self._durable
        for offset, audio in self.blocks(0, end):
            if offset > expected:
                lost.append((expected, offset))
            expected = offset + len(audio)
        if expected < end:
            lost.append((expected, end))
        return lost

    # --- writing ----------------------------------------------------------------------------------

    def _write_blocks(self, pieces: Sequence[memoryview]) -> None:
        if self._file is None or self._size >= self._segment_bytes:
            self._begin_segment()
        file, part = self._file, self._parts[-1]
        if file is None:
            raise RuntimeError("no segment was begun")
        salt, offset = salt_of(self._tenant, self._session, part.number), self._written
        encoded = bytearray()
        for piece in pieces:
            encoded += encode_block(piece, offset=offset, synced=self._durable, salt=salt)
            offset += len(piece)
        self._dirty = True
        try:
            _write_whole(file, encoded)
        except OSError as error:
            try:
                file.truncate(self._size)
            except OSError:
                self._abandon(error)
            raise
        self._size += len(encoded)

    def _begin_segment(self) -> None:
        """Make the next file; its name and header are durable before any audio goes into it."""
        self.sync()
        self.close()
        path = self._folder / f"{self._next_number:06d}.gja"
        header = encode_header(self._tenant, self._session, self._written)
        self._make_folders()
        file = self._files.create(path)
        number, self._next_number = self._next_number, self._next_number + 1
        try:
            _write_whole(file, header)
            file.sync()
            self._files.sync_folder(self._folder)
        except OSError:
            with contextlib.suppress(OSError):
                file.close()
            with contextlib.suppress(OSError):
                self._files.unlink(path)
            raise
        self._file = file
        self._size = self._synced_size = len(header)
        self._dirty = False
        self._parts.append(_Part(number, path, self._written))

    def _make_folders(self) -> None:
        self._files.make_folder(self._folder)
        self._files.sync_folder(self._folder.parent)
        self._files.sync_folder(self._root)

    def _abandon(self, error: OSError) -> None:
        """Write no more to this file; the next one overrides whatever its end holds."""
        if self._written > self._durable:
            self._lost = error
        self._written = self._durable
        self._dirty = False
        self.close()

    # --- recovery ---------------------------------------------------------------------------------

    def _recover(self) -> None:
        """Find what is kept, segment by segment (a day of audio does not fit in memory)."""
        found = segment_files(self._files, self._folder)
        if not found:
            return
        self._next_number = found[-1][0] + 1
        header_size = len(encode_header(self._tenant, self._session, 0))
        if self._first_known(found[-1]) is None and self._files.size(found[-1][1]) <= header_size:
            self._files.unlink(found[-1][1])  # cut off while it was being made
            self._files.sync_folder(self._folder)
            found.pop()
        firsts = [self._first_known(each) for each in found]
        last: Segment | None = None
        keep_at = header_size
        for index, (number, path) in enumerate(found):
            is_last = index + 1 == len(found)
            last = self._scan(number, self._files.read(path))
            limit = next((first for first in firsts[index + 1 :] if first is not None), None)
            self._parts.append(_Part(number, path, max(self._written, last.first_byte or 0)))
            kept = _kept(last, self._parts[-1].first_byte, limit=limit, is_last=is_last)
            if kept:
                self._written = kept[-1].end
                self._sealed = is_last and kept[-1].seals
            keep_at = kept[-1].end_at if kept else header_size
            if last.bad_bytes and not is_last:
                _log.warning("audio journal: %d bytes of a segment are damaged", last.bad_bytes)
        if last is not None:
            self._written = max(self._written, self._parts[-1].first_byte)
            self._finish_recovery(last, keep_at)

    def _finish_recovery(self, last: Segment, keep_at: int) -> None:
        """Cut the torn end, and make durable what a killed process left to the system."""
        torn = last.size - keep_at
        file = self._files.append(self._parts[-1].path)
        try:
            if torn > 0 and not self._sealed and last.first_byte is not None:
                _log.warning("audio journal: %d bytes of a torn end are cut", torn)
                file.truncate(keep_at)
            file.sync()
            self._make_folders()
            self._files.sync_folder(self._folder)
        except OSError:
            file.close()
            raise
        self._durable = self._written
        if self._sealed or last.first_byte is None:  # nothing more goes into this file
            file.close()
            return
        self._file = file
        self._size = self._synced_size = keep_at

    def _first_known(self, segment: tuple[int, Path]) -> int | None:
        """Where a segment's audio begins, by its header or else by its first true block."""
        number, path = segment
        size = len(encode_header(self._tenant, self._session, 0))
        head = self._scan(number, self._files.read(path, size))
        if head.first_byte is not None:
            return head.first_byte
        blocks = self._scan(number, self._files.read(path)).blocks
        return blocks[0].offset if blocks else None

    def _scan(self, number: int, content: bytes) -> Segment:
        return scan(content, tenant=self._tenant, session=self._session, number=number)


def _kept(
    segment: Segment, first_byte: int, *, limit: int | None, is_last: bool
) -> Sequence[Block]:
    """Return the blocks that count.

    Not those that a later segment overrides; and in the last segment none behind a hole that
    nobody was told is kept.
    """
    attested = max([first_byte, *(block.synced for block in segment.blocks)])
    kept: list[Block] = []
    expected = first_byte
    for block in segment.blocks:
        if block.offset < expected or (limit is not None and block.end > limit):
            continue
        if block.offset > expected and is_last and block.offset > attested:
            break
        kept.append(block)
        expected = block.end
    return kept


def _write_whole(file: OpenFile, octets: bytes | bytearray) -> None:
    view = memoryview(octets)
    while view:
        taken = file.write(view)
        if taken <= 0:
            raise OSError(errno.EIO, "nothing was written")
        view = view[taken:]
