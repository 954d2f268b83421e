"""The key ring that the settings name."""

from greffier_server.errors import SettingsInvalid
from greffier_server.settings import Settings
from greffier_server.storage.failures import disk_failure
from greffier_server.storage.keys import KeyRing, MasterKey, read_master_key

__all__ = ["master_key", "open_key_ring"]


def open_key_ring(settings: Settings) -> KeyRing | None:
    """Return the keys of tenants (blocking); None where encryption is off.

    Raises:
        SettingsInvalid: the master key cannot be read, or is none.
        EncryptionKeyWrong: it does not open every key that is there.
        StorageFailed: the keys cannot be read.
    """
    if not settings.encryption.enabled:
        return None
    master = master_key(settings)
    ring = KeyRing(settings.keys_path, master)
    try:
        for wrapped in ring.all_wrapped():
            wrapped.unwrap(master)
    except OSError as error:
        raise disk_failure(error) from error
    return ring


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
