import asyncio
from contextlib import AsyncExitStack

import pytest

from greffier_models.errors import EngineUnavailable
from greffier_models.llm.slots import Slots

pytestmark = pytest.mark.unit


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Job:
    """Holds a slot until it is told to let go."""

    def __init__(self, slots: Slots, priority: int, tokens: int = 0) -> None:
        self.started = False
        self._end = asyncio.Event()
        self.task = asyncio.create_task(self._run(slots, priority, tokens))

    async def _run(self, slots: Slots, priority: int, tokens: int) -> None:
        async with slots.hold(priority=priority, tokens=tokens):
            self.started = True
            await self._end.wait()

    def end_soon(self) -> None:
        self._end.set()

    async def end(self) -> None:
        self._end.set()
        await self.task


async def test_one_of_two_slots_is_kept_for_live_translation():
    slots = Slots(2)
    minutes, notes = Job(slots, 2), Job(slots, 1)
    await settle()
    assert (minutes.started, notes.started) == (True, False)
    live = Job(slots, 0)
    await settle()
    assert live.started
    assert (slots.running, slots.waiting) == (2, 1)
    await live.end()
    await settle()
    assert not notes.started
    await minutes.end()
    await settle()
    assert notes.started
    await notes.end()
    assert (slots.running, slots.waiting) == (0, 0)


async def test_the_queue_goes_by_priority_and_then_by_arrival():
    slots = Slots(1)
    running = Job(slots, 2)
    await settle()
    jobs = {name: Job(slots, int(name[0])) for name in ("2a", "1a", "2b", "0a", "1b")}
    await settle()
    order: list[str] = []
    for _ in jobs:
        await running.end()
        await settle()
        (name,) = [name for name, job in jobs.items() if job.started and name not in order]
        order.append(name)
        running = jobs[name]
    await running.end()
    assert order == ["0a", "1a", "1b", "2a", "2b"]


async def test_room_for_tokens_is_shared_and_background_leaves_some():
    slots = Slots(3, total_tokens=100, background_tokens=80)
    first, second = Job(slots, 1, 50), Job(slots, 1, 40)
    await settle()
    assert (first.started, second.started) == (True, False)
    live = Job(slots, 0, 50)
    await settle()
    assert live.started
    other = Job(slots, 0, 10)
    await settle()
    assert not other.started, "100 of 100 tokens are taken"
    for job in (live, first):
        await job.end()
    await settle()
    assert second.started
    assert other.started
    for job in (second, other):
        await job.end()


async def test_who_stops_waiting_leaves_no_trace():
    slots = Slots(1)
    running, waiting, last = Job(slots, 0), Job(slots, 0), Job(slots, 0)
    await settle()
    waiting.task.cancel()
    await settle()
    assert slots.waiting == 1
    await running.end()
    await settle()
    assert last.started
    await last.end()
    assert slots.running == 0


async def test_cancelled_in_the_step_of_its_admission_gives_the_slot_back():
    slots = Slots(1)
    running, waiting = Job(slots, 0), Job(slots, 0)
    await settle()
    running.end_soon()
    for _ in range(5):
        await asyncio.sleep(0)
        if not slots.waiting:  # the step in which the slot was given away
            waiting.task.cancel()
            break
    await settle()
    assert not waiting.started
    assert slots.running == 0


async def test_a_failure_inside_gives_the_slot_back():
    slots = Slots(1)
    with pytest.raises(ZeroDivisionError):
        async with slots.hold(priority=0):
            raise ZeroDivisionError
    assert slots.running == 0


async def test_closing_refuses_those_who_wait_and_those_who_come():
    slots = Slots(1)
    running, waiting = Job(slots, 0), Job(slots, 0)
    await settle()
    slots.close()
    with pytest.raises(EngineUnavailable):
        await waiting.task
    with pytest.raises(EngineUnavailable):
        async with slots.hold(priority=0):
            pass
    await running.end()
    assert slots.running == 0


async def test_the_queue_has_an_end():
    slots = Slots(1, queue_limit=2)
    jobs = [Job(slots, 0) for _ in range(3)]
    await settle()
    async with AsyncExitStack() as stack:
        with pytest.raises(EngineUnavailable):
            await stack.enter_async_context(slots.hold(priority=0))
    for job in jobs:
        await job.end()


def test_no_slots_at_all_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        Slots(0)
