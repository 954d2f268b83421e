"""Kept recordings encrypted with AES-256-GCM (`cryptography`, from an extra, does the arithmetic).

Each recording has a key of its own, made from the user's key (HKDF-SHA256, RFC 5869) or passphrase
(scrypt, RFC 7914) and a random salt beside it. Every encryption takes 96 fresh random bits.
"""

import base64
import binascii
import hashlib
import hmac
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greffier.errors import ExtraMissing, SpoolUnusable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["OVERHEAD_BYTES", "SpoolSeal", "SpoolSecret"]

_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_SALT_BYTES: Final = 16
_KEY_BYTES: Final = 32
OVERHEAD_BYTES: Final = _NONCE_BYTES + _TAG_BYTES
"""What sealing adds to each block."""
_FORMAT: Final = "greffier spool 1"
_SCRYPT: Final = {"n": 1 << 15, "r": 8, "p": 1}
"""About 32 MiB and a tenth of a second; a guess costs as much."""
_MOST_SCRYPT: Final = {"n": 1 << 20, "r": 16, "p": 4}
"""A forged note may not ask for more."""
_LEAST_PASSPHRASE_CHARS: Final = 12


@dataclass(frozen=True, slots=True)
class SpoolSecret:
    """What recordings are encrypted with; make one with `from_file` or `from_passphrase`."""

    secret: bytes = field(repr=False)
    derivation: str
    """``hkdf`` or ``scrypt``."""

    @classmethod
    def from_file(cls, path: Path) -> "SpoolSecret":
        """Read a key: 32 random bytes in base64.

        Raises:
            SpoolUnusable: it cannot be read, or is none.
        """
        try:
            secret = base64.b64decode(path.read_text("ascii").strip(), validate=True)
        except OSError as error:
            raise SpoolUnusable(f"cannot read the key in {path}: {error.strerror}") from error
        except (UnicodeDecodeError, binascii.Error):
            secret = b""
        if len(secret) != _KEY_BYTES:
            raise SpoolUnusable(f"{path} must hold 32 random bytes in base64, and nothing else")
        return cls(secret, "hkdf")

    @classmethod
    def from_passphrase(cls, passphrase: str) -> "SpoolSecret":
        """Take a passphrase.

        Raises:
            SpoolUnusable: it is too short to keep anybody out.
        """
        if len(passphrase) < _LEAST_PASSPHRASE_CHARS:
            raise SpoolUnusable(f"a passphrase has at least {_LEAST_PASSPHRASE_CHARS} characters")
        return cls(passphrase.encode("utf-8", "surrogatepass"), "scrypt")

    def new_seal(self) -> "SpoolSeal":
        """Return the seal of a new recording (takes a while).

        Raises:
            ExtraMissing: `cryptography` is not installed.
        """
        head: dict[str, Any] = {
            "format": _FORMAT,
            "derivation": self.derivation,
            "salt": base64.b64encode(os.urandom(_SALT_BYTES)).decode(),
        }
        if self.derivation == "scrypt":
            head |= _SCRYPT
        return self.seal_of(head)

    def seal_of(self, head: Mapping[str, Any]) -> "SpoolSeal":
        """Return the seal of a recording whose note says `head` (takes a while).

        Raises:
            SpoolUnusable: the note is damaged, or it was encrypted in another way.
            ExtraMissing: `cryptography` is not installed.
        """
        try:
            known = head["format"] == _FORMAT
            derivation = str(head["derivation"])
            salt = base64.b64decode(head["salt"], validate=True)
            costs = {name: int(head.get(name, 0)) for name in _SCRYPT}
        except (KeyError, TypeError, ValueError):
            raise _damaged() from None
        if not known or len(salt) != _SALT_BYTES:
            raise _damaged()
        if derivation != self.derivation:
            wanted = "a passphrase" if derivation == "scrypt" else "a key file"
            raise SpoolUnusable(f"the recording is encrypted with {wanted}")
        if derivation == "hkdf":
            key = _hkdf(self.secret, salt)
        else:
            if any(not 0 < costs[name] <= most for name, most in _MOST_SCRYPT.items()):
                raise _damaged()
            key = _scrypt(self.secret, salt, **costs)
        return SpoolSeal(key, head)


class SpoolSeal:
    """Encrypts and decrypts what belongs to one recording; made by `SpoolSecret`.

    Args:
        key: of the recording.
        head: how it was made, for the recording's note.
    """

    def __init__(self, key: bytes, head: Mapping[str, Any]) -> None:
        self.head = dict(head)
        self._cipher = _cipher(key)

    def seal_note(self, text: bytes) -> str:
        """Return the recording's note, encrypted."""
        return base64.b64encode(self._seal(text, b"note")).decode()

    def open_note(self, sealed: str) -> bytes:
        """Return the recording's note.

        Raises:
            SpoolUnusable: it was encrypted with another key, or is damaged.
        """
        try:
            opened = self._open(base64.b64decode(sealed, validate=True), b"note")
        except (TypeError, ValueError):
            opened = None
        if opened is None:
            raise SpoolUnusable("the key does not open the recording, or its note is damaged")
        return opened

    def seal_audio(self, audio: bytes, *, first_sample: int) -> bytes:
        """Return a block of audio, encrypted and bound to its place."""
        return self._seal(audio, _place(first_sample, len(audio)))

    def open_audio(self, sealed: bytes, *, first_sample: int) -> bytes | None:
        """Return a block of audio; None when it is not what was kept there."""
        return self._open(sealed, _place(first_sample, len(sealed) - OVERHEAD_BYTES))

    def _seal(self, content: bytes, bound_to: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, bound_to)

    def _open(self, sealed: bytes, bound_to: bytes) -> bytes | None:
        from cryptography.exceptions import InvalidTag

        if len(sealed) < OVERHEAD_BYTES:
            return None
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)
        except InvalidTag:
            return None


def _place(first_sample: int, length: int) -> bytes:
    return b"audio" + struct.pack("<QQ", first_sample, max(0, length))


def _cipher(key: bytes) -> "AESGCM":
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise ExtraMissing("spool-encryption", "an encrypted spool") from error
    return AESGCM(key)


def _hkdf(secret: bytes, salt: bytes) -> bytes:
    """One block of RFC 5869 with SHA-256, which is the whole key."""
    extracted = hmac.digest(salt, secret, "sha256")
    return hmac.digest(extracted, _FORMAT.encode() + b"\x01", "sha256")


def _scrypt(secret: bytes, salt: bytes, *, n: int, r: int, p: int) -> bytes:
    try:
        return hashlib.scrypt(
            secret, salt=salt, n=n, r=r, p=p, maxmem=256 * n * r, dklen=_KEY_BYTES
        )
    except (MemoryError, ValueError):
        raise _damaged() from None


def _damaged() -> SpoolUnusable:
    return SpoolUnusable("the note of an encrypted recording is damaged")
