"""Many sessions on one device, in virtual time: their hops meet at what it bears, and stay."""

import heapq
import itertools
import math
from dataclasses import dataclass, field

import pytest

from greffier.protocol import QualityLevel
from greffier_models.load import DeviceLoad, LoadMeter
from greffier_models.schedule import FairQueue, Request
from greffier_server.core.alignatt import AlignAttPolicy
from greffier_server.core.ladder import Ladder, LadderSettings

pytestmark = pytest.mark.unit

_STEP_S = 0.096
_WORKERS = 2
_SHARE = LadderSettings().busy_share


@dataclass(slots=True)
class _Stream:
    name: str
    ladder: Ladder = field(default_factory=Ladder)
    looked_s: float = 0.0
    """Audio before this has been looked at."""
    decoded_s: float = 0.0
    waiting: bool = False
    hops_ms: list[int] = field(default_factory=list[int])
    levels: list[str] = field(default_factory=list[str])
    changed_s: float = 0.0
    """When the level changed last."""
    worst_s: float = 0.0


def _simulate(
    count: int, *, seconds: float, cost_s: float, silent_after: float = math.inf
) -> list[_Stream]:
    """Streams that speak all the time, on an engine whose batches cost less an item.

    After `silent_after` all but one say nothing any more.
    """
    meter, queue = LoadMeter(_WORKERS), FairQueue[_Stream]()
    streams = [_Stream(str(number)) for number in range(count)]
    moments = itertools.count()
    due: list[tuple[float, int, list[Request[_Stream]] | None, float]] = []
    for number in range(count):
        begin = number * _STEP_S / count
        heapq.heappush(due, (begin, next(moments), None, float(number)))
    free = _WORKERS
    asked: dict[str, float] = {}
    while due and due[0][0] < seconds:
        now, _, batch, number = heapq.heappop(due)
        if batch is None:
            stream = streams[int(number)]
            heapq.heappush(due, (now + _STEP_S, next(moments), None, number))
            backlog_ms = 0
            if stream.waiting:
                backlog_ms = round((now - stream.looked_s) * 1000)
                stream.worst_s = max(stream.worst_s, now - stream.looked_s)
            else:
                stream.looked_s = now
            level = stream.ladder.weigh(backlog_ms, round(now * 1000), load=meter.load(now))
            if level is not None:
                stream.levels.append(level)
                stream.changed_s = now
            hop_s = max(1.0, stream.ladder.hop_ms / 1000)
            speaking = now < silent_after or stream is streams[0]
            if speaking and not stream.waiting and now - stream.decoded_s >= hop_s:
                stream.hops_ms.append(round(hop_s * 1000))
                stream.waiting, stream.decoded_s = True, now
                meter.asked(("t", stream.name), now)
                asked[stream.name] = now
                queue.put(Request(stream, ("t", stream.name), round(now * 1000), shape=1))
        else:
            free += 1
            waits = [now - asked[request.item.name] for request in batch]
            meter.worked(now, busy_s=number, live=len(batch), wait_s=max(waits))
            for request in batch:
                request.item.waiting = False
        while free and len(queue):
            taken = queue.take(min(4, -(-len(queue) // free)))
            took_s = cost_s * (0.4 + 0.6 * len(taken))
            free -= 1
            heapq.heappush(due, (now + took_s, next(moments), taken, took_s))
    return streams


@pytest.mark.parametrize("count", [1, 3, 10, 16, 24])
def test_hops_meet_at_what_the_device_bears(count: int) -> None:
    streams = _simulate(count, seconds=60, cost_s=0.2)
    settled = [hop for stream in streams for hop in stream.hops_ms[len(stream.hops_ms) // 2 :]]
    # Batches make a decode cheaper: between a full batch's cost an item and that of one alone.
    dearest = count * 0.2 / (_WORKERS * _SHARE) * 1000
    assert max(settled) <= max(1_000, dearest * 1.05)
    assert min(settled) >= max(1_000, dearest * 0.7 * 0.9)
    assert max(settled) - min(settled) <= 0.25 * max(settled)
    all_at_once_s = count * 0.2 / _WORKERS
    assert max(stream.worst_s for stream in streams) < max(0.5, all_at_once_s)
    changes = max(len(stream.levels) for stream in streams)
    assert changes <= (2 if count == 24 else 0), "levels go up and down"
    # Where the hop is near the next level, some step up once, until batches have formed.
    assert max(stream.changed_s for stream in streams) < 30
    assert all("finals-only" not in stream.levels for stream in streams)


def test_hops_shrink_again_when_the_others_fall_silent() -> None:
    first, *_ = _simulate(16, seconds=120, cost_s=0.2, silent_after=60)
    assert max(first.hops_ms) > 1_500
    assert first.hops_ms[-1] == 1_000


def test_a_device_that_bears_less_is_asked_less() -> None:
    streams = _simulate(56, seconds=60, cost_s=0.2)
    assert {stream.hops_ms[-1] for stream in streams} == {4_000}
    assert all(stream.ladder.level != "full" for stream in streams)


def test_hop_rises_at_once_and_falls_slowly() -> None:
    ladder = Ladder()
    heavy, light = DeviceLoad(14, 2, 0.2), DeviceLoad(1, 2, 0.2)
    assert ladder.weigh(0, 0, load=heavy) is None
    assert ladder.hop_ms == heavy.interval_ms(_SHARE)
    ladder.weigh(0, 1_000, load=light)
    assert ladder.hop_ms == heavy.interval_ms(_SHARE) - 100
    for at_ms in range(1_096, 40_000, 96):
        ladder.weigh(0, at_ms, load=light)
    assert ladder.hop_ms == light.interval_ms(_SHARE)


def test_long_hops_are_announced_before_anybody_lags() -> None:
    ladder = Ladder(LadderSettings(steady_ms=1_000, relax_ms=1_000))
    assert ladder.weigh(0, 0, load=DeviceLoad(24, 2, 0.2)) == "longer-hops"
    told = [ladder.weigh(0, at, load=DeviceLoad(20, 2, 0.2)) for at in range(0, 9_000, 100)]
    assert not any(told), "2.1 s is still called long"
    told = [ladder.weigh(0, at, load=DeviceLoad(2, 2, 0.2)) for at in range(9_000, 12_000, 100)]
    assert [level for level in told if level] == ["full"]


def test_without_a_known_load_the_hop_is_the_policy_s_own() -> None:
    ladder = Ladder()
    ladder.weigh(0, 0)
    assert ladder.hop_ms == 0


@pytest.mark.parametrize(
    ("pace_ms", "level", "hop_ms"),
    [
        (0, "full", 1_000),
        (700, "full", 1_000),
        (2_200, "full", 2_200),
        (2_200, "longer-hops", 2_500),
        (3_100, "longer-hops", 3_100),
        (3_100, "finals-only", 10_000),
    ],
)
def test_a_policy_keeps_pace(pace_ms: int, level: QualityLevel, hop_ms: int) -> None:
    policy = AlignAttPolicy(frame_ms=32, language="en")
    policy.quicken(level)
    policy.pace(pace_ms)
    at_ms = 0
    while policy.request() is None:
        at_ms += 32
        policy.hear(at_ms, [1.0])
        assert at_ms < 12_000
    assert hop_ms <= at_ms <= hop_ms + 300
