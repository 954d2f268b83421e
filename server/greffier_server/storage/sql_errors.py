"""What a database or its driver raises, as errors that tell an operator what to do."""

import errno
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from greffier_server.errors import StorageFailed
from greffier_server.storage.failures import StorageUnavailable

__all__ = ["ConnectionLost", "ConstraintRefused", "translated"]


class ConnectionLost(StorageUnavailable):
    """The connection broke, or the server ended the transaction: worth one more try at once."""


class ConstraintRefused(StorageFailed):
    """A key is taken, or a row that is referred to does not exist."""


_LOST = (
    "The database does not answer. Check that it runs and can be reached; nothing stored is lost."
)
_FULL = "The disk that holds the database is full. Free some space; recording goes on then."
_BUSY = "The database is busy with another program for too long. Close that program and try again."
_DENIED = "The database refuses the server's user. Check the user, password and rights."
_DAMAGED = "The database file is damaged or is no database. Restore it from a backup."
_READ_ONLY = "The database cannot be written. Check the owner, mode and mount of its disk."
_DISK = "The disk that holds the database reports errors. Check the disk."
_OTHER = "The database could not do what was asked ({}). See its own log."

_SQLITE: dict[str, str] = {
    "SQLITE_FULL": _FULL,
    "SQLITE_BUSY": _BUSY,
    "SQLITE_LOCKED": _BUSY,
    "SQLITE_READONLY": _READ_ONLY,
    "SQLITE_CANTOPEN": _READ_ONLY,
    "SQLITE_PERM": _READ_ONLY,
    "SQLITE_IOERR": _DISK,
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": _DAMAGED,
}
"""By the first two parts of the error's name, https://www.sqlite.org/rescode.html."""

_POSTGRES: dict[str, str] = {
    "53100": _FULL,
    "53": "The database has no room for another connection or no memory. Raise its limits.",
    "28": _DENIED,
    "42501": _DENIED,
    "3D": "The database does not exist. Create it, or correct its name in the settings.",
    "25006": _READ_ONLY,
    "58": _DISK,
    "XX": _DAMAGED,
    "57014": _BUSY,
    "55P03": _BUSY,
}
"""By SQLSTATE or its class, https://www.postgresql.org/docs/current/errcodes-appendix.html."""

_TRY_AGAIN = ("08", "57P", "40001", "40P01")


@contextmanager
def translated() -> Generator[None, None, None]:
    """Raise StorageUnavailable, ConnectionLost or StorageFailed for what goes wrong inside."""
    try:
        yield
    except PoolTimeout as error:
        raise StorageUnavailable(_BUSY) from error
    except IntegrityError as error:
        raise ConstraintRefused("The database refused the row.") from error
    except DBAPIError as error:
        raise _from_driver(error) from error
    except SQLAlchemyError as error:
        raise StorageFailed(_OTHER.format(type(error).__name__)) from error
    except OSError as error:  # connecting: refused, unreachable, timed out, name not found
        full = error.errno == errno.ENOSPC
        raise StorageUnavailable(_FULL) if full else ConnectionLost(_LOST) from error
    except Exception as error:
        state = getattr(error, "sqlstate", None)  # the driver's own, while it connects
        if isinstance(state, str):
            raise _from_state(state) from error
        raise


def _from_driver(error: DBAPIError) -> StorageFailed:
    seen: BaseException | None = error.orig
    while seen is not None:
        name = getattr(seen, "sqlite_errorname", None)
        if isinstance(name, str):
            text = _SQLITE.get("_".join(name.split("_")[:2]))
            return StorageUnavailable(text) if text else StorageFailed(_OTHER.format(name))
        state = getattr(seen, "sqlstate", None)
        if isinstance(state, str):
            return _from_state(state)
        seen = seen.__cause__
    if error.connection_invalidated:
        return ConnectionLost(_LOST)
    return StorageFailed(_OTHER.format(type(error.orig).__name__))


def _from_state(state: str) -> StorageFailed:
    if state.startswith(_TRY_AGAIN):
        return ConnectionLost(_LOST)
    text = _POSTGRES.get(state) or _POSTGRES.get(state[:2])
    return StorageUnavailable(text) if text else StorageFailed(_OTHER.format(f"SQLSTATE {state}"))
