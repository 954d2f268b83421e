"""The server's own Ed25519 key (RFC 8032): made on first use, kept on disk, signs what leaves."""

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from greffier_server.bundle.verify import fingerprint
from greffier_server.errors import SettingsInvalid, StorageFailed

__all__ = ["KEY_FILE", "SigningKey", "open_signing_key"]

KEY_FILE = "signing.pem"
"""In the data directory."""
_OTHERS = 0o027
"""No one but the owner may change it; its group may read it (mounted secrets), others may not."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and what everybody may know of it."""

    private: Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return self.private.public_key().public_bytes_raw()

    @property
    def public_pem(self) -> bytes:
        """The public key as programs read it (SubjectPublicKeyInfo)."""
        key = self.private.public_key()
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def fingerprint(self) -> str:
        """Its short name, to be read out and compared."""
        return fingerprint(self.public)

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes."""
        return self.private.sign(message)


def open_signing_key(data_dir: Path, given: Path | None = None) -> SigningKey:
    """Read the key, or make it where none was ever made (blocking).

    Args:
        data_dir: where it is made.
        given: file of the settings; it must exist: a new key in its place would be nobody's.

    Raises:
        SettingsInvalid: the file is missing, is not such a key, or can be read by others.
        StorageFailed: it cannot be written.
    """
    if given is not None:
        return _read(given)
    path = data_dir / KEY_FILE
    if not path.exists():
        try:
            _make(path)
        except OSError as error:
            raise StorageFailed(
                f"The signing key cannot be written ({error.strerror}): check the data directory."
            ) from error
    return _read(path)


def _read(path: Path) -> SigningKey:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            octets = file.read(1 << 16)
    except OSError as error:
        raise SettingsInvalid(
            f"integrity.signing_key: the file cannot be read ({error.strerror})"
        ) from None
    if mode & _OTHERS:
        raise SettingsInvalid(
            "integrity.signing_key: others than its owner may use the file; chmod 600 it"
        )
    try:
        key = load_pem_private_key(octets, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsInvalid("integrity.signing_key: the file is no PEM Ed25519 private key")
    return SigningKey(key)


def _make(path: Path) -> None:
    """Write a new key as a whole; of two servers that do so at once, the first one's stays."""
    key = Ed25519PrivateKey.generate()
    octets = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
