"""Closed segments, made small: written anew beside the old ones, checked, then put in their place.

A segment ``000001.gja`` becomes ``000001.gjc`` in steps after each of which the audio is whole on
disk: the new file is written under another name and synced; read back, decoded and compared; given
its name; its name is synced; only then the old file goes. Both names after a crash mean that the
old one still counts, so that the new one is thrown away and made again.

The steps that change names are apart (`begin`, `settle`), so that a caller can keep others from the
folder for as long as they take, and no longer.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from greffier_server.storage.cipher import AudioCipher
from greffier_server.storage.contents import SegmentReader
from greffier_server.storage.filesystem import FileSystem, OpenFile, write_whole
from greffier_server.storage.keys import KeyRing
from greffier_server.storage.packed import Run, Span, packed, runs_of
from greffier_server.storage.places import PACKED, ClosedPart

__all__ = ["Packing"]

_log = logging.getLogger(__name__)

_UNFINISHED = ".part"


class Packing:
    """The packing of one closed segment; used by one thread at a time.

    Args:
        files: where the segments are.
        tenant: owner.
        session: id.
        part: the segment.
        keys: of tenants; None = what is packed stays plain.
    """

    def __init__(
        self,
        files: FileSystem,
        *,
        tenant: str,
        session: str,
        part: ClosedPart,
        keys: KeyRing | None = None,
    ) -> None:
        self._files = files
        self._part = part
        self._span = Span(
            tenant, session, part.number, part.first_byte, part.end_byte, seals=part.seals
        )
        self._cipher = AudioCipher(keys, tenant=tenant, session=session)
        self._reader = SegmentReader(tenant, session, self._cipher)
        self._unfinished = part.path.with_suffix(_UNFINISHED)
        self._packed = part.path.with_suffix(PACKED)
        self._file: OpenFile | None = None

    def begin(self) -> None:
        """Make the new file. Raises OSError."""
        with suppress(FileNotFoundError):
            self._files.unlink(self._unfinished)
        self._file = self._files.create(self._unfinished)

    def write(self) -> bool:
        """Fill and sync the new file and read it back; False when it is not the same audio.

        Raises:
            FileNotFoundError: the session was deleted meanwhile.
            EncryptionKeyMissing, EncryptionKeyWrong: the segment cannot be read.
            OSError: disk full, I/O error; `drop` then.
        """
        file = self._file
        if file is None:
            raise RuntimeError("nothing was begun")
        runs = list(self._runs(self._part.path))
        try:
            write_whole(file, packed(runs, self._span, self._cipher, self._cipher.current()))
            file.sync()
        finally:
            self._file = None
            file.close()
        if list(self._runs(self._unfinished)) == runs:
            return True
        _log.error("audio journal: a packed segment does not hold what it was made of")
        return False

    def settle(self) -> None:
        """Put the new file in the place of the old one.

        Raises:
            FileNotFoundError: the session was deleted meanwhile.
            OSError: both are there; the old one counts.
        """
        folder = self._part.path.parent
        if not self._files.size(self._part.path):
            raise FileNotFoundError(self._part.path)
        self._files.rename(self._unfinished, self._packed)
        self._files.sync_folder(folder)
        self._files.unlink(self._part.path)
        self._files.sync_folder(folder)

    def drop(self) -> None:
        """Take the new file away."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()
        with suppress(OSError):
            self._files.unlink(self._unfinished)

    def _runs(self, path: Path) -> Iterator[Run]:
        """Yield the audio that counts."""
        yield from runs_of(self._files.read(path), self._span, self._reader)
