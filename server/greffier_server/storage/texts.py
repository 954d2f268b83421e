r"""What the database holds of a session's words: as they are, or encrypted with the tenant's key.

An encrypted text is ``\x1agre1:`` and base64 of key id, nonce, content and tag; canonical JSON
begins with a brace, so the two are told apart text by text, and old ones stay readable.
"""

import asyncio
import base64
import binascii
import hmac
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from greffier_server.errors import StorageFailed
from greffier_server.storage.cipher import Undecipherable, open_sealed, seal
from greffier_server.storage.failures import EncryptionKeyMissing, disk_failure
from greffier_server.storage.keys import KeyRing, TenantKey, missing_key

__all__ = ["EncryptedTexts", "PlainTexts", "Texts", "is_encrypted"]

_MARK = "\x1agre1:"
_ID_BYTES = 8
_PURPOSE = "text"
_FRESH_S = 1.0
"""A key that is destroyed meanwhile is used for so long at most."""
_CIPHERS = 1024
_BLIND_BYTES = 8
"""Of a term's HMAC: enough to tell the words of an archive apart."""


class Texts(Protocol):
    """How the store writes and reads texts."""

    async def prepare(self, tenants: Iterable[str], *, writing: bool = False) -> None:
        """Get keys from the disk, so that `seal` (where `writing`) and `open` need not wait.

        Raises:
            EncryptionKeyWrong: the master key is not the right one.
            StorageFailed: the keys cannot be read, or not be made.
        """
        ...

    def seal(self, tenant: str, session: str, place: str, text: str) -> str:
        """Return `text` as it is stored at `place`."""
        ...

    def open(self, tenant: str, session: str, place: str, stored: str) -> str:
        """Return the text that was stored at `place`.

        Raises:
            EncryptionKeyMissing: its key is not there.
            StorageFailed: it is not what was stored there.
        """
        ...

    def blind(self, tenant: str, terms: str) -> str:
        """Return the terms of a passage (parted by spaces) as the search index holds them."""
        ...

    def forms(self, tenant: str, term: str) -> Sequence[str]:
        """Return every form in which a term that is sought may be held; in the clear first."""
        ...


def is_encrypted(stored: str) -> bool:
    """Whether a stored text needs a key."""
    return stored.startswith(_MARK)


class PlainTexts:
    """Texts as they are; encrypted ones of before are refused."""

    async def prepare(self, tenants: Iterable[str], *, writing: bool = False) -> None:
        """Nothing is needed."""
        del tenants, writing

    def seal(self, tenant: str, session: str, place: str, text: str) -> str:
        """Return `text`."""
        del tenant, session, place
        return text

    def open(self, tenant: str, session: str, place: str, stored: str) -> str:
        """Return `stored`. Raises EncryptionKeyMissing where it is encrypted."""
        del tenant, session, place
        if is_encrypted(stored):
            raise missing_key()
        return stored

    def blind(self, tenant: str, terms: str) -> str:
        """Return `terms`."""
        del tenant
        return terms

    def forms(self, tenant: str, term: str) -> Sequence[str]:
        """Return `term` alone."""
        del tenant
        return (term,)


@dataclass(frozen=True, slots=True)
class _Known:
    """The keys of a tenant at a time."""

    current: TenantKey | None
    by_id: dict[bytes, TenantKey]
    at_s: float


class EncryptedTexts:
    """Texts encrypted with the tenant's key, bound to session and place; on one event loop.

    Args:
        keys: of tenants.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._known: dict[str, _Known] = {}
        self._ciphers: OrderedDict[tuple[bytes, str, str], AESGCM] = OrderedDict()
        self._search_secrets: OrderedDict[bytes, bytes] = OrderedDict()

    async def prepare(self, tenants: Iterable[str], *, writing: bool = False) -> None:
        """Get the keys of `tenants`; where `writing`, make those that are missing."""
        now_s = time.monotonic()
        stale = [
            tenant
            for tenant in set(tenants)
            if (known := self._known.get(tenant)) is None
            or not known.by_id  # another server may have made one
            or now_s - known.at_s > _FRESH_S
            or (writing and known.current is None)
        ]
        if not stale:
            return
        try:
            found = await asyncio.to_thread(self._load, stale, writing, now_s)
        except OSError as error:
            raise disk_failure(error) from error
        self._known.update(found)

    def seal(self, tenant: str, session: str, place: str, text: str) -> str:
        """Return `text` encrypted."""
        known = self._known.get(tenant)
        if known is None or known.current is None:
            raise missing_key()
        cipher = self._cipher(known.current, tenant, session)
        sealed = seal(cipher, text.encode("utf-8", "surrogatepass"), _place(tenant, session, place))
        return _MARK + base64.b64encode(known.current.id + sealed).decode()

    def open(self, tenant: str, session: str, place: str, stored: str) -> str:
        """Return the text."""
        if not is_encrypted(stored):
            return stored
        try:
            octets = base64.b64decode(stored[len(_MARK) :], validate=True)
        except binascii.Error:
            raise _changed() from None
        known = self._known.get(tenant)
        key = known.by_id.get(octets[:_ID_BYTES]) if known is not None else None
        if key is None:
            raise missing_key()
        cipher = self._cipher(key, tenant, session)
        try:
            text = open_sealed(cipher, octets[_ID_BYTES:], _place(tenant, session, place))
        except Undecipherable:
            raise _changed() from None
        return text.decode("utf-8", "surrogatepass")

    def blind(self, tenant: str, terms: str) -> str:
        """Return `terms` under a key of the tenant: equal ones stay equal, nothing else is told."""
        known = self._known.get(tenant)
        if known is None or known.current is None:
            raise missing_key()
        secret = self._search_secret(known.current)
        return " ".join(_blinded(secret, term) for term in terms.split())

    def forms(self, tenant: str, term: str) -> Sequence[str]:
        """Return `term`, of before encryption was switched on, and blinded with every key."""
        known = self._known.get(tenant)
        keys = () if known is None else known.by_id.values()
        return (term, *(_blinded(self._search_secret(key), term) for key in keys))

    def _search_secret(self, key: TenantKey) -> bytes:
        secret = self._search_secrets.get(key.id)
        if secret is None:
            secret = self._search_secrets[key.id] = key.search_secret()
            if len(self._search_secrets) > _CIPHERS:
                self._search_secrets.popitem(last=False)
        return secret

    def _load(self, tenants: list[str], writing: bool, now_s: float) -> dict[str, _Known]:
        found: dict[str, _Known] = {}
        for tenant in tenants:
            current = self._keys.current(tenant) if writing else None
            try:
                keys = {key.id: key for key in self._keys.all(tenant)}
            except EncryptionKeyMissing:
                keys = {}
            found[tenant] = _Known(current, keys, now_s)
        return found

    def _cipher(self, key: TenantKey, tenant: str, session: str) -> AESGCM:
        name = (key.id, tenant, session)
        cipher = self._ciphers.get(name)
        if cipher is None:
            cipher = self._ciphers[name] = key.derive(_PURPOSE, session)
            if len(self._ciphers) > _CIPHERS:
                self._ciphers.popitem(last=False)
        return cipher


def _blinded(secret: bytes, term: str) -> str:
    digest = hmac.digest(secret, term.encode("utf-8", "surrogatepass"), "sha256")
    return f"b{digest[:_BLIND_BYTES].hex()}"


def _place(tenant: str, session: str, place: str) -> bytes:
    return f"{tenant}/{session}/{place}".encode()


def _changed() -> StorageFailed:
    return StorageFailed(
        "A stored text is not what was encrypted there: the database is damaged, or somebody has "
        "changed it. Restore a backup."
    )
