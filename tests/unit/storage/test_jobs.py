"""Leased jobs and the retention sweep, by a clock that the test moves."""

import asyncio
import logging

import pytest

from greffier_models.errors import EngineTimeout, PromptTooLong
from greffier_server.errors import SessionNotFound, StorageFailed
from greffier_server.jobs import JobRunner, Retention
from greffier_server.pipeline.clock import ManualClock
from greffier_server.storage.journal import SessionJournal
from greffier_server.storage.memory import MemoryStore
from greffier_server.storage.store import Job
from tests.support.sessions import NOW_MS, row

pytestmark = pytest.mark.unit


class Desk:
    """A store with one job, a runner, and what its handler was given."""

    def __init__(self, *answers: Exception | None) -> None:
        self.store = MemoryStore()
        self.clock = ManualClock()
        self.answers = list(answers)
        self.done: list[Job] = []
        self.abandoned: list[tuple[Job, str]] = []
        self.runner = JobRunner(
            self.store,
            clock=self.clock,
            handlers={"minutes": self.handle},
            lease_ms=60_000,
            attempts=3,
            backoff_ms=1_000,
            abandoned=self.give_up,
        )

    async def queue(self, session: str = "s1") -> "Desk":
        await self.store.create(row(session))
        await self.store.enqueue("minutes", "dgfip", session)
        return self

    async def handle(self, job: Job) -> None:
        self.done.append(job)
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer

    async def give_up(self, job: Job, code: str) -> None:
        self.abandoned.append((job, code))

    async def left(self) -> Job | None:
        return await self.store.claim(["minutes"], NOW_MS + 10**12, 1)


async def test_a_job_is_done_once_and_deleted() -> None:
    desk = await Desk().queue()
    assert await desk.runner.run_once() is True
    assert await desk.runner.run_once() is False
    assert [job.session for job in desk.done] == ["s1"]
    assert await desk.left() is None


async def test_failures_wait_longer_each_time_and_end() -> None:
    desk = await Desk(*[EngineTimeout("slow")] * 3).queue()
    assert await desk.runner.run_once()
    desk.clock.advance(999)
    assert not await desk.runner.run_once()
    desk.clock.advance(1)
    assert await desk.runner.run_once()
    desk.clock.advance(1999)
    assert not await desk.runner.run_once()
    desk.clock.advance(1)
    assert await desk.runner.run_once()
    assert [job.attempts for job in desk.done] == [1, 2, 3]
    assert [(job.attempts, code) for job, code in desk.abandoned] == [(3, "engine_timeout")]
    assert await desk.left() is None


async def test_an_error_that_cannot_get_better_is_not_tried_again() -> None:
    desk = await Desk(PromptTooLong("too long")).queue()
    await desk.runner.run_once()
    assert [code for _, code in desk.abandoned] == ["prompt_too_long"]
    assert await desk.left() is None


async def test_a_defect_in_a_handler_is_retried_and_its_words_are_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = await Desk(ValueError("le texte secret")).queue()
    with caplog.at_level(logging.DEBUG):
        await desk.runner.run_once()
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text
    desk.clock.advance(1000)
    assert await desk.runner.run_once()
    assert desk.abandoned == []


async def test_a_deleted_session_ends_its_job() -> None:
    desk = await Desk(SessionNotFound("gone")).queue()
    await desk.runner.run_once()
    assert desk.abandoned == []
    assert await desk.left() is None


async def test_a_job_whose_holders_died_is_given_up_after_the_last_attempt() -> None:
    desk = await Desk().queue()
    for _ in range(3):
        assert await desk.store.claim(["minutes"], desk.clock.now_ms(), 1) is not None
        desk.clock.advance(1)
    assert await desk.runner.run_once()
    assert desk.done == []
    assert [code for _, code in desk.abandoned] == ["attempts_exhausted"]
    assert await desk.left() is None


async def test_a_stopping_server_gives_its_job_back() -> None:
    store, clock = MemoryStore(), ManualClock()
    await store.create(row())
    await store.enqueue("minutes", "dgfip", "s1")
    begun = asyncio.Event()

    async def handle(_: Job) -> None:
        begun.set()
        await asyncio.Event().wait()

    runner = JobRunner(store, clock=clock, handlers={"minutes": handle})
    running = asyncio.create_task(runner.run())
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    job = await store.claim(["minutes"], clock.now_ms(), 1)
    assert job is not None
    assert job.attempts == 2


async def test_an_idle_runner_is_woken() -> None:
    desk = Desk()
    running = asyncio.create_task(desk.runner.run())
    for _ in range(3):
        await asyncio.sleep(0)
    await desk.queue()
    desk.runner.wake()
    while await desk.store.claim(["minutes"], 0, 1) is not None or not desk.done:  # noqa: ASYNC110 - loop turns, no time
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(desk.done) == 1


class FailingJournal:
    """Deletes everything but one session's audio."""

    def __init__(self, stuck: str = "") -> None:
        self.stuck = stuck
        self.deleted: list[str] = []

    async def open(self, tenant: str, session: str) -> SessionJournal:
        raise NotImplementedError

    async def delete(self, tenant: str, session: str) -> None:
        if session == self.stuck:
            raise StorageFailed("read-only")
        self.deleted.append(session)

    async def size_bytes(self, tenant: str, session: str) -> int:
        return 0

    async def close(self) -> None:
        pass


async def test_the_sweep_deletes_what_is_over_and_nothing_else() -> None:
    store, journal, clock = MemoryStore(), FailingJournal(), ManualClock(NOW_MS)
    for number in range(230):
        await store.create(row(f"old{number}", state="finished", expires_at_ms=NOW_MS))
    await store.create(row("live", state="open", expires_at_ms=NOW_MS))
    await store.create(row("young", state="finished", expires_at_ms=NOW_MS + 1000))
    await store.create(row("kept", state="finished"))
    sweep = Retention(store, journal, clock=clock)
    assert await sweep.run_once() == 230
    assert {found.session for found in await store.list("dgfip")} == {"live", "young", "kept"}
    clock.advance(1000)
    assert await sweep.run_once() == 1
    assert await sweep.run_once() == 0


async def test_a_session_that_cannot_be_deleted_keeps_its_row_and_not_the_others() -> None:
    store, journal = MemoryStore(), FailingJournal("b")
    for name in ("a", "b", "c"):
        await store.create(row(name, state="finished", expires_at_ms=NOW_MS))
    sweep = Retention(store, journal, clock=ManualClock(NOW_MS))
    assert await sweep.run_once() == 2
    assert [found.session for found in await store.list("dgfip")] == ["b"]
    journal.stuck = ""
    assert await sweep.run_once() == 1
