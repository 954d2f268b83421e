"""The archive of a log: little memory, and read while it grows."""

import asyncio
import random
import threading
import tracemalloc
from collections.abc import Iterator, Sequence

import pytest

from greffier_models.types import Word
from greffier_server.core.events import (
    Event,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    WordsCommitted,
)
from greffier_server.core.records import GENESIS, record_hash
from greffier_server.pipeline.archive import NEWEST_RECORDS, RecordArchive, RecordView
from greffier_server.pipeline.clock import ManualClock
from greffier_server.pipeline.log import EventLog

pytestmark = pytest.mark.unit


def _speech(count: int) -> Iterator[Recorded]:
    """Records as a recogniser makes them: five a sentence, four words a commit."""
    chance = random.Random(7)
    words = [" " + "".join(chance.choices("abcdefghijklmnop", k=k % 9 + 1)) for k in range(3000)]
    before, at_ms, segment = GENESIS, 0, 1
    for seq in range(1, count + 1):
        event: Event
        if seq % 5 == 1:
            event = SegmentOpened(segment, at_ms, "en")
        elif seq % 5 == 0:
            event = SegmentClosed(segment, at_ms - 4000, at_ms)
            segment += 1
        else:
            spoken: list[Word] = []
            for _ in range(4):
                text = words[min(2999, int(chance.paretovariate(0.6)))]
                spoken.append(Word(text, at_ms, at_ms + 300, round(chance.random(), 4)))
                at_ms += chance.randint(250, 420)
            event = WordsCommitted(
                segment, tuple(spoken), tail=words[seq % 3000], lag_ms=seq % 3000
            )
        record = Recorded(
            "default",
            "20260101-101010-abcdef01",
            seq,
            1_790_000_000_000 + at_ms,
            max(0, at_ms - 2000),
            at_ms,
            before,
            "whisper/base/int8@0123456789abcdef",
            event,
        )
        before = record_hash(record)
        yield record


def test_hours_of_records_cost_little() -> None:
    """20,000 records, four and a half hours of speech, take 18 MB as objects."""
    RecordArchive(_speech(1_000))  # what the first packing loads is no record's
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        archive = RecordArchive(_speech(20_000))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(archive) == 20_000
    assert after - before < 1_800_000


def test_a_thread_reads_the_same_while_the_archive_grows() -> None:
    records = list(_speech(1_200))
    archive = RecordArchive(records[:500])
    view = RecordView(archive, 500)
    read: list[bool] = []

    def walk() -> None:
        for _ in range(10):
            read.append(list(view) == records[:500])

    reader = threading.Thread(target=walk)
    reader.start()
    for record in records[500:]:
        archive.extend([record])
    reader.join()
    assert read == [True] * 10
    assert list(RecordView(archive, 1_200)) == records


async def _log(count: int) -> EventLog:
    async def sink(records: Sequence[Recorded]) -> None:
        del records

    return EventLog("t", "s", clock=ManualClock(), sink=sink, history=list(_speech(count)))


@pytest.mark.parametrize("reading", ["past", "follow"])
async def test_others_run_while_a_long_log_is_read(reading: str) -> None:
    log = await _log(NEWEST_RECORDS * 4)
    log.close()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    records = log.past() if reading == "past" else log.follow()
    assert len([record async for record in records]) == NEWEST_RECORDS * 4
    assert turns >= 12
    counting.cancel()
    await asyncio.wait([counting])


async def test_the_past_ends_where_it_began_to_be_read() -> None:
    log = await _log(NEWEST_RECORDS + 100)
    past = log.past()
    seen = [await anext(past)]
    await log.append(SegmentClosed(9_999, 0, 1))
    seen += [record async for record in past]
    assert seen == list(log.records)[:-1]


async def test_records_of_a_live_log_are_those_of_their_moment() -> None:
    log = await _log(NEWEST_RECORDS)
    before = log.records
    await log.append(*(SegmentClosed(n, 0, 1) for n in range(200)))
    assert len(before) == NEWEST_RECORDS
    assert before[-1].seq == NEWEST_RECORDS
    assert log.records[NEWEST_RECORDS].event == SegmentClosed(0, 0, 1)
