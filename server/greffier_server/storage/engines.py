"""Database engines by URL, and the settings that make a returned commit a durable one."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from greffier_server.errors import SettingsInvalid
from greffier_server.storage.failures import StorageUnavailable

__all__ = ["BARE", "WRITES", "engine_for"]

WRITES: dict[str, Any] = {"greffier_transaction": "BEGIN IMMEDIATE"}
"""Execution options of a connection whose transaction will write."""
BARE: dict[str, Any] = {"greffier_transaction": ""}
"""Execution options of a connection for SQLite's housekeeping, which no transaction may hold."""

_BUSY_MS = 10_000
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}


async def engine_for(address: str) -> AsyncEngine:
    """Return an engine for ``sqlite:///path`` or ``postgresql://user@host/name``.

    Raises:
        SettingsInvalid: another kind of address.
        StorageUnavailable: the SQLite file cannot be made.
    """
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise SettingsInvalid("The database address is not a URL such as sqlite:///…") from error
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise SettingsInvalid("The database address must begin with sqlite:/// or postgresql://")
    url = url.set(drivername=driver)
    if driver == "sqlite+aiosqlite":
        return await _sqlite(url)
    return _postgresql(url)


async def _sqlite(url: URL) -> AsyncEngine:
    if not url.database or url.database == ":memory:":
        raise SettingsInvalid("Name a file: sqlite:////var/lib/greffier/greffier.db")
    await asyncio.to_thread(_prepare, Path(url.database))
    engine = create_async_engine(url, connect_args={"timeout": _BUSY_MS / 1000})
    event.listen(engine.sync_engine, "connect", _set_pragmas)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _prepare(path: Path) -> None:
    """Make the file, readable by its owner alone, with what only a new file can be given."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=True)
        deadline = time.monotonic() + _BUSY_MS / 1000
        while True:
            try:
                with closing(sqlite3.connect(path, timeout=1)) as connection:
                    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                    connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:  # the switch to WAL does not wait for others
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
    except (OSError, sqlite3.Error) as error:
        raise StorageUnavailable(
            "The database file cannot be opened. Check that its directory exists and is writable, "
            "and that the file is an SQLite database."
        ) from error


def _set_pragmas(connection: Any, _record: Any) -> None:
    """Set what SQLite forgets with each connection (https://www.sqlite.org/pragma.html)."""
    connection.isolation_level = None  # transactions begin where we say, not where the driver does
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = FULL")  # WAL: every commit is synced
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.execute("PRAGMA journal_size_limit = 67108864")
    cursor.close()


def _begin(connection: Connection) -> None:
    """Take SQLite's write lock at once, so that a transaction never has to upgrade and fail."""
    statement = str(connection.get_execution_options().get("greffier_transaction", "BEGIN"))
    if statement:
        connection.exec_driver_sql(statement)


def _postgresql(url: URL) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=5,
        max_overflow=5,
        pool_timeout=15,
        pool_pre_ping=True,
        connect_args={
            "timeout": 10,
            "command_timeout": 60,
            "server_settings": {
                "application_name": "greffier",
                "synchronous_commit": "on",
                # A server that is paused in mid-transaction must not keep its row locks.
                "idle_in_transaction_session_timeout": "5000",
            },
        },
    )
