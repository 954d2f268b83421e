"""The few file system calls the audio journal makes, as a port, and the real ones behind it.

Every call blocks and raises OSError. Tests put a simulated disk here that loses power.
"""

import contextlib
import errno
import fcntl
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

__all__ = ["FileSystem", "LocalFileSystem", "OpenFile", "write_whole"]


class OpenFile(Protocol):
    """A file open for appending."""

    def write(self, octets: bytes | memoryview) -> int:
        """Write at the end; return how many bytes were taken (perhaps not all)."""
        ...

    def sync(self) -> None:
        """Return once all that was written survives a power cut."""
        ...

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes; the next write goes there."""
        ...

    def close(self) -> None:
        """Release it; syncs nothing."""
        ...


class FileSystem(Protocol):
    """Files and folders by path."""

    def create(self, path: Path) -> OpenFile:
        """Make a new file. Raises FileExistsError."""
        ...

    def append(self, path: Path) -> OpenFile:
        """Open an existing file."""
        ...

    def read(self, path: Path, limit: int = -1) -> bytes:
        """Return the file's content, at most `limit` bytes of it when that is not negative."""
        ...

    def size(self, path: Path) -> int:
        """Length of the file in bytes."""
        ...

    def names(self, folder: Path) -> Sequence[str]:
        """Names in the folder, in no order; none when there is no such folder."""
        ...

    def is_folder(self, path: Path) -> bool:
        """Whether such a folder is there."""
        ...

    def make_folder(self, folder: Path) -> None:
        """Make the folder and those above it; nothing when it is there."""
        ...

    def unlink(self, path: Path) -> None:
        """Take the file away."""
        ...

    def rename(self, path: Path, target: Path) -> None:
        """Give the file another name in one step, in place of what had that name."""
        ...

    def remove_folder(self, folder: Path) -> None:
        """Take an empty folder away."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Return once the names in the folder survive a power cut."""
        ...


def write_whole(file: OpenFile, octets: bytes | bytearray) -> None:
    """Write all of `octets`.

    Raises:
        OSError: some of it may have been written.
    """
    view = memoryview(octets)
    while view:
        taken = file.write(view)
        if taken <= 0:
            raise OSError(errno.EIO, "nothing was written")
        view = view[taken:]


class LocalFileSystem:
    """The machine's own; files and folders are readable by their owner alone."""

    def create(self, path: Path) -> OpenFile:
        """Make a new file."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        return _LocalFile(os.open(path, flags | os.O_CLOEXEC, 0o600))

    def append(self, path: Path) -> OpenFile:
        """Open an existing file."""
        return _LocalFile(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC))

    def read(self, path: Path, limit: int = -1) -> bytes:
        """Return the file's content."""
        with path.open("rb") as file:
            return file.read(limit)

    def size(self, path: Path) -> int:
        """Length of the file in bytes."""
        return path.stat().st_size

    def names(self, folder: Path) -> Sequence[str]:
        """Names in the folder."""
        try:
            return os.listdir(folder)  # noqa: PTH208 - names, not paths
        except (FileNotFoundError, NotADirectoryError):
            return ()

    def is_folder(self, path: Path) -> bool:
        """Whether such a folder is there."""
        return path.is_dir()

    def make_folder(self, folder: Path) -> None:
        """Make the folder and those above it."""
        missing: list[Path] = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for each in reversed(missing):
            with contextlib.suppress(FileExistsError):
                each.mkdir(mode=0o700)

    def unlink(self, path: Path) -> None:
        """Take the file away."""
        path.unlink()

    def rename(self, path: Path, target: Path) -> None:
        """Give the file another name."""
        path.replace(target)

    def remove_folder(self, folder: Path) -> None:
        """Take an empty folder away."""
        folder.rmdir()

    def sync_folder(self, folder: Path) -> None:
        """Sync the folder's names."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _sync(descriptor)
        finally:
            os.close(descriptor)


class _LocalFile:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, octets: bytes | memoryview) -> int:
        return os.write(self._descriptor, octets)

    def sync(self) -> None:
        _sync(self._descriptor)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)

    def close(self) -> None:
        os.close(self._descriptor)


def _sync(descriptor: int) -> None:
    if sys.platform == "darwin":  # there fsync stops at the drive's cache (its manual page)
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)
