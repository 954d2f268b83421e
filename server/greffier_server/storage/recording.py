"""The journal of one session as files: blocking, used by one thread at a time.

Only `read` and `damage` may run in other threads meanwhile: they look at durable audio, which does
not change any more.
"""

import contextlib
import errno
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from greffier_server.errors import SessionClosed
from greffier_server.storage.cipher import AudioCipher
from greffier_server.storage.contents import BlockWriter, SegmentReader
from greffier_server.storage.filesystem import FileSystem, OpenFile, write_whole
from greffier_server.storage.keys import KeyRing, TenantKey
from greffier_server.storage.parts import Part, PartReader, closed_parts, missing
from greffier_server.storage.places import RECORDED, ClosedPart, folder_of, segment_files
from greffier_server.storage.recovery import end_of, header_size, kept_blocks, seals
from greffier_server.storage.segments import (
    ENCRYPTED,
    MAX_BLOCK,
    Block,
    Segment,
    encode_coded_header,
    encode_header,
    longest_header,
)

__all__ = ["Recording"]

_log = logging.getLogger(__name__)


class Recording:
    """Blocks appended to segments of bounded size.

    Args:
        files: where the segments are.
        root: folder of all tenants; it must exist.
        tenant: owner.
        session: session id.
        segment_bytes: a segment this long takes no further append.
        keys: of tenants; None = new segments are plain, and encrypted ones cannot be read.
        read_only: change nothing, as a running server may own the files: what it writes or packs at
            this moment is no torn end and no stray.

    Raises:
        BadRequest: a name that could lead elsewhere.
        EncryptionKeyMissing, EncryptionKeyWrong: it is encrypted; nothing was touched.
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
        keys: KeyRing | None = None,
        read_only: bool = False,
    ) -> None:
        self._files = files
        self._root = root
        self._read_only = read_only
        self._tenant = tenant
        self._session = session
        self._cipher = AudioCipher(keys, tenant=tenant, session=session)
        self._segments = SegmentReader(tenant, session, self._cipher)
        self._reader = PartReader(files, self._segments, longest_header(tenant, session))
        self._folder = folder_of(root, tenant, session)
        self._segment_bytes = segment_bytes
        self._parts: list[Part] = []
        self._next_number = 1
        self._file: OpenFile | None = None
        self._key: TenantKey | None = None
        self._closed_size = 0
        self._size = 0
        self._synced_size = 0
        self._written = 0
        self._durable = 0
        self._dirty = False
        self._lost: OSError | None = None
        self._sealed = False
        self._holes: list[tuple[int, int]] = []
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

    @property
    def holes(self) -> Sequence[tuple[int, int]]:
        """Stretches (from, to) that were damaged when it was opened; costs nothing to ask."""
        return tuple(self._holes)

    @property
    def stored_bytes(self) -> int:
        """Space its files take."""
        return self._closed_size + self._size

    def measure(self) -> None:
        """Look anew at the closed files: they were packed. Raises OSError."""
        held = None if self._file is None else self._parts[-1].path
        sizes = (
            self._files.size(path)
            for _, path in segment_files(self._files, self._folder)
            if path != held
        )
        self._closed_size = sum(sizes)

    def write(self, audio: bytes) -> None:
        """Write behind what is there; `sync` makes it durable.

        Raises:
            SessionClosed: the session is sealed.
            EncryptionKeyWrong: nothing is kept.
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
        self._closed_size, self._size = self.stored_bytes, 0
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
        yield from self._reader.blocks(tuple(self._parts), from_byte, end, durable=durable)

    def closed_parts(self) -> list[ClosedPart]:
        """Return the segments that are still as they were recorded, and take nothing more.

        Raises:
            OSError: the folder cannot be read.
        """
        durable, sealed, parts = self._durable, self._sealed, tuple(self._parts)
        plain = {path for _, path in segment_files(self._files, self._folder)}
        return closed_parts(parts, plain, durable=durable, sealed=sealed)

    def damage(self) -> list[tuple[int, int]]:
        """Return the stretches of durable audio that cannot be read, as (from, to) bytes.

        Raises:
            OSError: a segment cannot be read.
        """
        durable = self._durable
        return missing(
            self._reader.blocks(tuple(self._parts), 0, durable, durable=durable), durable
        )

    # --- writing ----------------------------------------------------------------------------------

    def _write_blocks(self, pieces: Sequence[memoryview]) -> None:
        if self._file is None or self._size >= self._segment_bytes:
            self._begin_segment()
        file, part = self._file, self._parts[-1]
        if file is None:
            raise RuntimeError("no segment was begun")
        encoded = self._writer(part.number).blocks(
            pieces, offset=self._written, synced=self._durable, key=self._key
        )
        self._dirty = True
        try:
            write_whole(file, encoded)
        except OSError as error:
            try:
                file.truncate(self._size)
            except OSError:
                self._abandon(error)
            raise
        self._size += len(encoded)

    def _begin_segment(self) -> None:
        """Make the next file; its name and header are durable before any audio goes into it."""
        if self._read_only:
            raise OSError(errno.EROFS, "the recording was opened to be read")
        self.sync()
        self.close()
        path = (self._folder / f"{self._next_number:06d}").with_suffix(RECORDED)
        key = self._cipher.current()
        header = encode_header(self._tenant, self._session, self._written)
        if key is not None:
            header = encode_coded_header(
                self._tenant, self._session, self._written, flags=ENCRYPTED, key_id=key.id
            )
        self._make_folders()
        file = self._files.create(path)
        number, self._next_number = self._next_number, self._next_number + 1
        try:
            write_whole(file, header)
            file.sync()
            self._files.sync_folder(self._folder)
        except OSError:
            with contextlib.suppress(OSError):
                file.close()
            with contextlib.suppress(OSError):
                self._files.unlink(path)
            raise
        self._file, self._key = file, key
        self._size = self._synced_size = len(header)
        self._dirty = False
        self._parts.append(Part(number, path, self._written))

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
        for number, path in found:
            self._check_key(number, path)
        if not self._read_only:
            self._remove_strays({path.name for _, path in found})
        self._next_number = found[-1][0] + 1
        longest = longest_header(self._tenant, self._session)
        if (
            self._reader.first_known(*found[-1]) is None
            and self._files.size(found[-1][1]) <= longest
        ):
            if not self._read_only:
                self._files.unlink(found[-1][1])  # cut off while it was being made
                self._files.sync_folder(self._folder)
            found.pop()
        firsts = [self._reader.first_known(*each) for each in found]
        last: Segment | None = None
        keep_at = 0
        for index, (number, path) in enumerate(found):
            is_last = index + 1 == len(found)
            last = self._segments.scan(number, self._files.read(path))
            self._closed_size += last.size
            limit = next((first for first in firsts[index + 1 :] if first is not None), None)
            self._parts.append(Part(number, path, max(self._written, last.first_byte or 0)))
            kept = kept_blocks(last, self._parts[-1].first_byte, limit=limit, is_last=is_last)
            self._note_holes(self._parts[-1].first_byte, kept, end=end_of(last, kept))
            self._written = max(self._written, end_of(last, kept))
            self._sealed = is_last and seals(last, kept)
            keep_at = kept[-1].end_at if kept else header_size(last)
            if last.bad_bytes and not is_last:
                _log.warning("audio journal: %d bytes of a segment are damaged", last.bad_bytes)
        if last is not None:
            self._written = max(self._written, self._parts[-1].first_byte)
            self._finish_recovery(last, keep_at)

    def _note_holes(self, first_byte: int, kept: Sequence[Block], *, end: int) -> None:
        at = self._written
        places = [(first_byte, first_byte), *((each.offset, each.end) for each in kept)]
        for begin, until in [*places, (max(end, first_byte), end)]:
            if begin > at:
                self._holes.append((at, begin))
            at = max(at, begin, until)

    def _check_key(self, number: int, path: Path) -> None:
        """Before anything is touched: what is encrypted can be opened."""
        head = self._files.read(path, longest_header(self._tenant, self._session))
        segment = self._segments.scan(number, head)
        if segment.header is None:
            segment = self._segments.scan(number, self._files.read(path))
        if segment.encrypted:
            self._cipher.check(segment.header.key_id if segment.header is not None else None)

    def _remove_strays(self, known: set[str]) -> None:
        """Take away what a packing that was cut short has left: the recorded form is whole."""
        strays = [name for name in self._files.names(self._folder) if name not in known]
        for name in strays:
            self._files.unlink(self._folder / name)
        if strays:
            self._files.sync_folder(self._folder)

    def _finish_recovery(self, last: Segment, keep_at: int) -> None:
        """Cut the torn end, and make durable what a killed process left to the system."""
        if self._read_only:
            self._durable = self._written
            return
        torn = last.size - keep_at
        path = self._parts[-1].path
        grows = path.suffix == RECORDED and last.header is not None and not self._sealed
        if last.header is not None and self._cipher.wanted and not last.header.encrypted:
            grows = False  # from here on nothing is written in the clear
        file = self._files.append(path)
        try:
            if torn > 0 and grows:
                _log.warning("audio journal: %d bytes of a torn end are cut", torn)
                file.truncate(keep_at)
            file.sync()
            self._make_folders()
            self._files.sync_folder(self._folder)
        except OSError:
            file.close()
            raise
        self._durable = self._written
        if not grows or last.header is None:  # nothing more goes into this file
            file.close()
            return
        self._file = file
        self._closed_size -= last.size
        self._size = self._synced_size = keep_at
        if last.header.encrypted:
            (self._key,) = self._cipher.candidates(last.header.key_id)

    def _writer(self, number: int) -> BlockWriter:
        return BlockWriter(self._tenant, self._session, number, self._cipher)
