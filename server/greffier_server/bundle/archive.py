"""A ZIP archive as a stream: what is written comes out at once, and nothing is kept."""

import hashlib
import zipfile
from datetime import UTC, datetime

__all__ = ["ArchiveStream"]

_LARGE = 1 << 31
"""Members that may grow beyond this get the fields of large files (ZIP64)."""


class ArchiveStream:
    """Writes members one after the other; take what there is with `drain`. Blocking: it packs.

    Args:
        made_at_ms: time of every member, milliseconds since the epoch.
    """

    def __init__(self, made_at_ms: int) -> None:
        moment = datetime.fromtimestamp(made_at_ms / 1000, UTC)
        self._time = (moment.year, moment.month, moment.day, moment.hour, moment.minute, 0)
        self._outlet = _Outlet()
        self._archive = zipfile.ZipFile(self._outlet, "w")
        self.members: dict[str, dict[str, object]] = {}
        """Of each whole member, its length and SHA-256."""

    def drain(self) -> bytes:
        """Return what was written since the last time."""
        return self._outlet.drain()

    def add(self, name: str, content: bytes) -> bytes:
        """Write a whole member, and drain."""
        with self.member(name, size=len(content)) as member:
            written = member.write(content)
        return written + self.drain()

    def member(self, name: str, *, size: int, packed: bool = True) -> "ArchiveMember":
        """Begin a member.

        Args:
            name: in the archive.
            size: how long it may become.
            packed: compress it.
        """
        entry = zipfile.ZipInfo(name, self._time)
        entry.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
        entry.external_attr = 0o644 << 16
        return ArchiveMember(self, name, self._archive, entry, large=size >= _LARGE)

    def close(self) -> bytes:
        """Write the list of members, and drain."""
        self._archive.close()
        return self.drain()


class ArchiveMember:
    """A member while it is written; a context manager that ends it."""

    def __init__(
        self,
        stream: ArchiveStream,
        name: str,
        archive: zipfile.ZipFile,
        entry: zipfile.ZipInfo,
        *,
        large: bool,
    ) -> None:
        self._stream = stream
        self._name = name
        self._file = archive.open(entry, "w", force_zip64=large)
        self._running = hashlib.sha256()
        self._size = 0

    def write(self, octets: bytes) -> bytes:
        """Write the next bytes, and drain."""
        self._running.update(octets)
        self._size += len(octets)
        self._file.write(octets)
        return self._stream.drain()

    def __enter__(self) -> "ArchiveMember":
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.close()
        digest = self._running.hexdigest()
        self._stream.members[self._name] = {"bytes": self._size, "sha256": digest}


class _Outlet:
    """A file that cannot be sought, for `zipfile`."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, octets: bytes, /) -> int:
        self._pieces.append(bytes(octets))
        return len(octets)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """What was written stays to be drained."""

    def drain(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
