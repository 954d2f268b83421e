"""N live streams on one device, event by event (pure): what lag its queue makes."""

import heapq
import random
from collections import deque
from dataclasses import dataclass

from benchmarks.gpu_cost import Device
from benchmarks.lag import percentile

__all__ = ["Lags", "Load", "batch_s", "most_streams", "simulate"]

WORDS_PER_HOP = 4
MOST = 4096


@dataclass(frozen=True, slots=True)
class Load:
    """What each stream asks for."""

    hop_s: float = 1.0
    guard_s: float = 0.7
    """A word is committed by the first decode whose audio goes this far beyond its end."""
    frames: int = 1500
    tokens: int = 16
    """Decoded per hop whatever its length: the tail of the last hop and the guard's words."""
    tokens_per_s: float = 4.0
    """Decoded besides for each second of new audio: late hops are longer ones."""
    speaking: float = 1.0
    """Share of hops that have speech; the others cost nothing here."""
    max_batch: int = 16
    host_s: float = 0.002
    """Per item on the host, not overlapped: features, tokens, the policy."""


@dataclass(frozen=True, slots=True)
class Lags:
    """What a simulated run gave."""

    p50_s: float
    p95_s: float
    busy: float
    """Share of the device's time."""
    mean_batch: float


@dataclass(slots=True)
class _Stream:
    number: int
    heard_s: float = 0.0
    """Audio its last request covered."""


def simulate(
    device: Device, load: Load, streams: int, *, seconds: float = 90.0, seed: int = 1
) -> Lags:
    """Run `streams` streams with random phases.

    A device takes the oldest requests, as many as `max_batch`, whenever a worker is free; a stream
    whose answer is late asks again as soon as it has it, with all audio until then.

    Raises:
        ValueError: no streams.
    """
    if streams < 1:
        raise ValueError("at least one stream is needed")
    chance = random.Random(seed)
    events: list[tuple[float, int, str, int]] = []
    order = 0
    for number in range(streams):
        heapq.heappush(events, (chance.uniform(0, load.hop_s), order, "hop", number))
        order += 1
    state = [_Stream(number) for number in range(streams)]
    waiting: deque[tuple[float, int]] = deque()
    running: dict[int, list[tuple[float, int]]] = {}
    free = list(range(device.workers))
    lags: list[float] = []
    busy = 0.0
    batches: list[int] = []
    while events:
        now, _, kind, who = heapq.heappop(events)
        if now > seconds:
            break
        if kind == "hop":
            if chance.random() < load.speaking:
                waiting.append((now, who))
            else:
                state[who].heard_s = now
                heapq.heappush(events, (now + load.hop_s, order, "hop", who))
                order += 1
        else:
            for asked_s, number in running.pop(who):
                lags += _word_lags(state[number].heard_s, asked_s, now, load.guard_s)
                state[number].heard_s = asked_s
                heapq.heappush(events, (max(asked_s + load.hop_s, now), order, "hop", number))
                order += 1
            free.append(who)
        while free and waiting:
            worker = free.pop()
            size = min(load.max_batch, len(waiting))
            running[worker] = [waiting.popleft() for _ in range(size)]
            # All go on until the longest has ended.
            new_s = max(asked_s - state[who].heard_s for asked_s, who in running[worker])
            took = batch_s(device, load, size, new_s=new_s)
            busy += took
            batches.append(size)
            heapq.heappush(events, (now + took, order, "done", worker))
            order += 1
    # Requests that still wait have lags too, at least as long as they have waited.
    for asked_s, number in waiting:
        lags += _word_lags(state[number].heard_s, asked_s, seconds, load.guard_s)
    return Lags(
        percentile(lags, 50),
        percentile(lags, 95),
        min(busy / (seconds * device.workers), 1.0),
        sum(batches) / max(len(batches), 1),
    )


def batch_s(device: Device, load: Load, size: int, *, new_s: float) -> float:
    """One batch from request to answer; `new_s` is the new audio of its longest item."""
    tokens = round(load.tokens + load.tokens_per_s * new_s)
    return (
        device.encode_s(load.frames, size)
        + device.decode_s(load.frames, tokens, size)
        + device.align_s(load.frames, tokens, size)
        + load.host_s * size
    )


def most_streams(device: Device, load: Load, *, bar_s: float) -> int:
    """The most streams whose p95 commit lag stays within `bar_s`; 0 when one is too many."""

    def fits(streams: int) -> bool:
        return simulate(device, load, streams).p95_s <= bar_s

    if not fits(1):
        return 0
    low, high = 1, 2
    while high <= MOST and fits(high):
        low, high = high, high * 2
    high = min(high, MOST + 1)
    while high - low > max(1, low // 50):
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _word_lags(before_s: float, asked_s: float, answered_s: float, guard_s: float) -> list[float]:
    """Lags of words spread evenly over the audio that this answer commits."""
    width = asked_s - before_s
    return [
        answered_s - (before_s + width * (index + 0.5) / WORDS_PER_HOP - guard_s)
        for index in range(WORDS_PER_HOP)
    ]
