"""Failures of storage that callers tell apart from the general `StorageFailed`."""

import errno
from typing import ClassVar

from greffier_server.errors import StorageFailed

__all__ = [
    "EncryptionKeyMissing",
    "EncryptionKeyWrong",
    "LogConflict",
    "QuotaExceeded",
    "SessionElsewhere",
    "SessionMoved",
    "StorageUnavailable",
    "disk_failure",
    "moved",
]


class StorageUnavailable(StorageFailed):
    """Nobody can store anything just now: disk full, database gone."""

    code: ClassVar[str] = "storage_unavailable"


class LogConflict(StorageFailed):
    """The events do not follow the stored ones: two writers hold the same session."""

    code: ClassVar[str] = "log_conflict"
    status: ClassVar[int] = 409
    retryable: ClassVar[bool] = False


class SessionMoved(LogConflict):
    """Another server has taken the session over; this one may write nothing more to it."""

    code: ClassVar[str] = "session_moved"
    close_code: ClassVar[int] = 4409
    retryable: ClassVar[bool] = True


class SessionElsewhere(StorageFailed):
    """The session lives at another server, and cannot be fetched from there."""

    code: ClassVar[str] = "session_elsewhere"
    status: ClassVar[int] = 409
    close_code: ClassVar[int] = 4409


class EncryptionKeyMissing(StorageFailed):
    """What is stored is encrypted, and the key is not there: not given, or destroyed."""

    code: ClassVar[str] = "encryption_key_missing"
    status: ClassVar[int] = 410
    retryable: ClassVar[bool] = False


class EncryptionKeyWrong(StorageFailed):
    """The key given does not open what is stored."""

    code: ClassVar[str] = "encryption_key_wrong"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False


class QuotaExceeded(StorageFailed):
    """The tenant's audio takes all the space it may take."""

    code: ClassVar[str] = "quota_exceeded"
    retryable: ClassVar[bool] = False


def moved() -> SessionMoved:
    """Return the error for a session that this server no longer owns."""
    return SessionMoved("The session goes on at another server. Reconnect to go on with it.")


_DISK: dict[int, str] = {
    errno.ENOSPC: "The disk that keeps the audio is full. Free some space; recording goes on then.",
    errno.EDQUOT: "The disk quota for the audio is used up. Raise it, or free some space.",
    errno.EROFS: "The disk that keeps the audio is read-only. Mount it for writing.",
    errno.EACCES: "The server may not write to its audio directory. Check the owner and mode.",
    errno.EPERM: "The server may not write to its audio directory. Check the owner and mode.",
    errno.EMFILE: "Too many files are open. Raise the limit of open files of the server.",
    errno.ENFILE: "Too many files are open on this machine. Raise the system's limit.",
}


def disk_failure(error: OSError) -> StorageFailed:
    """Return the error a user sees for what the operating system said about the audio disk."""
    number = error.errno or 0
    name = errno.errorcode.get(number, "unknown error")
    text = _DISK.get(
        number, f"The audio could not be kept on disk ({name}). Check the disk and its file system."
    )
    return StorageUnavailable(text)
