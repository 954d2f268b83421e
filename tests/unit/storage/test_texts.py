"""Texts of the database: encrypted, bound to their place, and told from plain ones."""

import asyncio
from pathlib import Path

import pytest

from greffier_server.errors import StorageFailed
from greffier_server.storage.failures import EncryptionKeyMissing
from greffier_server.storage.keys import KeyRing, MasterKey
from greffier_server.storage.texts import EncryptedTexts, PlainTexts, is_encrypted
from tests.support.simulated_fs import SimulatedDisk

pytestmark = pytest.mark.unit

TEXT = '{"event":"déjà \\u0000 \ud800"}'


async def prepared() -> tuple[EncryptedTexts, KeyRing]:
    ring = KeyRing(Path("/keys"), MasterKey(bytes(32)), files=SimulatedDisk())
    texts = EncryptedTexts(ring)
    await texts.prepare(["t", "other"], writing=True)
    return texts, ring


async def test_a_text_comes_back_at_its_place_and_nowhere_else() -> None:
    texts, _ = await prepared()
    stored = texts.seal("t", "s", "1", TEXT)
    assert is_encrypted(stored)
    assert "event" not in stored
    assert texts.seal("t", "s", "1", TEXT) != stored  # another nonce
    assert texts.open("t", "s", "1", stored) == TEXT
    for place in (("t", "s", "2"), ("t", "s2", "1")):
        with pytest.raises(StorageFailed):
            texts.open(*place, stored)
    with pytest.raises(EncryptionKeyMissing):
        texts.open("other", "s", "1", stored)
    for changed in (stored[:-4], stored + "!", stored[:60] + "AAAA" + stored[64:]):
        with pytest.raises(StorageFailed) as refused:
            texts.open("t", "s", "1", changed)
        assert "déjà" not in refused.value.message


async def test_plain_texts_stay_readable_and_encrypted_ones_need_a_key() -> None:
    texts, _ = await prepared()
    assert texts.open("t", "s", "1", TEXT) == TEXT
    plain = PlainTexts()
    assert plain.open("t", "s", "1", plain.seal("t", "s", "1", TEXT)) == TEXT
    with pytest.raises(EncryptionKeyMissing):
        plain.open("t", "s", "1", texts.seal("t", "s", "1", TEXT))


async def test_a_destroyed_key_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, ring = await prepared()
    stored = texts.seal("t", "s", "1", TEXT)
    await asyncio.to_thread(ring.destroy, "t")
    monkeypatch.setattr("greffier_server.storage.texts._FRESH_S", -1.0)
    await texts.prepare(["t"])
    with pytest.raises(EncryptionKeyMissing):
        texts.open("t", "s", "1", stored)
    with pytest.raises(EncryptionKeyMissing):
        texts.seal("t", "s", "1", TEXT)
    await texts.prepare(["t"], writing=True)
    assert texts.open("t", "s", "2", texts.seal("t", "s", "2", TEXT)) == TEXT
