"""A file under assembly: appended to, hashed as it grows, continued after an interruption."""

import hashlib
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from greffier_models.catalog.entry import WeightFile
from greffier_models.catalog.trouble import storage_trouble
from greffier_models.errors import WeightsCorrupt

__all__ = ["CHUNK_BYTES", "PartialFile", "chunks_of", "digest_of"]

CHUNK_BYTES = 1 << 20


def chunks_of(path: Path) -> Iterator[bytes]:
    """Yield the content of a file piece by piece."""
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


def digest_of(path: Path, on_chunk: Callable[[int], None] | None = None) -> str:
    """Return the SHA-256 of a file, telling `on_chunk` the bytes just read."""
    running = hashlib.sha256()
    for chunk in chunks_of(path):
        running.update(chunk)
        if on_chunk is not None:
            on_chunk(len(chunk))
    return running.hexdigest()


class PartialFile:
    """``NAME.partial``, which becomes ``NAME`` only once its size and checksum are right.

    The checksum is kept while bytes are appended; bytes that an earlier run left are read once,
    when the first append comes.
    """

    def __init__(self, folder: Path, file: WeightFile) -> None:
        self.file = file
        self._folder = folder
        self._final = folder / file.name
        self._path = folder / f"{file.name}.partial"
        self._hash = hashlib.sha256()
        self._hashed = 0

    @property
    def done(self) -> bool:
        """Whether the file is whole and was checked."""
        return self._final.is_file() and self._final.stat().st_size == self.file.size

    @property
    def length(self) -> int:
        """Bytes on disk."""
        if self.done:
            return self.file.size
        return self._path.stat().st_size if self._path.is_file() else 0

    @contextmanager
    def appending(self, offset: int) -> Generator[Callable[[bytes], None], None, None]:
        """Open behind the first `offset` bytes, cut off what lies beyond, and yield the writer.

        Raises:
            StorageFailed: the disk is full or not writable.
            WeightsCorrupt: more bytes came than the file has.
        """
        with storage_trouble(self._folder):
            self._path.touch()
            os.truncate(self._path, offset)
            self._hash_up_to(offset)
            stream = self._path.open("ab", buffering=0)

        def write(chunk: bytes) -> None:
            if self._hashed + len(chunk) > self.file.size:
                raise self._corrupt("it is longer than it should be")
            with storage_trouble(self._folder):
                rest = memoryview(chunk)
                while rest:
                    rest = rest[stream.write(rest) :]
            self._note(chunk)

        with stream:
            yield write
            with storage_trouble(self._folder):
                os.fsync(stream.fileno())

    def finish(self) -> None:
        """Check size and checksum and give the file its name.

        Raises:
            WeightsCorrupt: they differ; what was there is thrown away.
            StorageFailed: the disk is full or not writable.
        """
        if self.done:
            return
        length = self.length
        if length != self.file.size:
            raise self._corrupt(f"it has {length} bytes instead of {self.file.size}")
        with storage_trouble(self._folder):
            self._path.touch()
            self._hash_up_to(length)
        if self._hash.hexdigest() != self.file.sha256:
            raise self._corrupt("its SHA-256 is not the expected one")
        with storage_trouble(self._folder):
            self._path.replace(self._final)

    def discard(self) -> None:
        """Forget what was assembled so far."""
        self._path.unlink(missing_ok=True)
        self._hash = hashlib.sha256()
        self._hashed = 0

    def _corrupt(self, reason: str) -> WeightsCorrupt:
        self.discard()
        return WeightsCorrupt(f"{self.file.name} is not the published file: {reason}")

    def _note(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self._hashed += len(chunk)

    def _hash_up_to(self, length: int) -> None:
        """Make the running checksum that of the file's `length` bytes, reading only if needed."""
        if self._hashed == length:
            return
        self._hash = hashlib.sha256()
        self._hashed = 0
        if length:
            for chunk in chunks_of(self._path):
                self._note(chunk)
