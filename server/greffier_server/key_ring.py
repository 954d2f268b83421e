"""The key ring that the settings name, and the shelf that its keys lie on."""

from collections.abc import Generator
from contextlib import contextmanager

from greffier_server.errors import SettingsInvalid
from greffier_server.settings import Settings
from greffier_server.storage.database_shelf import DatabaseShelf
from greffier_server.storage.failures import disk_failure
from greffier_server.storage.key_shelf import FolderShelf, KeyShelf
from greffier_server.storage.keys import KeyRing, MasterKey, read_master_key

__all__ = ["check_keys", "key_shelf", "keys_are_shared", "master_key", "open_key_ring"]


def keys_are_shared(settings: Settings) -> bool:
    """Whether the keys of tenants lie in the database, for servers that share their audio."""
    return settings.on_postgresql and settings.shared.audio and settings.encryption.keys_dir is None


@contextmanager
def key_shelf(settings: Settings) -> Generator[KeyShelf, None, None]:
    """Where the keys of tenants lie, until the block ends (blocking)."""
    if not keys_are_shared(settings):
        yield FolderShelf(settings.keys_path)
        return
    shelf = DatabaseShelf(settings.database.get_secret_value())
    try:
        yield shelf
    finally:
        shelf.close()


def open_key_ring(settings: Settings, shelf: KeyShelf) -> KeyRing | None:
    """Return the keys of tenants (blocking); None where encryption is off.

    Raises:
        SettingsInvalid: the master key cannot be read, or is none.
    """
    return KeyRing(shelf, master_key(settings)) if settings.encryption.enabled else None


def check_keys(settings: Settings, ring: KeyRing) -> None:
    """Try the master key (blocking); the database's schema is up to date by then.

    Raises:
        SettingsInvalid: the master key cannot be read, or is none.
        EncryptionKeyWrong: it does not open every key that is there.
        StorageFailed: the keys cannot be read.
    """
    master = master_key(settings)
    try:
        for wrapped in ring.all_wrapped():
            wrapped.unwrap(master)
    except OSError as error:
        raise disk_failure(error) from error


def master_key(settings: Settings) -> MasterKey:
    """Return the master key, whether encryption is on or off (blocking).

    Raises:
        SettingsInvalid: none is named, or it cannot be read, or is none.
    """
    wanted = settings.encryption
    if wanted.master_key is not None:
        return read_master_key(wanted.master_key.get_secret_value())
    if wanted.master_key_file is None:
        raise SettingsInvalid(
            "No master key is named: set encryption.master_key_file (greffier keys init FILE)."
        )
    try:
        text = wanted.master_key_file.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        raise SettingsInvalid(
            "The file that encryption.master_key_file names cannot be read. Check path and owner."
        ) from None
    return read_master_key(text)
