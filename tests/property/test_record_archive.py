"""What an archive was given, it gives back: the same records, in the same order, from anywhere."""

from collections.abc import Sequence
from itertools import cycle, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_server.core.events import Event, Recorded
from greffier_server.pipeline.archive import RecordArchive, RecordView
from greffier_server.pipeline.clock import ManualClock
from greffier_server.pipeline.log import EventLog
from tests.support.event_values import events, records
from tests.support.virtual_time import run

pytestmark = pytest.mark.property

LENGTHS = st.sampled_from([0, 1, 63, 64, 65, 255, 256, 257, 320, 321, 400])


@given(
    given_records=st.lists(records(), min_size=1, max_size=8),
    length=LENGTHS,
    start=st.integers(-420, 420),
    stop=st.integers(-420, 420),
    step=st.sampled_from([-3, -1, 1, 2, 64]),
)
def test_a_view_is_the_list(
    given_records: list[Recorded], length: int, start: int, stop: int, step: int
) -> None:
    """Also of records whose hashes are no chain."""
    expected = list(islice(cycle(given_records), length))
    archive = RecordArchive(expected)
    view = RecordView(archive, length)
    assert len(archive) == len(view) == length
    assert list(view) == expected
    assert list(reversed(view)) == expected[::-1]
    assert list(view[start:stop:step]) == expected[start:stop:step]
    archive.extend(given_records)
    assert list(view) == expected
    if -length <= start < length:
        assert view[start] == expected[start]
    else:
        with pytest.raises(IndexError):
            view[start]


@given(
    kinds=st.lists(events().filter(lambda event: event.durable), min_size=1, max_size=8),
    length=LENGTHS,
    batch=st.integers(1, 90),
    after=st.integers(-2, 420),
)
def test_a_long_log_is_what_was_stored(
    kinds: list[Event], length: int, batch: int, after: int
) -> None:
    async def scene() -> None:
        stored: list[Recorded] = []

        async def sink(fresh: Sequence[Recorded]) -> None:
            stored.extend(fresh)

        log = EventLog("t", "s", clock=ManualClock(), sink=sink)
        rest = list(islice(cycle(kinds), length))
        while rest:
            await log.append(*rest[:batch])
            rest = rest[batch:]
        log.close()
        assert list(log.records) == stored
        assert [record async for record in log.past()] == stored
        assert [record async for record in log.follow(after=after)] == stored[max(0, after) :]
        again = EventLog("t", "s", clock=ManualClock(), sink=sink, history=stored)
        assert list(again.records) == stored

    run(scene())
