"""Figures of use: sums by day and language that name no session, and what people say of it."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql, sqlite

from greffier_server.errors import SessionNotFound, StorageFailed
from greffier_server.storage.rows import storable
from greffier_server.storage.search import Connections
from greffier_server.storage.sql_errors import ConstraintRefused
from greffier_server.storage.store import SessionRow
from greffier_server.storage.tables import feedback, search_progress, usage_days
from greffier_server.storage.texts import Texts

__all__ = ["Counted", "Feedback", "SqlUsage", "UsageDay"]

_FEEDBACK = "feedback"
"""Where comments are kept, for their encryption."""
_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Counted:
    """What one session adds to the sums."""

    duration_ms: int
    words: int
    corrections: int


@dataclass(frozen=True, slots=True)
class UsageDay:
    """Finished sessions of a day in one language."""

    day: str
    """ISO 8601, UTC."""
    language: str
    sessions: int
    duration_ms: int
    words: int
    corrections: int


@dataclass(frozen=True, slots=True)
class Feedback:
    """What somebody thinks of the service."""

    at_ms: int
    rating: int
    """1 to 5."""
    comment: str


class SqlUsage:
    """Sums and feedback; one object serves one event loop.

    Args:
        read: opens a connection to read.
        write: opens a transaction that writes.
        texts: how comments are kept.
    """

    def __init__(self, read: Connections, write: Connections, texts: Texts) -> None:
        self._read = read
        self._write = write
        self._texts = texts

    async def count(self, row: SessionRow, seq: int, counted: Counted) -> None:
        """Note that a finished session is indexed up to `seq`, and count it once.

        What was counted of it before is kept with the session, so that only the difference is
        added, however often this is called. Deleting the session leaves the sums.

        Raises:
            SessionNotFound: it is deleted.
            StorageFailed: nothing is counted.
        """
        key = {"tenant": row.tenant, "session": row.session}
        where = (search_progress.c.tenant == row.tenant) & (
            search_progress.c.session == row.session
        )
        values = {
            "duration_ms": counted.duration_ms,
            "words": counted.words,
            "corrections": counted.corrections,
        }
        try:
            async with self._write() as connection:
                dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
                await connection.execute(
                    dialect.insert(search_progress)
                    .values(**key, seq=-1, duration_ms=0, words=0, corrections=0)
                    .on_conflict_do_nothing()
                )
                found = await connection.execute(
                    select(search_progress).where(where).with_for_update()
                )
                before = found.mappings().one()
                await connection.execute(
                    search_progress.update()
                    .where(where)
                    .values(seq=max(seq, int(before["seq"])), **values)
                )
                added = {name: value - int(before[name]) for name, value in values.items()}
                added["sessions"] = int(before["seq"]) < 0
                sums = dialect.insert(usage_days).values(
                    tenant=row.tenant, day=_day(row.created_at_ms), language=row.language, **added
                )
                await connection.execute(
                    sums.on_conflict_do_update(
                        index_elements=["tenant", "day", "language"],
                        set_={name: usage_days.c[name] + sums.excluded[name] for name in added},
                    )
                )
        except ConstraintRefused:
            raise SessionNotFound("The session does not exist, or is deleted.") from None

    async def days(self, tenant: str, *, from_day: str, to_day: str) -> Sequence[UsageDay]:
        """Return the sums of a tenant from `from_day` to before `to_day` (ISO 8601), in order."""
        query = (
            select(usage_days)
            .where(
                usage_days.c.tenant == tenant,
                usage_days.c.day >= from_day,
                usage_days.c.day < to_day,
            )
            .order_by(usage_days.c.day, usage_days.c.language)
        )
        async with self._read() as connection:
            rows = [dict(found) for found in (await connection.execute(query)).mappings()]
        return [UsageDay(**{name: row[name] for name in UsageDay.__slots__}) for row in rows]

    async def give(self, tenant: str, given: Feedback) -> None:
        """Keep what somebody thinks. Raises StorageFailed."""
        await self._texts.prepare([tenant], writing=True)
        identity = secrets.token_hex(16)
        comment = self._texts.seal(tenant, _FEEDBACK, identity, storable(given.comment))
        values = {"id": identity, "tenant": tenant, "at_ms": given.at_ms}
        async with self._write() as connection:
            await connection.execute(
                insert(feedback).values(**values, rating=given.rating, comment=comment)
            )

    async def given(self, tenant: str, *, from_ms: int, to_ms: int) -> Sequence[Feedback]:
        """Return the newest feedback of a time, in order; comments whose key is gone are empty."""
        query = (
            select(feedback)
            .where(
                feedback.c.tenant == tenant,
                feedback.c.at_ms >= from_ms,
                feedback.c.at_ms < to_ms,
            )
            .order_by(feedback.c.at_ms.desc())
            .limit(_PAGE)
        )
        async with self._read() as connection:
            rows = [dict(found) for found in (await connection.execute(query)).mappings()]
        await self._texts.prepare([tenant])
        found: list[Feedback] = []
        for row in reversed(rows):
            try:
                comment = self._texts.open(tenant, _FEEDBACK, row["id"], row["comment"])
            except StorageFailed:
                comment = ""
            found.append(Feedback(int(row["at_ms"]), int(row["rating"]), comment))
        return found


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()
