"""The keys of encryption at rest: one master key wraps the keys of tenants, which lie on a shelf.

Two keys of a tenant may lie side by side (a folder that was lost and came back); the newest
encrypts, all of them decrypt. A key is kept for good before anything is encrypted with it. A key
that is gone from its shelf is gone: nothing is cached beyond it.
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from greffier_server.storage.filesystem import FileSystem
from greffier_server.storage.key_shelf import FolderShelf, KeyShelf, MemoryShelf, check_tenant
from greffier_server.storage.tenant_keys import (
    ID_BYTES,
    SECRET_BYTES,
    MasterKey,
    TenantKey,
    WrappedKey,
    missing_key,
    new_master_key,
    read_master_key,
    wrap,
)

__all__ = [
    "KeyRing",
    "MasterKey",
    "TenantKey",
    "WrappedKey",
    "missing_key",
    "new_master_key",
    "passing_keys",
    "read_master_key",
]


class KeyRing:
    """The keys of tenants on a shelf; safe to use from several threads, blocking.

    Args:
        shelf: where they lie; a folder, which is made when it is missing, or any other shelf.
        master: wraps them.
        files: the file system of the folder; the machine's own when absent.
    """

    def __init__(
        self, shelf: Path | KeyShelf, master: MasterKey, *, files: FileSystem | None = None
    ) -> None:
        self._shelf: KeyShelf = FolderShelf(shelf, files) if isinstance(shelf, Path) else shelf
        self._master = master
        self._opened: dict[tuple[str, bytes], TenantKey] = {}
        self._lock = threading.Lock()

    def current(self, tenant: str) -> TenantKey:
        """Return the key that encrypts for `tenant` now; made, and kept, when there is none.

        Raises:
            EncryptionKeyWrong: the master key does not open it; nothing is made then.
            StorageFailed, OSError: it cannot be read or kept.
        """
        check_tenant(tenant)
        with self._lock:
            found = self._shelf.of(tenant)
            if not found:
                for other in self._shelf.every():  # not two masters on one shelf by accident
                    if other.master != self._master.id:
                        other.unwrap(self._master)
                key = TenantKey(tenant, os.urandom(ID_BYTES), os.urandom(SECRET_BYTES))
                now_ms = time.time_ns() // 1_000_000
                found = self._shelf.add_first(wrap(key, self._master, created_at_ms=now_ms))
            return self._open(max(found, key=lambda each: (each.created_at_ms, each.id)))

    def get(self, tenant: str, key_id: bytes) -> TenantKey:
        """Return the key with this id.

        Raises:
            EncryptionKeyMissing: there is none (any more).
            EncryptionKeyWrong: the master key does not open it.
            StorageFailed, OSError: it cannot be read.
        """
        check_tenant(tenant)
        with self._lock:
            known = self._opened.get((tenant, key_id))
            if known is not None and self._shelf.holds(tenant, key_id):
                return known
            self._opened.pop((tenant, key_id), None)
            for wrapped in self._shelf.of(tenant, anew=True):
                if wrapped.id == key_id:
                    return self._open(wrapped)
        raise missing_key()

    def all(self, tenant: str) -> Sequence[TenantKey]:
        """Return every key of a tenant.

        Raises:
            EncryptionKeyMissing: there is none.
            EncryptionKeyWrong: the master key does not open one of them.
            StorageFailed, OSError: they cannot be read.
        """
        check_tenant(tenant)
        with self._lock:
            keys = [self._open(wrapped) for wrapped in self._shelf.of(tenant, anew=True)]
        if not keys:
            raise missing_key()
        return keys

    def all_wrapped(self) -> Iterator[WrappedKey]:
        """Yield every key of every tenant as it lies there, without opening it.

        Raises:
            EncryptionKeyWrong: one is damaged.
            StorageFailed, OSError: one cannot be read.
        """
        yield from self._shelf.every()

    def rotate(self, new: MasterKey) -> int:
        """Wrap every key under `new`; return how many were wrapped anew.

        Each key is replaced in one step, so that it is whole under one master key or the other;
        cut short, it is begun again and leaves out what is done.

        Raises:
            EncryptionKeyWrong: a key is under neither master key; those before it are done.
            StorageFailed, OSError: one cannot be replaced.
        """
        count = 0
        with self._lock:
            for wrapped in list(self.all_wrapped()):
                if wrapped.master == new.id:
                    wrapped.unwrap(new)
                    continue
                self._shelf.replace(wrapped.rewrap(self._master, new))
                count += 1
            self._master = new
        return count

    def adopt(self, other: KeyShelf) -> int:
        """Take over the keys of another shelf that this one lacks; return how many.

        Raises:
            EncryptionKeyWrong: the master key does not open one of them; nothing is taken.
            StorageFailed, OSError: they cannot be read or kept.
        """
        with self._lock:
            coming = list(other.every())
            for wrapped in coming:
                wrapped.unwrap(self._master)
            here = {(known.tenant, known.id) for known in self._shelf.every()}
            lacking = [each for each in coming if (each.tenant, each.id) not in here]
            for wrapped in lacking:
                self._shelf.replace(wrapped)
        return len(lacking)

    def destroy(self, tenant: str) -> int:
        """Destroy the keys of a tenant; what they encrypted cannot be read again. Return how many.

        Raises:
            BadRequest: no name of a tenant.
            StorageFailed, OSError: one is left; do it again.
        """
        check_tenant(tenant)
        with self._lock:
            count = self._shelf.remove(tenant)
            for known in [known for known in self._opened if known[0] == tenant]:
                del self._opened[known]
        return count

    def _open(self, wrapped: WrappedKey) -> TenantKey:
        known = self._opened.get((wrapped.tenant, wrapped.id))
        if known is None:
            known = self._opened[wrapped.tenant, wrapped.id] = wrapped.unwrap(self._master)
        return known


def passing_keys() -> KeyRing:
    """Return keys that no disk ever holds, for files that shall not outlive this process."""
    return KeyRing(MemoryShelf(), MasterKey(os.urandom(SECRET_BYTES)))
