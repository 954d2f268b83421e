"""The key that signs: made once, kept to its owner, never replaced behind anybody's back."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from greffier_server.bundle.signing import KEY_FILE, open_signing_key
from greffier_server.bundle.verify import verify_signature
from greffier_server.errors import SettingsInvalid, StorageFailed

pytestmark = pytest.mark.unit


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    key = open_signing_key(folder)
    path = folder / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]
    again = open_signing_key(folder)
    assert again.public == key.public
    assert open_signing_key(tmp_path / "elsewhere").public != key.public
    assert verify_signature(key.public, again.sign(b"text"), b"text")
    assert "PRIVATE" not in repr(key)


def test_of_two_that_make_a_key_at_once_one_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_signing_key(tmp_path)

    def missing(_path: Path) -> bool:  # as the other one saw it
        return False

    monkeypatch.setattr(Path, "exists", missing)
    assert open_signing_key(tmp_path).public == first.public
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_a_key_of_the_settings_is_never_made(tmp_path: Path) -> None:
    path = tmp_path / "mounted.pem"
    with pytest.raises(SettingsInvalid, match=r"integrity\.signing_key"):
        open_signing_key(tmp_path, path)
    assert not list(tmp_path.iterdir())
    open_signing_key(tmp_path)
    (tmp_path / KEY_FILE).rename(path)
    assert open_signing_key(tmp_path / "other", path).public


@pytest.mark.parametrize(
    ("mode", "accepted"),
    [(0o600, True), (0o400, True), (0o640, True), (0o660, False), (0o604, False)],
)
def test_a_key_that_others_may_use_is_refused(tmp_path: Path, mode: int, accepted: bool) -> None:
    open_signing_key(tmp_path)
    path = tmp_path / KEY_FILE
    path.chmod(mode)
    if accepted:
        open_signing_key(tmp_path)
    else:
        with pytest.raises(SettingsInvalid, match="chmod 600"):
            open_signing_key(tmp_path)


def pem(key: Ed25519PrivateKey | X25519PrivateKey, password: bytes = b"") -> bytes:
    protection = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        pem(X25519PrivateKey.generate()),
        pem(Ed25519PrivateKey.generate(), b"password"),
        pem(Ed25519PrivateKey.generate())[:60],
    ],
    ids=["empty", "text", "other-kind", "locked", "cut"],
)
def test_what_is_no_such_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / KEY_FILE
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(SettingsInvalid, match="Ed25519"):
        open_signing_key(tmp_path)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed, match="data directory"):
        open_signing_key(tmp_path / "file" / "data")
