"""The index over all that was said: passages written, found and forgotten (SQLite, PostgreSQL)."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, cast

from sqlalchemy import and_, delete, func, or_, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from greffier_server.core.passages import Passage, PassageKind
from greffier_server.core.search import Query, fold_text
from greffier_server.errors import SessionNotFound, StorageFailed
from greffier_server.storage.rows import storable
from greffier_server.storage.session_rows import SESSION_COLUMNS, session_row
from greffier_server.storage.sql_errors import ConstraintRefused
from greffier_server.storage.store import SessionRow
from greffier_server.storage.tables import search_passages, search_progress, sessions
from greffier_server.storage.texts import Texts

__all__ = ["Connections", "Found", "Scope", "SqlSearch", "purge"]

Connections = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
"""Opens a connection, for reading or for one transaction that writes."""

_PIECE = 200
_MERGE_PAGES = 256
_MOST_MERGES = 10_000


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to look; None and empty = everywhere."""

    language: str | None = None
    session: str | None = None
    from_ms: int | None = None
    """Sessions begun at or after (milliseconds since the epoch)."""
    to_ms: int | None = None
    """Sessions begun before."""
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that holds what was sought."""

    row: SessionRow
    passage: Passage


class SqlSearch:
    """Passages of sessions; one object serves one event loop.

    Args:
        read: opens a connection to read.
        write: opens a transaction that writes.
        texts: how texts and terms are kept.
    """

    def __init__(self, read: Connections, write: Connections, texts: Texts) -> None:
        self._read = read
        self._write = write
        self._texts = texts

    async def put(self, tenant: str, session: str, passages: Sequence[Passage]) -> None:
        """Add passages, or write them anew.

        Raises:
            SessionNotFound: it is deleted.
            StorageFailed: nothing is written.
        """
        if not passages:
            return
        await self._texts.prepare([tenant], writing=True)
        try:
            async with self._write() as connection:
                await self._put(connection, tenant, session, passages)
        except ConstraintRefused:
            raise SessionNotFound("The session does not exist, or is deleted.") from None

    async def replace(self, tenant: str, session: str, passages: Sequence[Passage]) -> None:
        """Make `passages` all there is of a session; what has not changed is left alone.

        Raises:
            SessionNotFound: it is deleted.
            StorageFailed: a part may be written.
        """
        await self._texts.prepare([tenant], writing=True)
        stored = await self._stored(tenant, session)
        wanted = {_place(passage): passage for passage in passages}
        changed = [one for place, one in wanted.items() if stored.get(place, (0, None))[1] != one]
        gone = [identity for place, (identity, _) in stored.items() if place not in wanted]
        try:
            for start in range(0, max(len(changed), len(gone)), _PIECE):
                async with self._write() as connection:  # short: captions wait for the lock
                    if gone[start : start + _PIECE]:
                        ids = gone[start : start + _PIECE]
                        await connection.execute(
                            delete(search_passages).where(search_passages.c.id.in_(ids))
                        )
                    part = changed[start : start + _PIECE]
                    if part:
                        await self._put(connection, tenant, session, part)
        except ConstraintRefused:
            raise SessionNotFound("The session does not exist, or is deleted.") from None

    async def behind(self, *, limit: int = 20) -> Sequence[SessionRow]:
        """Return finished sessions of any tenant that are not wholly indexed, newest first."""
        query = (
            select(*SESSION_COLUMNS)
            .select_from(sessions)
            .outerjoin(
                search_progress,
                and_(
                    sessions.c.tenant == search_progress.c.tenant,
                    sessions.c.session == search_progress.c.session,
                ),
            )
            .where(
                sessions.c.state == "finished",
                or_(search_progress.c.seq.is_(None), search_progress.c.seq < sessions.c.last_seq),
            )
            .order_by(sessions.c.created_at_ms.desc())
            .limit(limit)
        )
        async with self._read() as connection:
            return [session_row(found) for found in (await connection.execute(query)).mappings()]

    async def pending(self, tenant: str) -> int:
        """Count finished sessions of a tenant that are not wholly indexed."""
        query = (
            select(func.count())
            .select_from(sessions)
            .outerjoin(
                search_progress,
                and_(
                    sessions.c.tenant == search_progress.c.tenant,
                    sessions.c.session == search_progress.c.session,
                ),
            )
            .where(
                sessions.c.tenant == tenant,
                sessions.c.state == "finished",
                or_(search_progress.c.seq.is_(None), search_progress.c.seq < sessions.c.last_seq),
            )
        )
        async with self._read() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def find(self, tenant: str, query: Query, scope: Scope) -> Sequence[Found]:
        """Return passages of `tenant` that hold every clause, of the newest sessions first.

        Raises:
            StorageFailed: the index cannot be read.
        """
        if not query.clauses:
            return []
        await self._texts.prepare([tenant])
        async with self._read() as connection:
            lite = connection.dialect.name == "sqlite"
            sought = _sqlite_query if lite else _postgresql_query
            values: dict[str, object] = {
                "sought": sought(self._clauses(tenant, query), open_ended=query.open_ended),
                "tenant": tenant,
                "limit": scope.limit,
                "offset": scope.offset,
            }
            statement = _FIND_SQLITE if lite else _FIND_POSTGRESQL
            for name, condition in _CONDITIONS.items():
                value = getattr(scope, name)
                if value is not None:
                    statement += condition
                    values[name] = value
            found = await connection.execute(text(statement + _ORDER), values)
            rows = [dict(row) for row in found.mappings()]
        return [one for row in rows if (one := self._found(row)) is not None]

    def _clauses(self, tenant: str, query: Query) -> list[list[list[str]]]:
        """Clauses, each in every form that the index may hold it in."""
        return [
            [
                list(form)
                for form in zip(*(self._texts.forms(tenant, term) for term in clause), strict=True)
            ]
            for clause in query.clauses
        ]

    def _found(self, row: dict[str, Any]) -> Found | None:
        session = session_row(cast("Any", row))
        try:
            said = self._texts.open(
                session.tenant, session.session, _sealed_at(row), str(row["text"])
            )
        except StorageFailed:  # its key is gone: so is what it said
            return None
        try:
            title = self._texts.open(session.tenant, session.session, "title", session.title)
        except StorageFailed:
            title = ""
        passage = Passage(
            cast("PassageKind", row["kind"]),
            int(row["segment"]),
            str(row["passage_language"]),
            said,
            int(row["start_ms"]),
            int(row["end_ms"]),
        )
        return Found(replace(session, title=title), passage)

    async def _stored(
        self, tenant: str, session: str
    ) -> dict[tuple[str, str, int], tuple[int, Passage | None]]:
        query = select(search_passages).where(
            search_passages.c.tenant == tenant, search_passages.c.session == session
        )
        async with self._read() as connection:
            rows = [dict(row) for row in (await connection.execute(query)).mappings()]
        stored: dict[tuple[str, str, int], tuple[int, Passage | None]] = {}
        for row in rows:
            try:
                said = self._texts.open(tenant, session, _sealed_at(row), str(row["text"]))
            except StorageFailed:
                passage = None
            else:
                passage = Passage(
                    row["kind"],
                    int(row["segment"]),
                    row["language"],
                    said,
                    int(row["start_ms"]),
                    int(row["end_ms"]),
                )
            stored[row["kind"], row["language"], int(row["segment"])] = (int(row["id"]), passage)
        return stored

    async def _put(
        self, connection: AsyncConnection, tenant: str, session: str, passages: Sequence[Passage]
    ) -> None:
        dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
        insert = dialect.insert(search_passages)
        statement = insert.on_conflict_do_update(
            index_elements=["tenant", "session", "kind", "language", "segment"],
            set_={name: insert.excluded[name] for name in ("start_ms", "end_ms", "text", "terms")},
        )
        await connection.execute(
            statement, [self._values(tenant, session, passage) for passage in passages]
        )

    def _values(self, tenant: str, session: str, passage: Passage) -> dict[str, object]:
        said = storable(passage.text)
        values: dict[str, object] = {
            "tenant": tenant,
            "session": session,
            "kind": passage.kind,
            "language": passage.language,
            "segment": passage.segment,
            "start_ms": passage.start_ms,
            "end_ms": passage.end_ms,
            "terms": self._texts.blind(tenant, fold_text(said)),
        }
        return values | {"text": self._texts.seal(tenant, session, _sealed_at(values), said)}


async def purge(write: Connections) -> None:
    """Take the terms of deleted passages out of SQLite's index for good.

    FTS5 marks them as deleted and keeps them until it merges; this merges, a little at a time, so
    that nobody waits long for the write lock.
    """
    pages = -_MERGE_PAGES  # negative: begin by taking all of the index into one merge
    for _ in range(_MOST_MERGES):
        async with write() as connection:
            before = int((await connection.execute(_CHANGES)).scalar_one())
            await connection.execute(
                text("INSERT INTO search_terms(search_terms, rank) VALUES ('merge', :pages)"),
                {"pages": pages},
            )
            after = int((await connection.execute(_CHANGES)).scalar_one())
        if after - before < 2:  # as the manual has it: nothing was left to merge
            return
        pages = _MERGE_PAGES


_CHANGES = text("SELECT total_changes()")
_COLUMNS = """SELECT
    p.kind, p.segment, p.language AS passage_language, p.start_ms, p.end_ms, p.text,
    s.tenant, s.session, s.title, s.created_at_ms, s.updated_at_ms, s.state, s.language,
    s.translate_to, s.duration_ms, s.last_seq, s.token_hash, s.expires_at_ms
"""
_FIND_SQLITE = (
    _COLUMNS
    + """FROM search_terms t JOIN search_passages p ON p.id = t.rowid
    JOIN sessions s ON s.tenant = p.tenant AND s.session = p.session
    WHERE t.terms MATCH :sought AND p.tenant = :tenant"""
)
_FIND_POSTGRESQL = (
    _COLUMNS
    + """FROM search_passages p JOIN sessions s ON s.tenant = p.tenant AND s.session = p.session
    WHERE to_tsvector('simple'::regconfig, p.terms) @@ to_tsquery('simple'::regconfig, :sought)
    AND p.tenant = :tenant"""
)
_CONDITIONS = {
    "language": " AND p.language = :language",
    "session": " AND p.session = :session",
    "from_ms": " AND s.created_at_ms >= :from_ms",
    "to_ms": " AND s.created_at_ms < :to_ms",
}
_ORDER = """ ORDER BY s.created_at_ms DESC, s.session, p.start_ms, p.kind, p.language, p.segment
    LIMIT :limit OFFSET :offset"""


def _sqlite_query(clauses: list[list[list[str]]], *, open_ended: bool) -> str:
    """FTS5's query language; terms are letters and digits, in quotes."""
    written: list[str] = []
    for number, forms in enumerate(clauses):
        star = "*" if open_ended and number == len(clauses) - 1 else ""
        phrases = [f'"{" ".join(form)}"{star}' for form in forms]
        written.append(f"({' OR '.join(phrases)})")
    return " AND ".join(written)


def _postgresql_query(clauses: list[list[list[str]]], *, open_ended: bool) -> str:
    """PostgreSQL's tsquery; terms are letters and digits, in quotes."""
    written: list[str] = []
    for number, forms in enumerate(clauses):
        star = ":*" if open_ended and number == len(clauses) - 1 else ""
        phrases = [" <-> ".join(f"'{term}'" for term in form) + star for form in forms]
        written.append(f"({' | '.join(f'({phrase})' for phrase in phrases)})")
    return " & ".join(written)


def _place(passage: Passage) -> tuple[str, str, int]:
    return passage.kind, passage.language, passage.segment


def _sealed_at(row: dict[str, Any]) -> str:
    language = row.get("passage_language", row["language"])
    return f"search/{row['kind']}/{language}/{row['segment']}"
