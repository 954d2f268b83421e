"""The keys of encryption at rest: one master key wraps the keys of tenants, which lie in files.

A tenant's key is a file ``<folder>/<tenant>/<id>.key``. Two may lie side by side (a folder that was
lost and came back); the newest encrypts, all of them decrypt. A key is on disk, name and all,
before anything is encrypted with it. A key whose file is gone is gone: nothing is cached beyond it.
"""

import base64
import binascii
import json
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from greffier_server.errors import BadRequest, SettingsInvalid
from greffier_server.storage.failures import EncryptionKeyMissing, EncryptionKeyWrong
from greffier_server.storage.filesystem import FileSystem, LocalFileSystem, write_whole

__all__ = [
    "KeyRing",
    "MasterKey",
    "TenantKey",
    "WrappedKey",
    "missing_key",
    "new_master_key",
    "read_master_key",
]

_SECRET_BYTES = 32
_NONCE_BYTES = 12
_ID_BYTES = 8
_MAGIC = "greffier tenant key 1"
_TENANT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FILE = re.compile(r"([0-9a-f]{16})\.key")
_PART = ".part"


def new_master_key() -> str:
    """Return a random master key as its file holds it."""
    return base64.b64encode(os.urandom(_SECRET_BYTES)).decode()


def read_master_key(text: str) -> "MasterKey":
    """Return the master key of a file or setting: 32 bytes in base64.

    Raises:
        SettingsInvalid: it is none.
    """
    try:
        secret = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != _SECRET_BYTES:
        raise SettingsInvalid(
            "The master key must be 32 bytes in base64, as greffier keys init writes it."
        )
    return MasterKey(secret)


@dataclass(frozen=True, slots=True)
class MasterKey:
    """Wraps the keys of tenants and encrypts nothing else."""

    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Says which master key it is, and nothing about it."""
        return _derive(self.secret, b"greffier master key id")[:_ID_BYTES].hex()


@dataclass(frozen=True, slots=True)
class TenantKey:
    """A key of a tenant; what is encrypted is encrypted with keys derived from it."""

    tenant: str
    id: bytes
    secret: bytes = field(repr=False)

    def derive(self, purpose: str, session: str) -> AESGCM:
        """Return the cipher of one session and purpose (HKDF-SHA256, RFC 5869)."""
        info = f"greffier/{purpose}/{self.tenant}/{session}".encode()
        return AESGCM(_derive(self.secret, info))

    def search_secret(self) -> bytes:
        """Return the key that the terms of the search index are blinded with."""
        return _derive(self.secret, f"greffier/search/{self.tenant}".encode())


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key as its file holds it."""

    tenant: str
    id: bytes
    master: str
    """Id of the master key that wraps it."""
    created_at_ms: int
    nonce: bytes
    wrapped: bytes

    def unwrap(self, master: MasterKey) -> TenantKey:
        """Open it.

        Raises:
            EncryptionKeyWrong: it is wrapped by another master key, or damaged.
        """
        if master.id != self.master:
            raise EncryptionKeyWrong(
                "The master key is not the one that this data was encrypted under. Give the right "
                "one (encryption.master_key_file), or bring greffier keys rotate to its end."
            )
        try:
            secret = AESGCM(master.secret).decrypt(self.nonce, self.wrapped, self.associated())
        except InvalidTag:
            raise _damaged() from None
        return TenantKey(self.tenant, self.id, secret)

    def rewrap(self, old: MasterKey, new: MasterKey) -> "WrappedKey":
        """Return the same key under another master key. Raises EncryptionKeyWrong."""
        return wrap(self.unwrap(old), new, created_at_ms=self.created_at_ms)

    def encode(self) -> bytes:
        """Return what its file holds."""
        fields = {
            "format": _MAGIC,
            "tenant": self.tenant,
            "id": self.id.hex(),
            "master": self.master,
            "created_at_ms": self.created_at_ms,
            "nonce": base64.b64encode(self.nonce).decode(),
            "wrapped": base64.b64encode(self.wrapped).decode(),
        }
        return (json.dumps(fields, indent=1) + "\n").encode()

    def associated(self) -> bytes:
        """Return what wrapping binds the key to."""
        return f"{_MAGIC}/{self.tenant}/{self.id.hex()}/{self.created_at_ms}".encode()


def wrap(key: TenantKey, master: MasterKey, *, created_at_ms: int) -> WrappedKey:
    """Return `key` under `master`."""
    nonce = os.urandom(_NONCE_BYTES)
    bare = WrappedKey(key.tenant, key.id, master.id, created_at_ms, nonce, b"")
    wrapped = AESGCM(master.secret).encrypt(nonce, key.secret, bare.associated())
    return WrappedKey(key.tenant, key.id, master.id, created_at_ms, nonce, wrapped)


class KeyRing:
    """The keys of tenants in a folder; safe to use from several threads, blocking.

    Args:
        folder: where they lie; made when it is missing.
        master: wraps them.
        files: the file system; the machine's own when absent.
    """

    def __init__(self, folder: Path, master: MasterKey, *, files: FileSystem | None = None) -> None:
        self._folder = folder
        self._master = master
        self._files = files or LocalFileSystem()
        self._opened: dict[tuple[str, bytes], TenantKey] = {}
        self._lock = threading.Lock()

    def current(self, tenant: str) -> TenantKey:
        """Return the key that encrypts for `tenant` now; made, and on disk, when there is none.

        Raises:
            EncryptionKeyWrong: the master key does not open it; nothing is made then.
            OSError: it cannot be read or kept.
        """
        with self._lock:
            found = self._wrapped(tenant)
            if found:
                return self._open(max(found, key=lambda each: (each.created_at_ms, each.id)))
            for other in self.all_wrapped():  # not two masters in one folder by accident
                if other.master != self._master.id:
                    other.unwrap(self._master)
            key = TenantKey(tenant, os.urandom(_ID_BYTES), os.urandom(_SECRET_BYTES))
            self._keep(wrap(key, self._master, created_at_ms=time.time_ns() // 1_000_000))
            self._opened[tenant, key.id] = key
            return key

    def get(self, tenant: str, key_id: bytes) -> TenantKey:
        """Return the key with this id.

        Raises:
            EncryptionKeyMissing: there is none (any more).
            EncryptionKeyWrong: the master key does not open it.
            OSError: it cannot be read.
        """
        with self._lock:
            known = self._opened.get((tenant, key_id))
            if known is not None and self._is_there(self._path(tenant, key_id)):
                return known
            self._opened.pop((tenant, key_id), None)
            for wrapped in self._wrapped(tenant):
                if wrapped.id == key_id:
                    return self._open(wrapped)
        raise missing_key()

    def all(self, tenant: str) -> Sequence[TenantKey]:
        """Return every key of a tenant.

        Raises:
            EncryptionKeyMissing: there is none.
            EncryptionKeyWrong: the master key does not open one of them.
            OSError: they cannot be read.
        """
        with self._lock:
            keys = [self._open(wrapped) for wrapped in self._wrapped(tenant)]
        if not keys:
            raise missing_key()
        return keys

    def all_wrapped(self) -> Iterator[WrappedKey]:
        """Yield every key of every tenant as it lies there, without opening it.

        Raises:
            EncryptionKeyWrong: a file is damaged.
            OSError: one cannot be read.
        """
        for tenant in sorted(self._files.names(self._folder)):
            if _TENANT.fullmatch(tenant):
                yield from self._wrapped(tenant)

    def rotate(self, new: MasterKey) -> int:
        """Wrap every key under `new`; return how many were wrapped anew.

        Each file is replaced in one step, so that it is whole under one master key or the other;
        cut short, it is begun again and leaves out what is done.

        Raises:
            EncryptionKeyWrong: a key is under neither master key; those before it are done.
            OSError: a file cannot be replaced.
        """
        count = 0
        with self._lock:
            for wrapped in list(self.all_wrapped()):
                if wrapped.master == new.id:
                    wrapped.unwrap(new)
                    continue
                self._keep(wrapped.rewrap(self._master, new))
                count += 1
            self._master = new
        return count

    def destroy(self, tenant: str) -> int:
        """Destroy the keys of a tenant; what they encrypted cannot be read again. Return how many.

        Raises:
            BadRequest: no name of a tenant.
            OSError: one is left; do it again.
        """
        folder = self._tenant_folder(tenant)
        with self._lock:
            names = list(self._files.names(folder))
            for name in names:
                self._files.unlink(folder / name)
            if self._files.is_folder(folder):
                self._files.sync_folder(folder)
                self._files.remove_folder(folder)
                self._files.sync_folder(folder.parent)
            for known in [known for known in self._opened if known[0] == tenant]:
                del self._opened[known]
        return sum(1 for name in names if _FILE.fullmatch(name))

    def _is_there(self, path: Path) -> bool:
        try:
            return self._files.size(path) > 0
        except FileNotFoundError:
            return False

    def _open(self, wrapped: WrappedKey) -> TenantKey:
        known = self._opened.get((wrapped.tenant, wrapped.id))
        if known is None:
            known = self._opened[wrapped.tenant, wrapped.id] = wrapped.unwrap(self._master)
        return known

    def _wrapped(self, tenant: str) -> list[WrappedKey]:
        folder = self._tenant_folder(tenant)
        names = [name for name in self._files.names(folder) if _FILE.fullmatch(name)]
        return [_decode(self._files.read(folder / name), tenant) for name in sorted(names)]

    def _keep(self, wrapped: WrappedKey) -> None:
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

    def _path(self, tenant: str, key_id: bytes) -> Path:
        return self._tenant_folder(tenant) / f"{key_id.hex()}.key"

    def _tenant_folder(self, tenant: str) -> Path:
        if not _TENANT.fullmatch(tenant):
            raise BadRequest("Names of tenants are 1 to 64 letters, digits, _ and -.")
        return self._folder / tenant


def missing_key() -> EncryptionKeyMissing:
    """Return the error for data whose key is not there."""
    return EncryptionKeyMissing(
        "This is encrypted, and its key is not there: switch encryption on with the right keys "
        "folder, or restore the folder. If the key was destroyed, the data is gone for good."
    )


def _damaged() -> EncryptionKeyWrong:
    return EncryptionKeyWrong(
        "The file of a tenant's key is damaged. Restore the keys folder from a backup."
    )


def _decode(octets: bytes, tenant: str) -> WrappedKey:
    try:
        fields = cast("dict[str, Any]", json.loads(octets))
        found = WrappedKey(
            tenant=str(fields["tenant"]),
            id=bytes.fromhex(fields["id"]),
            master=str(fields["master"]),
            created_at_ms=int(fields["created_at_ms"]),
            nonce=base64.b64decode(fields["nonce"], validate=True),
            wrapped=base64.b64decode(fields["wrapped"], validate=True),
        )
    except (ValueError, KeyError, TypeError):
        raise _damaged() from None
    if fields.get("format") != _MAGIC or found.tenant != tenant or len(found.nonce) != _NONCE_BYTES:
        raise _damaged()
    return found


def _derive(secret: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=_SECRET_BYTES, salt=None, info=info).derive(secret)
