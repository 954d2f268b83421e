"""The event log: durable before seen, followed by cursor, sound after failures."""

import asyncio
from collections.abc import Sequence

import pytest

from greffier_server.core.events import (
    ClientAttached,
    Event,
    Recorded,
    SegmentOpened,
    StageFailed,
    TailRevised,
    TranslationRevised,
    WordsCommitted,
)
from greffier_server.core.records import GENESIS, record_hash
from greffier_server.errors import StorageFailed
from greffier_server.pipeline.clock import ManualClock
from greffier_server.pipeline.log import EventLog, LogClosed

pytestmark = pytest.mark.unit


class _Sink:
    def __init__(self) -> None:
        self.stored: list[Recorded] = []
        self.fails = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, records: Sequence[Recorded]) -> None:
        await self.gate.wait()
        if self.fails:
            raise StorageFailed("No.")
        self.stored += records


def _event(number: int) -> Event:
    return ClientAttached(number)


def _tail(text: str) -> TailRevised:
    return TailRevised(1, text, 0, 0)


def _log(sink: _Sink, history: Sequence[Recorded] = ()) -> EventLog:
    return EventLog("t", "s", clock=ManualClock(), sink=sink, history=history)


async def _read(log: EventLog, *, after: int = 0) -> list[Recorded]:
    return [record async for record in log.follow(after=after)]


async def test_nothing_is_seen_before_it_is_durable() -> None:
    sink = _Sink()
    log = _log(sink)
    seen: list[Recorded] = []

    async def follow() -> None:
        async for record in log.follow():
            assert record in sink.stored
            seen.append(record)

    following = asyncio.create_task(follow())
    sink.gate.clear()
    appending = asyncio.create_task(log.append(_event(1), _event(2)))
    for _ in range(5):
        await asyncio.sleep(0)
    assert (log.seq, list(log.records), seen) == (0, [], [])
    sink.gate.set()
    assert await appending == 2
    log.close()
    await following
    assert [record.seq for record in seen] == [1, 2]


async def test_a_sink_that_fails_leaves_no_trace_and_no_hole() -> None:
    sink = _Sink()
    log = _log(sink)
    await log.append(_event(1))
    sink.fails = True
    with pytest.raises(StorageFailed):
        await log.append(_event(2), _tail("never"))
    assert log.seq == 1
    sink.fails = False
    assert await log.append(_event(3)) == 2
    log.close()
    records = await _read(log)
    assert [record.event for record in records] == [_event(1), _event(3)]
    assert records[1].prev_hash == record_hash(records[0])
    assert records == sink.stored


async def test_appends_keep_their_order() -> None:
    sink = _Sink()
    log = _log(sink)
    sink.gate.clear()
    tasks = [asyncio.create_task(log.append(_event(n))) for n in range(20)]
    await asyncio.sleep(0)
    sink.gate.set()
    assert await asyncio.gather(*tasks) == list(range(1, 21))
    assert [record.event for record in log.records] == [_event(n) for n in range(20)]


async def test_a_cancelled_caller_does_not_part_the_log_from_the_store() -> None:
    sink = _Sink()
    log = _log(sink)
    sink.gate.clear()
    appending = asyncio.create_task(log.append(_event(1)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    appending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await appending
    sink.gate.set()
    await log.append(_event(2))
    await log.settled()
    assert [record.event for record in sink.stored] == [_event(1), _event(2)]
    assert list(log.records) == sink.stored


async def test_a_failure_nobody_waits_for_is_no_warning() -> None:
    sink = _Sink()
    log = _log(sink)
    sink.gate.clear()
    appending = asyncio.create_task(log.append(_event(1)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    appending.cancel()
    await asyncio.wait([appending])
    sink.fails = True
    sink.gate.set()
    await log.settled()
    assert log.seq == 0


async def test_a_closed_log_takes_nothing_and_lets_followers_end() -> None:
    sink = _Sink()
    log = _log(sink)
    following = asyncio.create_task(_read(log))
    await log.append(_event(1))
    log.close()
    log.close()
    assert len(await following) == 1
    with pytest.raises(LogClosed):
        await log.append(_event(2))
    assert sink.stored == list(log.records)


async def test_a_slow_follower_misses_volatile_records_only() -> None:
    log = _log(_Sink())
    following = log.follow()
    await log.append(_event(1))
    first = await anext(following)
    for text in ("a", "b", "c"):
        await log.append(_tail(text), TranslationRevised(1, "en", text.upper()))
    await log.append(_event(2), _tail("d"))
    log.close()
    rest = [record async for record in following]
    assert first.event == _event(1)
    assert [record.event for record in rest] == [_event(2), _tail("d")]


async def test_tails_of_several_languages_do_not_replace_each_other() -> None:
    log = _log(_Sink())
    following = log.follow()
    asking = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    german, english = TranslationRevised(1, "de", "x"), TranslationRevised(1, "en", "y")
    await log.append(german, english)
    assert (await asking).event == german
    assert (await anext(following)).event == english
    log.close()


async def test_volatile_records_borrow_the_last_seq_and_are_not_stored() -> None:
    sink = _Sink()
    log = _log(sink)
    following = log.follow()
    asking = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0)
    assert await log.append(_tail("x")) == 0
    shown = await asking
    assert (shown.seq, shown.prev_hash) == (0, GENESIS)
    assert sink.stored == []
    log.close()


@pytest.mark.parametrize("after", [-3, 0, 1, 5, 6, 99])
async def test_follow_after_is_the_rest_of_the_log(after: int) -> None:
    log = _log(_Sink())
    await log.append(*(_event(n) for n in range(6)))
    log.close()
    assert await _read(log, after=after) == list(log.records)[max(0, after) :]


async def test_a_log_goes_on_from_its_history() -> None:
    sink = _Sink()
    first = _log(sink)
    await first.append(_event(1), _event(2))
    second = _log(sink, history=first.records)
    failed = StageFailed("x", "y", "z")
    assert await second.append(failed) == 3
    second.close()
    records = await _read(second)
    assert [record.seq for record in records] == [1, 2, 3]
    assert records[2].prev_hash == record_hash(records[1])
    assert records == sink.stored


async def test_what_others_say_does_not_take_a_tail_away() -> None:
    log = _log(_Sink())
    following = log.follow()
    await log.append(_event(1))
    await anext(following)
    mine, other = TailRevised(1, "a", 0, 0, channel=1), TailRevised(2, "b", 0, 0, channel=2)
    await log.append(mine, other)
    await log.append(SegmentOpened(3, 0, "fr", channel=3))
    await log.append(WordsCommitted(2, ()))
    log.close()
    rest = [record async for record in following]
    assert [record.event for record in rest] == [
        SegmentOpened(3, 0, "fr", channel=3),
        WordsCommitted(2, ()),
        mine,
    ]
    assert rest[-1].seq == 3
