"""Work that outlives a request: leased jobs, and the sweep that ends what retention has run out on.

Both are loops that somebody owns (`run` ends only when it is cancelled), over a step that can be
called alone (`run_once`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from greffier_models.errors import EngineError
from greffier_server.errors import ServerError, SessionNotFound
from greffier_server.pipeline.clock import Clock
from greffier_server.storage.journal import AudioJournal
from greffier_server.storage.store import Job, SessionStore

__all__ = ["Abandoned", "Handler", "JobRunner", "Retention"]

_log = logging.getLogger(__name__)

Handler = Callable[[Job], Awaitable[None]]
"""Does one kind of job. It may run again after a crash, so doing it twice must do no harm."""

Abandoned = Callable[[Job, str], Awaitable[None]]
"""Told of a job that will not be tried again, with the code of its last error."""


class JobRunner:
    """Claims jobs one at a time and hands them to the handler of their kind.

    A job that fails is given back and tried again after `backoff_ms`, twice that, and so on up to
    an hour. One that has failed `attempts` times, or with an error that says it is not retryable,
    is deleted, and `abandoned` is told.

    Args:
        store: the queue.
        clock: for leases and delays.
        handlers: by kind of job.
        lease_ms: a handler has this long; it is cancelled then, before another may claim its job.
        attempts: most claims of one job.
        backoff_ms: delay after the first failure.
        poll_ms: how often an idle runner looks for work that nobody told it of (`wake`).
        abandoned: told of jobs given up.
        ready: whether jobs may be begun now.
    """

    def __init__(
        self,
        store: SessionStore,
        *,
        clock: Clock,
        handlers: Mapping[str, Handler],
        lease_ms: int = 900_000,
        attempts: int = 5,
        backoff_ms: int = 5_000,
        poll_ms: int = 5_000,
        abandoned: Abandoned | None = None,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store = store
        self._clock = clock
        self._handlers = dict(handlers)
        self._lease_ms = lease_ms
        self._attempts = attempts
        self._backoff_ms = backoff_ms
        self._poll_ms = poll_ms
        self._abandoned = abandoned
        self._ready = ready
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look for work now: a job was queued."""
        self._woken.set()

    async def run(self) -> None:
        """Do jobs until cancelled; a lost store is waited for."""
        while True:
            self._woken.clear()
            try:
                busy = await self.run_once()
            except ServerError as error:
                _log.warning("jobs wait for the store: %s", error.code)
                busy = False
            if not busy:
                await _pause(self._woken, self._poll_ms)

    async def run_once(self) -> bool:
        """Claim a job and do it; False when there was none, or none may begin.

        Raises:
            StorageFailed: the queue cannot be used.
        """
        if not self._ready():
            return False
        job = await self._store.claim(tuple(self._handlers), self._clock.now_ms(), self._lease_ms)
        if job is None:
            return False
        if job.attempts > self._attempts:  # its last holder died with it
            await self._give_up(job, "attempts_exhausted")
            return True
        try:
            async with asyncio.timeout(self._lease_ms * 0.9 / 1000):
                await self._handlers[job.kind](job)
        except asyncio.CancelledError:  # the server stops: the next one need not wait for the lease
            await self._store.retry(job, self._clock.now_ms())
            raise
        except SessionNotFound:  # deleted meanwhile: nothing is left to do
            await self._store.complete(job)
        except (ServerError, EngineError) as error:
            await self._failed(job, error.code, retryable=error.retryable)
        except TimeoutError:
            await self._failed(job, "timeout", retryable=True)
        except Exception as error:  # noqa: BLE001 - one bad job must not stop the others
            # Only the type: the message of an unknown error may hold words of a session.
            await self._failed(job, type(error).__name__, retryable=True)
        else:
            await self._store.complete(job)
        return True

    async def _failed(self, job: Job, code: str, *, retryable: bool) -> None:
        if not retryable or job.attempts >= self._attempts:
            await self._give_up(job, code)
            return
        delay_ms = min(self._backoff_ms * 2 ** (job.attempts - 1), _LONGEST_DELAY_MS)
        _log.warning("job %s failed (%s), again in %d ms", job.kind, code, delay_ms)
        await self._store.retry(job, self._clock.now_ms() + delay_ms)

    async def _give_up(self, job: Job, code: str) -> None:
        _log.error("job %s is given up after %d attempts (%s)", job.kind, job.attempts, code)
        if self._abandoned is not None:
            await self._abandoned(job, code)
        await self._store.complete(job)


class Retention:
    """Deletes finished sessions whose time is over: audio first, then rows.

    In that order a crash in between leaves the row, and the next sweep goes on with it.

    Args:
        store: rows and events.
        journal: audio.
        clock: what time it is.
        every_ms: between two sweeps.
    """

    def __init__(
        self,
        store: SessionStore,
        journal: AudioJournal,
        *,
        clock: Clock,
        every_ms: int = 60_000,
    ) -> None:
        self._store = store
        self._journal = journal
        self._clock = clock
        self._every_ms = every_ms

    async def run(self) -> None:
        """Sweep until cancelled; what fails is tried again by the next sweep."""
        never = asyncio.Event()
        while True:
            try:
                await self.run_once()
            except ServerError as error:
                _log.warning("retention waits for the store: %s", error.code)
            await _pause(never, self._every_ms)

    async def run_once(self) -> int:
        """Delete all that has expired; return how many sessions went.

        A session that cannot be deleted does not keep the others.

        Raises:
            StorageFailed: the store does not say what has expired.
        """
        now_ms = self._clock.now_ms()
        gone, failed = 0, set[tuple[str, str]]()
        while True:
            page = await self._store.expired(now_ms, limit=_SWEEP_PAGE + len(failed))
            due = [row for row in page if (row.tenant, row.session) not in failed]
            if not due:
                return gone
            for row in due:
                try:
                    await self._journal.delete(row.tenant, row.session)
                    await self._store.delete(row.tenant, row.session)
                    gone += 1
                except ServerError as error:
                    failed.add((row.tenant, row.session))
                    _log.warning("an expired session could not be deleted: %s", error.code)


_LONGEST_DELAY_MS = 3_600_000
_SWEEP_PAGE = 100


async def _pause(woken: asyncio.Event, ms: int) -> None:
    try:
        async with asyncio.timeout(ms / 1000):
            await woken.wait()
    except TimeoutError:
        pass
