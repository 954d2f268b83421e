"""Where the wrapped keys of tenants lie: in a folder, or in memory for what shall not last.

Those that several servers share are in their database (`database_shelf`).
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from greffier_server.errors import BadRequest
from greffier_server.storage.filesystem import FileSystem, LocalFileSystem, write_whole
from greffier_server.storage.tenant_keys import WrappedKey, decode_key

__all__ = ["FolderShelf", "KeyShelf", "MemoryShelf", "check_tenant"]

_TENANT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FILE = re.compile(r"([0-9a-f]{16})\.key")
_PART = ".part"


class KeyShelf(Protocol):
    """Wrapped keys by tenant; every method blocks, and may raise OSError or StorageFailed."""

    def of(self, tenant: str, *, anew: bool = False) -> Sequence[WrappedKey]:
        """Return the keys of a tenant; a second old at most, or as they are now (`anew`).

        Raises:
            EncryptionKeyWrong: one is damaged.
        """
        ...

    def holds(self, tenant: str, key_id: bytes) -> bool:
        """Whether the key is still there (a second late at most)."""
        ...

    def every(self) -> Iterator[WrappedKey]:
        """Yield the keys of all tenants. Raises EncryptionKeyWrong."""
        ...

    def add_first(self, wrapped: WrappedKey) -> Sequence[WrappedKey]:
        """Keep the first key of a tenant; return what lies there then.

        When this returns it is kept for good. Where another server was faster, its key is
        returned and this one is not kept.
        """
        ...

    def replace(self, wrapped: WrappedKey) -> None:
        """Put a key in the place of the one with its id, in one step."""
        ...

    def remove(self, tenant: str) -> int:
        """Take the keys of a tenant away; return how many."""
        ...


def check_tenant(tenant: str) -> None:
    """Raise BadRequest for what is no name of a tenant."""
    if not _TENANT.fullmatch(tenant):
        raise BadRequest("Names of tenants are 1 to 64 letters, digits, _ and -.")


class FolderShelf:
    """`KeyShelf` of files ``<folder>/<tenant>/<id>.key``.

    Args:
        folder: made when it is missing.
        files: the file system; the machine's own when absent.
    """

    def __init__(self, folder: Path, files: FileSystem | None = None) -> None:
        self._folder = folder
        self._files = files or LocalFileSystem()

    def of(self, tenant: str, *, anew: bool = False) -> Sequence[WrappedKey]:
        """Return the keys of a tenant, as they are now."""
        del anew
        folder = self._tenant_folder(tenant)
        names = [name for name in self._files.names(folder) if _FILE.fullmatch(name)]
        return [decode_key(self._files.read(folder / name), tenant) for name in sorted(names)]

    def holds(self, tenant: str, key_id: bytes) -> bool:
        """Whether the key's file is there."""
        try:
            return self._files.size(self._path(tenant, key_id)) > 0
        except FileNotFoundError:
            return False

    def every(self) -> Iterator[WrappedKey]:
        """Yield the keys of all tenants."""
        for tenant in sorted(self._files.names(self._folder)):
            if _TENANT.fullmatch(tenant):
                yield from self.of(tenant)

    def add_first(self, wrapped: WrappedKey) -> Sequence[WrappedKey]:
        """Keep the first key of a tenant."""
        self.replace(wrapped)
        return [wrapped]

    def replace(self, wrapped: WrappedKey) -> None:
        """Write the key's file anew; it is the old one or the new one at any time."""
        path = self._path(wrapped.tenant, wrapped.id)
        part = path.with_suffix(_PART)
        self._files.make_folder(path.parent)
        with suppress(FileNotFoundError):  # left by one that was cut short
            self._files.unlink(part)
        file = self._files.create(part)
        try:
            write_whole(file, wrapped.encode())
            file.sync()
        finally:
            file.close()
        self._files.rename(part, path)
        for folder in (path.parent, self._folder, self._folder.parent):
            self._files.sync_folder(folder)

    def remove(self, tenant: str) -> int:
        """Delete the files of a tenant."""
        folder = self._tenant_folder(tenant)
        names = list(self._files.names(folder))
        for name in names:
            self._files.unlink(folder / name)
        if self._files.is_folder(folder):
            self._files.sync_folder(folder)
            self._files.remove_folder(folder)
            self._files.sync_folder(folder.parent)
        return sum(1 for name in names if _FILE.fullmatch(name))

    def _path(self, tenant: str, key_id: bytes) -> Path:
        return self._tenant_folder(tenant) / f"{key_id.hex()}.key"

    def _tenant_folder(self, tenant: str) -> Path:
        check_tenant(tenant)
        return self._folder / tenant


class MemoryShelf:
    """`KeyShelf` that ends with its process: what is encrypted under it can never be read again."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[bytes, WrappedKey]] = {}

    def of(self, tenant: str, *, anew: bool = False) -> Sequence[WrappedKey]:
        """Return the keys of a tenant."""
        del anew
        return list(self._kept.get(tenant, {}).values())

    def holds(self, tenant: str, key_id: bytes) -> bool:
        """Whether the key is there."""
        return key_id in self._kept.get(tenant, {})

    def every(self) -> Iterator[WrappedKey]:
        """Yield the keys of all tenants."""
        for kept in self._kept.values():
            yield from kept.values()

    def add_first(self, wrapped: WrappedKey) -> Sequence[WrappedKey]:
        """Keep the first key of a tenant."""
        self.replace(wrapped)
        return [wrapped]

    def replace(self, wrapped: WrappedKey) -> None:
        """Keep the key in the place of the one with its id."""
        self._kept.setdefault(wrapped.tenant, {})[wrapped.id] = wrapped

    def remove(self, tenant: str) -> int:
        """Forget the keys of a tenant."""
        return len(self._kept.pop(tenant, {}))
