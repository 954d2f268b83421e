"""Content of journal blocks and texts of the database, encrypted with AES-256-GCM.

Every encryption takes a fresh random nonce of 96 bits and stores it beside its result, so none
comes again after a crash, a cut or a rewrite, whatever was forgotten. One derived key serves one
session and purpose, far below the 2^32 encryptions that NIST SP 800-38D (8.3) allows random nonces.
"""

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from greffier_server.storage.keys import KeyRing, TenantKey, missing_key

__all__ = ["AudioCipher", "Undecipherable", "open_sealed", "seal"]

_NONCE_BYTES = 12
_TAG_BYTES = 16
_AUDIO = "audio"


class Undecipherable(Exception):
    """The content is not what was encrypted here."""


class AudioCipher:
    """Encrypts and decrypts the blocks of one session.

    Args:
        keys: of tenants; None = nothing can be encrypted, and nothing encrypted be read.
        tenant: owner.
        session: id.
    """

    def __init__(self, keys: KeyRing | None, *, tenant: str, session: str) -> None:
        self._keys = keys
        self._tenant = tenant
        self._session = session
        self._ciphers: dict[bytes, AESGCM] = {}

    @property
    def wanted(self) -> bool:
        """New segments are encrypted."""
        return self._keys is not None

    def current(self) -> TenantKey | None:
        """Return the key for a new segment; None = it stays plain.

        Raises:
            EncryptionKeyWrong: the master key is not the right one.
            OSError: the key cannot be kept.
        """
        return None if self._keys is None else self._keys.current(self._tenant)

    def check(self, key_id: bytes | None) -> None:
        """Make sure that the key is there (None: any key of the tenant).

        Raises:
            EncryptionKeyMissing, EncryptionKeyWrong, OSError.
        """
        self.candidates(key_id)

    def candidates(self, key_id: bytes | None) -> Sequence[TenantKey]:
        """Return the key, or all of the tenant where the segment does not say which.

        Raises:
            EncryptionKeyMissing, EncryptionKeyWrong, OSError.
        """
        if self._keys is None:
            raise missing_key()
        if key_id is None:
            return self._keys.all(self._tenant)
        return [self._keys.get(self._tenant, key_id)]

    def seal(self, key: TenantKey, content: bytes, bound_to: bytes) -> bytes:
        """Return nonce, encrypted content and tag."""
        return seal(self._cipher(key), content, bound_to)

    def open(self, keys: Sequence[TenantKey], sealed: bytes, bound_to: bytes) -> bytes:
        """Return the content.

        Raises:
            Undecipherable: none of `keys` opens it: it was changed.
        """
        for key in keys:
            try:
                return open_sealed(self._cipher(key), sealed, bound_to)
            except Undecipherable:
                continue
        raise Undecipherable

    def _cipher(self, key: TenantKey) -> AESGCM:
        cipher = self._ciphers.get(key.id)
        if cipher is None:
            cipher = self._ciphers[key.id] = key.derive(_AUDIO, self._session)
        return cipher


def seal(cipher: AESGCM, content: bytes, bound_to: bytes) -> bytes:
    """Return nonce, encrypted content and tag."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, content, bound_to)


def open_sealed(cipher: AESGCM, sealed: bytes, bound_to: bytes) -> bytes:
    """Return the content. Raises Undecipherable."""
    if len(sealed) < _NONCE_BYTES + _TAG_BYTES:
        raise Undecipherable
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound_to)
    except InvalidTag:
        raise Undecipherable from None
