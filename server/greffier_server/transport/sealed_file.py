"""A temporary file whose disk blocks tell nothing: encrypted under a key that no disk ever holds.

A file without a name disappears with its process, but its blocks stay on the disk until they are
written over. Here they are AES-256-GCM of 64 KiB each, numbered, under a random key of this file
that lives in memory alone; the process that shall read the file is given the key through a pipe.
"""

import io
import os
import tempfile
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["KEY_BYTES", "SealedFile", "SealedReader"]

KEY_BYTES: Final = 32
_CHUNK_BYTES: Final = 65_536
_TAG_BYTES: Final = 16
_NONCE_BYTES: Final = 12


class SealedReader(io.RawIOBase):
    """Reads a finished file; a read returns all that was asked for, unless the file ends.

    Args:
        descriptor: of the file; stays open.
        key: that it was written under.
        length: of what was written; found where it is absent.

    Raises:
        OSError: in any read: the disk fails, or the file was changed.
    """

    def __init__(self, descriptor: int, key: bytes, *, length: int | None = None) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._cipher = AESGCM(key)
        self._at = 0
        self._kept: tuple[int, bytes] = (-1, b"")
        self._length = _length(descriptor) if length is None else length

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can be read from anywhere."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place; return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        if base + offset < 0:
            raise ValueError("before the beginning of the file")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Fill `buffer` as far as the file goes; return how many bytes that were."""
        if self.closed:
            raise ValueError("the file is closed")
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view) and self._at < self._length:
            index, within = divmod(self._at, _CHUNK_BYTES)
            part = self._chunk(index)[within : within + len(view) - filled]
            view[filled : filled + len(part)] = part
            filled += len(part)
            self._at += len(part)
        return filled

    def _chunk(self, index: int) -> bytes:
        known, chunk = self._kept
        if known != index:
            stored = os.pread(
                self._descriptor, _CHUNK_BYTES + _TAG_BYTES, index * (_CHUNK_BYTES + _TAG_BYTES)
            )
            try:
                chunk = self._cipher.decrypt(_nonce(index), stored, None)
            except InvalidTag:
                raise OSError("the temporary file was changed") from None
            self._kept = (index, chunk)
        return chunk


class SealedFile(SealedReader):
    """A new one: written once from its beginning, then (`seek`) only read. Close it.

    Blocking, but for making one and for a few bytes written; used by one thread at a time.

    Raises:
        OSError: in any write: the disk is full or fails.
    """

    def __init__(self) -> None:
        self.key: Final = AESGCM.generate_key(8 * KEY_BYTES)
        super().__init__(-1, self.key, length=0)
        self._file: io.FileIO | None = None
        self._held = bytearray()
        self._written = 0
        self._finished = False

    def fileno(self) -> int:
        """Return the descriptor, for a `SealedReader` elsewhere; the file is finished by this."""
        self.finish()
        return self._opened().fileno()

    def writable(self) -> bool:
        """Until it is finished."""
        return not self._finished

    def write(self, octets: "ReadableBuffer", /) -> int:
        """Add bytes at the end; return how many: all of them."""
        if self._finished:
            raise ValueError("the file is finished")
        self._held += octets
        while len(self._held) >= _CHUNK_BYTES:
            self._keep(bytes(self._held[:_CHUNK_BYTES]))
            del self._held[:_CHUNK_BYTES]
        return memoryview(octets).nbytes

    def finish(self) -> None:
        """Nothing more is written; what was can be read."""
        if self._finished:
            return
        self._finished = True
        self._opened()
        if self._held:
            self._keep(bytes(self._held))
            self._held.clear()

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Finish the file, and go to a place in it."""
        self.finish()
        return super().seek(offset, whence)

    def close(self) -> None:
        """Give the disk its blocks back."""
        if self._file is not None:
            self._file.close()
        super().close()

    def _keep(self, chunk: bytes) -> None:
        file = self._opened()
        stored = memoryview(self._cipher.encrypt(_nonce(self._written), chunk, None))
        while stored:
            stored = stored[file.write(stored) :]
        self._written += 1
        self._length += len(chunk)

    def _opened(self) -> io.FileIO:
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with this
            self._descriptor = self._file.fileno()
        return self._file


def _length(descriptor: int) -> int:
    whole, rest = divmod(os.fstat(descriptor).st_size, _CHUNK_BYTES + _TAG_BYTES)
    return whole * _CHUNK_BYTES + max(0, rest - _TAG_BYTES)


def _nonce(index: int) -> bytes:
    """Each chunk has its number, and each file its key: none comes twice."""
    return index.to_bytes(_NONCE_BYTES, "big")
