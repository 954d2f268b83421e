"""Statements of the job queue: idempotent enqueue, claims by lease, fenced answers."""

from collections.abc import Sequence

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from greffier_server.storage.store import Job
from greffier_server.storage.tables import jobs

__all__ = ["claim", "complete", "enqueue", "retry"]


async def enqueue(connection: AsyncConnection, values: dict[str, object]) -> int | None:
    """Insert unless the same work is queued; return its id (None: it vanished meanwhile)."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = (
        dialect.insert(jobs)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["kind", "tenant", "session"])
    )
    added = (await connection.execute(insert.returning(jobs.c.id))).scalar_one_or_none()
    if added is not None:
        return int(added)
    known = select(jobs.c.id).where(
        jobs.c.kind == values["kind"],
        jobs.c.tenant == values["tenant"],
        jobs.c.session == values["session"],
    )
    found = (await connection.execute(known)).scalar_one_or_none()
    return None if found is None else int(found)


async def claim(
    connection: AsyncConnection, kinds: Sequence[str], *, now_ms: int, lease_ms: int
) -> Job | None:
    """Lease the oldest due job; rows that another claimer holds are skipped, not waited for.

    SQLite knows no row locks: there the transaction holds the only write lock.
    """
    oldest = (
        select(jobs.c.id)
        .where(
            jobs.c.kind.in_(list(kinds)),
            jobs.c.run_after_ms <= now_ms,
            or_(jobs.c.leased_until_ms.is_(None), jobs.c.leased_until_ms <= now_ms),
        )
        .order_by(jobs.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    found = (await connection.execute(oldest)).scalar_one_or_none()
    if found is None:
        return None
    lease = (
        update(jobs)
        .where(jobs.c.id == found)
        .values(attempts=jobs.c.attempts + 1, leased_until_ms=now_ms + lease_ms)
        .returning(*jobs.c)
    )
    row = (await connection.execute(lease)).mappings().one()
    return Job(**{str(key): value for key, value in row.items()})


async def complete(connection: AsyncConnection, job: Job) -> None:
    """Delete the job unless its lease has passed to another claimer."""
    await connection.execute(
        delete(jobs).where(jobs.c.id == job.id, jobs.c.attempts == job.attempts)
    )


async def retry(connection: AsyncConnection, job: Job, run_after_ms: int) -> None:
    """Free the job unless its lease has passed to another claimer."""
    await connection.execute(
        update(jobs)
        .where(jobs.c.id == job.id, jobs.c.attempts == job.attempts)
        .values(leased_until_ms=None, run_after_ms=run_after_ms)
    )
