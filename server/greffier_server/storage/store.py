"""The port to what is kept of sessions, and the rows it speaks in."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from greffier_server.core.events import Recorded

__all__ = ["Job", "SessionRow", "SessionStore"]


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session as lists show it."""

    tenant: str
    session: str
    title: str
    created_at_ms: int
    """Wall clock, milliseconds since the epoch."""
    updated_at_ms: int
    state: str
    """``open`` (audio may come), ``draining`` (input ended, work left) or ``finished``."""
    language: str
    translate_to: tuple[str, ...]
    duration_ms: int
    last_seq: int
    token_hash: str
    """SHA-256 (hexadecimal) of the session's resume token; the token itself is not kept."""
    expires_at_ms: int | None = None
    """When retention deletes it; None = kept until deleted by hand."""


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of work that outlives a request, claimed with a lease."""

    id: int
    kind: str
    tenant: str
    session: str
    payload: str
    attempts: int
    run_after_ms: int
    leased_until_ms: int | None


class SessionStore(Protocol):
    """Sessions, events, minutes (the newest ``MinutesWritten``) and jobs.

    Every method may raise `greffier_server.errors.StorageFailed` (full disk, lost database); what
    was stored before stays readable.
    """

    async def create(self, row: SessionRow) -> None:
        """Add a session. Raises SessionExists when the id is taken."""
        ...

    async def append(self, records: Sequence[Recorded]) -> None:
        """Store durable events, of one or several sessions, in one transaction, synced to disk.

        Also brings `updated_at_ms`, `last_seq`, `state`, `language` and `duration_ms` of the rows
        up to date from the events themselves.
        """
        ...

    def events(self, tenant: str, session: str, *, after: int = 0) -> AsyncIterator[Recorded]:
        """Durable events with seq > after, in order."""
        ...

    async def get(self, tenant: str, session: str) -> SessionRow | None:
        """One session."""
        ...

    async def list(
        self, tenant: str, *, limit: int = 50, before_ms: int | None = None
    ) -> Sequence[SessionRow]:
        """Sessions of a tenant, newest first; `before_ms` (created) pages on."""
        ...

    async def unfinished(self) -> Sequence[SessionRow]:
        """Sessions of every tenant that were open or draining when the server last stopped."""
        ...

    async def delete(self, tenant: str, session: str) -> bool:
        """Delete a session with its events and jobs; False when there was none."""
        ...

    async def expired(self, now_ms: int, *, limit: int = 100) -> Sequence[SessionRow]:
        """Finished sessions whose retention is over."""
        ...

    async def enqueue(self, kind: str, tenant: str, session: str, payload: str = "") -> int:
        """Add a job; the same (kind, tenant, session) is never queued twice at once."""
        ...

    async def claim(self, kinds: Sequence[str], now_ms: int, lease_ms: int) -> Job | None:
        """Take the oldest job that is due and not leased."""
        ...

    async def complete(self, job: Job) -> None:
        """The job is done: delete it."""
        ...

    async def retry(self, job: Job, run_after_ms: int) -> None:
        """Give the job back, to be claimed not before `run_after_ms`."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
