"""The keys of encryption at rest as values: a master key wraps the keys of tenants."""

import base64
import binascii
import json
import os
from dataclasses import dataclass, field
from typing import Any, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from greffier_server.errors import SettingsInvalid
from greffier_server.storage.failures import EncryptionKeyMissing, EncryptionKeyWrong

__all__ = [
    "ID_BYTES",
    "SECRET_BYTES",
    "MasterKey",
    "TenantKey",
    "WrappedKey",
    "damaged_key",
    "decode_key",
    "missing_key",
    "new_master_key",
    "read_master_key",
    "wrap",
]

SECRET_BYTES = 32
ID_BYTES = 8
_NONCE_BYTES = 12
_MAGIC = "greffier tenant key 1"


def new_master_key() -> str:
    """Return a random master key as its file holds it."""
    return base64.b64encode(os.urandom(SECRET_BYTES)).decode()


def read_master_key(text: str) -> "MasterKey":
    """Return the master key of a file or setting: 32 bytes in base64.

    Raises:
        SettingsInvalid: it is none.
    """
    try:
        secret = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != SECRET_BYTES:
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
        return _derive(self.secret, b"greffier master key id")[:ID_BYTES].hex()


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
    """A key as its file or row holds it."""

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
            raise damaged_key() from None
        return TenantKey(self.tenant, self.id, secret)

    def rewrap(self, old: MasterKey, new: MasterKey) -> "WrappedKey":
        """Return the same key under another master key. Raises EncryptionKeyWrong."""
        return wrap(self.unwrap(old), new, created_at_ms=self.created_at_ms)

    def encode(self) -> bytes:
        """Return what its file or row holds."""
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


def missing_key() -> EncryptionKeyMissing:
    """Return the error for data whose key is not there."""
    return EncryptionKeyMissing(
        "This is encrypted, and its key is not there: switch encryption on with the right keys "
        "folder, or restore the folder. If the key was destroyed, the data is gone for good."
    )


def damaged_key() -> EncryptionKeyWrong:
    """Return the error for a wrapped key that is not whole."""
    return EncryptionKeyWrong(
        "The stored key of a tenant is damaged. Restore the keys folder from a backup, or the "
        "database where it keeps them."
    )


def decode_key(octets: bytes, tenant: str) -> WrappedKey:
    """Return the key that a file or row of `tenant` holds. Raises EncryptionKeyWrong."""
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
        raise damaged_key() from None
    if fields.get("format") != _MAGIC or found.tenant != tenant or len(found.nonce) != _NONCE_BYTES:
        raise damaged_key()
    return found


def _derive(secret: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=SECRET_BYTES, salt=None, info=info).derive(secret)
