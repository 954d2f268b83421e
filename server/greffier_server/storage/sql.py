"""Sessions, events and jobs in SQLite or PostgreSQL, through SQLAlchemy Core."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
)
from dataclasses import replace
from typing import Any, Self, cast

import aiosqlite
from sqlalchemy import Select, delete, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from greffier_server.core.events import Recorded
from greffier_server.errors import SessionExists, SessionNotFound, StorageFailed
from greffier_server.storage import sql_events, sql_jobs
from greffier_server.storage.engines import BARE, WRITES, engine_for
from greffier_server.storage.glossaries import SqlGlossaries
from greffier_server.storage.holdings import Holdings
from greffier_server.storage.rows import (
    Key,
    advance,
    by_session,
    page_size,
    split_known,
    storable,
)
from greffier_server.storage.schema import upgrade
from greffier_server.storage.search import SqlSearch, purge
from greffier_server.storage.session_rows import SESSION_COLUMNS, session_row
from greffier_server.storage.sql_errors import ConnectionLost, ConstraintRefused, translated
from greffier_server.storage.store import Job, SessionRow
from greffier_server.storage.tables import events, sessions
from greffier_server.storage.texts import PlainTexts, Texts
from greffier_server.storage.usage import SqlUsage

__all__ = ["SqlStore"]

_log = logging.getLogger(__name__)

_EVENTS_PAGE = 500
_KEYS_PAGE = 400
_TIDY = "PRAGMA incremental_vacuum(2000); PRAGMA wal_checkpoint(TRUNCATE);"
"""At most 8 MB of free pages are given back at once: the write lock is never held for long."""


class SqlStore:
    """`SessionStore` on a database; make one with `open`. A commit returned is on disk.

    Args:
        engine: of the database.
        holdings: what this node owns, where several servers share the database; events of a
            session that another one owns are refused.
        texts: how words are kept; in the clear when absent.
    """

    def __init__(
        self, engine: AsyncEngine, holdings: Holdings | None = None, texts: Texts | None = None
    ) -> None:
        self._engine = engine
        self._holdings = holdings
        self._texts = texts or PlainTexts()
        self._sqlite = engine.dialect.name == "sqlite"
        # SQLite has one writer: waiting here is fair, waiting inside it is polling.
        self._turn: AbstractAsyncContextManager[None] = (
            asyncio.Lock() if self._sqlite else nullcontext()
        )

    @classmethod
    async def open(
        cls, url: str, holdings: Holdings | None = None, *, texts: Texts | None = None
    ) -> Self:
        """Connect to ``sqlite:///path`` or ``postgresql://…`` and bring its schema up to date.

        Raises:
            SettingsInvalid: not such an address, or a database of a newer Greffier.
            StorageFailed: it cannot be opened.
        """
        engine = await engine_for(url)
        try:
            with translated():
                await upgrade(engine)
        except BaseException:
            await engine.dispose()
            raise
        return cls(engine, holdings, texts)

    @property
    def glossaries(self) -> SqlGlossaries:
        """The terms of tenants, in the same database."""
        return SqlGlossaries(self._read, self._write, self._texts)

    async def create(self, row: SessionRow) -> None:
        """Add a session. Raises SessionExists when the id is taken."""
        values = {name: getattr(row, name) for name in SessionRow.__slots__}
        await self._texts.prepare([row.tenant], writing=True)
        values["title"] = self._texts.seal(row.tenant, row.session, "title", storable(row.title))
        values["translate_to"] = json.dumps(row.translate_to)
        try:
            async with AsyncExitStack() as stack:
                if self._holdings is not None:
                    values |= stack.enter_context(self._holdings.first((row.tenant, row.session)))
                connection = await stack.enter_async_context(self._write())
                await connection.execute(insert(sessions).values(**values))
        except ConstraintRefused:
            raise SessionExists("A session with this id exists. Choose another id.") from None

    async def append(self, records: Sequence[Recorded]) -> None:
        """Store events of one or several sessions in one transaction.

        Records that are stored already, byte for byte, are accepted again, so that an append
        whose answer was lost can be repeated.

        Raises:
            SessionNotFound: a session was never created, or is deleted; nothing is stored.
            LogConflict: events do not follow the stored ones; nothing is stored.
            SessionMoved: another server owns a session; nothing is stored.
            StorageUnavailable: disk full, or no connection.
        """
        groups = by_session(records)
        if not groups:
            return
        try:
            await self._append(groups)
        except ConnectionLost:  # did it commit? the repetition finds out
            await self._append(groups)

    async def _append(self, groups: dict[Key, list[Recorded]]) -> None:
        await self._texts.prepare([tenant for tenant, _ in groups], writing=True)
        async with self._write() as connection:
            rows = await self._locked_rows(connection, list(groups))
            added: list[dict[str, Any]] = []
            changed: list[dict[str, Any]] = []
            for key, records in groups.items():
                row = rows.get(key)
                if row is None:
                    raise SessionNotFound("The session does not exist, or is deleted.")
                known, fresh = split_known(row.last_seq, records)
                if known:
                    await sql_events.verify(connection, key, known, self._texts)
                if fresh:
                    added.extend(sql_events.event_values(record, self._texts) for record in fresh)
                    changed.append(sql_events.row_changes(advance(row, fresh)))
            if added:
                await connection.execute(insert(events), added)
                await connection.execute(sql_events.CHANGE_ROW, changed)

    async def events(self, tenant: str, session: str, *, after: int = 0) -> AsyncIterator[Recorded]:
        """Durable events with seq > after, in order; no transaction stays open between pages."""
        while True:
            page = (
                select(events.c.seq, events.c.payload)
                .where(events.c.tenant == tenant, events.c.session == session, events.c.seq > after)
                .order_by(events.c.seq)
                .limit(_EVENTS_PAGE)
            )
            async with self._read() as connection:
                found = [
                    (int(seq), str(payload)) for seq, payload in await connection.execute(page)
                ]
            await self._texts.prepare([tenant])
            for seq, payload in found:
                yield sql_events.decoded(self._texts.open(tenant, session, str(seq), payload))
                after = seq
            if len(found) < _EVENTS_PAGE:
                return

    async def get(self, tenant: str, session: str) -> SessionRow | None:
        """One session."""
        found = await self._rows(
            select(*SESSION_COLUMNS).where(
                sessions.c.tenant == tenant, sessions.c.session == session
            )
        )
        return found[0] if found else None

    async def list(
        self, tenant: str, *, limit: int = 50, before_ms: int | None = None
    ) -> Sequence[SessionRow]:
        """Sessions of a tenant, newest first; `before_ms` (created) pages on.

        A page also holds the sessions created in the same millisecond as its last one, so that
        paging skips none.
        """
        query = select(*SESSION_COLUMNS).where(sessions.c.tenant == tenant)
        if before_ms is not None:
            query = query.where(sessions.c.created_at_ms < before_ms)
        query = query.order_by(sessions.c.created_at_ms.desc(), sessions.c.session)
        found = await self._rows(query.limit(page_size(limit)))
        if len(found) < page_size(limit):
            return found
        edge = found[-1].created_at_ms
        tied = await self._rows(query.where(sessions.c.created_at_ms == edge))
        return [*(row for row in found if row.created_at_ms > edge), *tied]

    async def unfinished(self) -> Sequence[SessionRow]:
        """Sessions of every tenant that are open or draining, oldest first."""
        return await self._rows(
            select(*SESSION_COLUMNS)
            .where(sessions.c.state.in_(["open", "draining"]))
            .order_by(sessions.c.created_at_ms, sessions.c.tenant, sessions.c.session)
        )

    async def delete(self, tenant: str, session: str) -> bool:
        """Delete a session with its events and jobs; False when there was none.

        SQLite overwrites the freed pages, empties its write-ahead log and shrinks the file.
        """
        async with self._write() as connection:
            gone = await connection.execute(
                delete(sessions).where(sessions.c.tenant == tenant, sessions.c.session == session)
            )
        if gone.rowcount and self._sqlite:
            # The rows are gone; what is left is tidying, done again after the next deletion.
            try:
                await purge(self._write)
                await self._shrink()
            except StorageFailed as error:
                _log.warning("the database file could not be tidied: %s", error.message)
        return bool(gone.rowcount)

    async def expired(self, now_ms: int, *, limit: int = 100) -> Sequence[SessionRow]:
        """Finished sessions whose retention is over, longest first."""
        return await self._rows(
            select(*SESSION_COLUMNS)
            .where(sessions.c.state == "finished", sessions.c.expires_at_ms <= now_ms)
            .order_by(sessions.c.expires_at_ms, sessions.c.tenant, sessions.c.session)
            .limit(page_size(limit))
        )

    async def enqueue(self, kind: str, tenant: str, session: str, payload: str = "") -> int:
        """Add a job, or return the id of the same (kind, tenant, session) already queued.

        Raises:
            SessionNotFound: jobs belong to a session and go with it.
        """
        values: dict[str, object] = {
            "kind": kind,
            "tenant": tenant,
            "session": session,
            "payload": storable(payload),
            "attempts": 0,
            "run_after_ms": 0,
        }
        while True:
            try:
                async with self._write() as connection:
                    job = await sql_jobs.enqueue(connection, values)
            except ConstraintRefused:
                raise SessionNotFound("The session does not exist, or is deleted.") from None
            if job is not None:
                return job

    async def claim(self, kinds: Sequence[str], now_ms: int, lease_ms: int) -> Job | None:
        """Take the oldest job that is due and not leased; counts the attempt."""
        async with self._write() as connection:
            return await sql_jobs.claim(connection, kinds, now_ms=now_ms, lease_ms=lease_ms)

    async def complete(self, job: Job) -> None:
        """The job is done: delete it (unless its lease ran out and another holds it)."""
        async with self._write() as connection:
            await sql_jobs.complete(connection, job)

    async def retry(self, job: Job, run_after_ms: int) -> None:
        """Give the job back (unless its lease ran out and another holds it)."""
        async with self._write() as connection:
            await sql_jobs.retry(connection, job, run_after_ms)

    async def close(self) -> None:
        """Release connections."""
        await self._engine.dispose()

    def search(self) -> SqlSearch:
        """Return the index over the words of this store's sessions."""
        return SqlSearch(self._read, self._write, self._texts)

    def usage(self) -> SqlUsage:
        """Return the figures of use of this store's sessions."""
        return SqlUsage(self._read, self._write, self._texts)

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Return a transaction that may write; on SQLite one at a time, in turn."""
        return self._write()

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Return a connection to read with."""
        return self._read()

    @asynccontextmanager
    async def _read(self) -> AsyncGenerator[AsyncConnection, None]:
        with translated():
            async with self._engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def _write(self) -> AsyncGenerator[AsyncConnection, None]:
        with translated():
            async with self._turn, self._engine.connect() as plain:
                connection = await plain.execution_options(**WRITES)
                async with connection.begin():
                    yield connection

    async def _rows(self, query: Select[Any]) -> Sequence[SessionRow]:
        async with self._read() as connection:
            rows = [session_row(found) for found in (await connection.execute(query)).mappings()]
        await self._texts.prepare(row.tenant for row in rows)
        return [self._titled(row) for row in rows]

    def _titled(self, row: SessionRow) -> SessionRow:
        """With its title in the clear; without one where the key is gone."""
        try:
            title = self._texts.open(row.tenant, row.session, "title", row.title)
        except StorageFailed:
            title = ""
        return replace(row, title=title)

    async def _locked_rows(
        self, connection: AsyncConnection, keys: Sequence[Key]
    ) -> dict[Key, SessionRow]:
        rows: dict[Key, SessionRow] = {}
        for start in range(0, len(keys), _KEYS_PAGE):
            query = (
                select(*SESSION_COLUMNS, sessions.c.owner, sessions.c.epoch)
                .where(
                    tuple_(sessions.c.tenant, sessions.c.session).in_(
                        keys[start : start + _KEYS_PAGE]
                    )
                )
                .order_by(sessions.c.tenant, sessions.c.session)  # everybody locks in this order
                .with_for_update()
            )
            for found in (await connection.execute(query)).mappings():
                row = session_row(found)
                if self._holdings is not None and row.state != "finished":
                    self._holdings.check(
                        (row.tenant, row.session), owner=found["owner"], epoch=found["epoch"]
                    )
                rows[row.tenant, row.session] = row
        return rows

    async def _shrink(self) -> None:
        with translated():
            async with self._turn, self._engine.connect() as plain:
                bare = await plain.execution_options(**BARE)
                driver = (await bare.get_raw_connection()).driver_connection
                # A script is stepped to its end; a statement would free one page alone.
                await cast("aiosqlite.Connection", driver).executescript(_TIDY)
