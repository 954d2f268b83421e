"""Sessions, events and jobs in memory: for tests and ``--no-store``."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from greffier_server.core.events import Recorded
from greffier_server.errors import SessionExists, SessionNotFound
from greffier_server.storage.rows import (
    Key,
    advance,
    by_session,
    conflict,
    page_size,
    split_known,
    storable,
)
from greffier_server.storage.store import Job, SessionRow

__all__ = ["MemoryStore"]


class MemoryStore:
    """`SessionStore` that forgets everything when the process ends."""

    def __init__(self) -> None:
        self._rows: dict[Key, SessionRow] = {}
        self._events: dict[Key, list[Recorded]] = {}
        self._jobs: dict[int, Job] = {}
        self._last_job = 0

    async def create(self, row: SessionRow) -> None:
        """Add a session. Raises SessionExists when the id is taken."""
        key = (row.tenant, row.session)
        if key in self._rows:
            raise SessionExists("A session with this id exists. Choose another id.")
        self._rows[key] = replace(row, title=storable(row.title))
        self._events[key] = []

    async def append(self, records: Sequence[Recorded]) -> None:
        """Keep events of one or several sessions: all of them, or none.

        Raises:
            SessionNotFound: a session was never created, or is deleted.
            LogConflict: events do not follow the stored ones.
        """
        added: dict[Key, Sequence[Recorded]] = {}
        for key, group in by_session(records).items():
            row = self._rows.get(key)
            if row is None:
                raise SessionNotFound("The session does not exist, or is deleted.")
            known, fresh = split_known(row.last_seq, group)
            if any(self._events[key][record.seq - 1] != record for record in known):
                raise conflict()
            added[key] = fresh
        for key, fresh in added.items():
            if fresh:
                self._events[key].extend(fresh)
                self._rows[key] = advance(self._rows[key], fresh)

    async def events(self, tenant: str, session: str, *, after: int = 0) -> AsyncIterator[Recorded]:
        """Events with seq > after, in order."""
        for record in self._events.get((tenant, session), [])[max(after, 0) :]:
            yield record

    async def get(self, tenant: str, session: str) -> SessionRow | None:
        """One session."""
        return self._rows.get((tenant, session))

    async def list(
        self, tenant: str, *, limit: int = 50, before_ms: int | None = None
    ) -> Sequence[SessionRow]:
        """Sessions of a tenant, newest first; a page ends with a whole millisecond."""
        rows = [
            row
            for row in self._rows.values()
            if row.tenant == tenant and (before_ms is None or row.created_at_ms < before_ms)
        ]
        rows.sort(key=lambda row: (-row.created_at_ms, row.session))
        size = page_size(limit)
        page = rows[:size]
        tied = [row for row in rows[size:] if row.created_at_ms == page[-1].created_at_ms]
        return [*page, *tied]

    async def unfinished(self) -> Sequence[SessionRow]:
        """Sessions of every tenant that are open or draining, oldest first."""
        rows = [row for row in self._rows.values() if row.state in ("open", "draining")]
        return sorted(rows, key=lambda row: (row.created_at_ms, row.tenant, row.session))

    async def delete(self, tenant: str, session: str) -> bool:
        """Delete a session with its events and jobs; False when there was none."""
        key = (tenant, session)
        self._events.pop(key, None)
        self._jobs = {
            id_: job for id_, job in self._jobs.items() if (job.tenant, job.session) != key
        }
        return self._rows.pop(key, None) is not None

    async def expired(self, now_ms: int, *, limit: int = 100) -> Sequence[SessionRow]:
        """Finished sessions whose retention is over, longest first."""
        due = [
            (row.expires_at_ms, row.tenant, row.session)
            for row in self._rows.values()
            if row.state == "finished"
            and row.expires_at_ms is not None
            and row.expires_at_ms <= now_ms
        ]
        return [self._rows[tenant, id_] for _, tenant, id_ in sorted(due)[: page_size(limit)]]

    async def enqueue(self, kind: str, tenant: str, session: str, payload: str = "") -> int:
        """Add a job, or return the id of the same (kind, tenant, session) already queued.

        Raises:
            SessionNotFound: jobs belong to a session and go with it.
        """
        if (tenant, session) not in self._rows:
            raise SessionNotFound("The session does not exist, or is deleted.")
        for job in self._jobs.values():
            if (job.kind, job.tenant, job.session) == (kind, tenant, session):
                return job.id
        self._last_job += 1
        self._jobs[self._last_job] = Job(
            id=self._last_job,
            kind=kind,
            tenant=tenant,
            session=session,
            payload=storable(payload),
            attempts=0,
            run_after_ms=0,
            leased_until_ms=None,
        )
        return self._last_job

    async def claim(self, kinds: Sequence[str], now_ms: int, lease_ms: int) -> Job | None:
        """Take the oldest job that is due and not leased; counts the attempt."""
        for job in self._jobs.values():
            free = job.leased_until_ms is None or job.leased_until_ms <= now_ms
            if job.kind in kinds and job.run_after_ms <= now_ms and free:
                leased = replace(job, attempts=job.attempts + 1, leased_until_ms=now_ms + lease_ms)
                self._jobs[job.id] = leased
                return leased
        return None

    async def complete(self, job: Job) -> None:
        """The job is done: delete it (unless its lease ran out and another holds it)."""
        if self._holds(job):
            del self._jobs[job.id]

    async def retry(self, job: Job, run_after_ms: int) -> None:
        """Give the job back (unless its lease ran out and another holds it)."""
        if self._holds(job):
            self._jobs[job.id] = replace(job, leased_until_ms=None, run_after_ms=run_after_ms)

    async def close(self) -> None:
        """Nothing to release."""

    def _holds(self, job: Job) -> bool:
        known = self._jobs.get(job.id)
        return known is not None and known.attempts == job.attempts
