"""State is a fold of the log, and following is slicing."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_server.core.events import Recorded
from greffier_server.core.state import SessionState, fold
from greffier_server.pipeline.clock import ManualClock
from greffier_server.pipeline.log import EventLog
from tests.support.event_values import events
from tests.support.recordings import keep_in_memory
from tests.support.virtual_time import run

pytestmark = pytest.mark.property

batches = st.lists(st.lists(events(), min_size=1, max_size=4), max_size=12)


async def _filled(appends: Sequence[Sequence[object]]) -> EventLog:
    log = EventLog("t", "s", clock=ManualClock(), sink=keep_in_memory)
    for batch in appends:
        await log.append(*batch)  # type: ignore[arg-type]
    return log


@given(appends=batches, at=st.integers(0, 50))
def test_fold_of_a_prefix_then_the_rest_is_fold_of_all(
    appends: list[list[object]], at: int
) -> None:
    records = run(_filled(appends)).records
    assert fold(records[at:], fold(records[:at])) == fold(records)
    assert fold(records).seq == len(records)
    assert fold([]) == SessionState()


@given(appends=batches, after=st.integers(0, 50))
def test_following_is_slicing(appends: list[list[object]], after: int) -> None:
    async def scene() -> None:
        log = await _filled(appends)
        log.close()
        followed = [record async for record in log.follow(after=after)]
        assert followed == list(log.records)[after:]

    run(scene())


@given(appends=batches, pauses=st.lists(st.integers(0, 3), max_size=30), after=st.integers(0, 5))
def test_a_reader_of_any_speed_gets_every_durable_record(
    appends: list[list[object]], pauses: list[int], after: int
) -> None:
    """What comes between is volatile, in order, and never older than what was read before."""

    async def scene() -> None:
        log = EventLog("t", "s", clock=ManualClock(), sink=keep_in_memory)
        read: list[Recorded] = []

        async def follow() -> None:
            waits = iter(pauses)
            async for record in log.follow(after=after):
                read.append(record)
                await asyncio.sleep(next(waits, 0))

        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(follow())
            for batch in appends:
                await log.append(*batch)  # type: ignore[arg-type]
                await asyncio.sleep(1)
            log.close()
            await following
        durable = [record for record in read if record.event.durable]
        assert durable == list(log.records)[after:]
        last = after
        for record in read:
            assert record.seq >= last
            last = record.seq
        assert fold(durable, fold(log.records[:after])) == fold(log.records)

    run(scene())
