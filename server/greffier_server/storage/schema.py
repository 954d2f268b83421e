"""Brings a database to the newest schema; several servers may do so at once."""

import asyncio
from pathlib import Path
from typing import cast

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from greffier_server.errors import SettingsInvalid
from greffier_server.storage.engines import WRITES

__all__ = ["upgrade"]

_LOCK = 0x67726566  # any number that every Greffier server takes, and nobody else


async def upgrade(engine: AsyncEngine) -> None:
    """Run the revisions the database lacks, all in one transaction and one server at a time.

    The others wait: on PostgreSQL for an advisory lock, on SQLite for the write lock.

    Raises:
        SettingsInvalid: the database was written by a newer Greffier.
    """
    script = await asyncio.to_thread(_load)
    async with engine.connect() as plain:
        connection = await plain.execution_options(**WRITES)
        async with connection.begin():
            if engine.dialect.name == "postgresql":
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            await connection.run_sync(_run, script)


def _load() -> ScriptDirectory:
    script = ScriptDirectory(Path(__file__).parent / "migrations")
    script.get_heads()  # reads the files here, in a thread, and not on the event loop
    return script


def _run(connection: Connection, script: ScriptDirectory) -> None:
    context = MigrationContext.configure(connection)
    current = context.get_current_revision()
    try:
        pending = list(script.iterate_revisions("head", current or "base"))
    except (CommandError, RevisionError) as error:
        raise SettingsInvalid(
            "The database was written by a newer Greffier. Start that version, or restore the "
            "backup made before it."
        ) from error
    operations = Operations(context)
    for revision in reversed(pending):
        cast("_Revision", revision.module).upgrade(operations)
        context.stamp(script, revision.revision)


class _Revision:
    """Shape of a revision's module."""

    @staticmethod
    def upgrade(op: Operations) -> None:
        """Change the schema."""
