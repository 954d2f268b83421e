"""What the queue of a device owes its sessions, whatever they send."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_models.schedule import LIVE, FairQueue, Request

pytestmark = pytest.mark.property

requests = st.builds(
    Request[int],
    item=st.integers(),
    stream=st.tuples(st.sampled_from("AB"), st.sampled_from("xyz")),
    deadline_ms=st.integers(-1_000, 1_000),
    priority=st.integers(0, 2),
    cost=st.floats(0.1, 10),
    shape=st.sampled_from([None, 1, 2]),
)
steps = st.lists(st.one_of(requests, st.integers(1, 5), st.just("gone")), max_size=80)


@given(steps=steps)
def test_nothing_is_lost_doubled_or_mixed(steps: list[Request[int] | int | str]) -> None:
    queue: FairQueue[int] = FairQueue()
    waiting: list[Request[int]] = []
    for step in steps:
        if isinstance(step, Request):
            request = Request(
                step.item, step.stream, step.deadline_ms, step.priority, step.cost, step.shape
            )
            queue.put(request)
            waiting.append(request)
        elif isinstance(step, int):
            batch = queue.take(step)
            assert bool(batch) == bool(waiting)
            assert len(batch) <= step
            assert len({id(request) for request in batch}) == len(batch)
            assert all(request in waiting for request in batch)
            if batch:
                assert {request.shape for request in batch} == {batch[0].shape}
                assert len(batch) == 1 or batch[0].shape is not None
                urgent = min(request.priority for request in waiting)
                assert {request.priority for request in batch} == {urgent}
            waiting = [request for request in waiting if request not in batch]
        elif waiting:
            gone = waiting.pop()
            assert queue.remove(gone)
            assert not queue.remove(gone)
        assert len(queue) == len(waiting)
        assert queue.live == sum(request.priority == LIVE for request in waiting)
    assert queue.clear() == waiting
    assert len(queue) == 0


@given(deadlines=st.lists(st.integers(-100, 100), max_size=40), limit=st.integers(1, 5))
def test_one_stream_is_served_by_deadline_then_arrival(deadlines: list[int], limit: int) -> None:
    queue: FairQueue[int] = FairQueue()
    for number, deadline_ms in enumerate(deadlines):
        queue.put(Request(number, deadline_ms=deadline_ms, shape=1))
    served: list[int] = []
    while batch := queue.take(limit):
        served += [request.item for request in batch]
    assert served == sorted(range(len(deadlines)), key=lambda number: (deadlines[number], number))


@dataclass(slots=True)
class _Greedy:
    """Always has requests waiting, all of them long overdue."""

    stream: tuple[str, str]
    outstanding: int


@given(
    greedy=st.lists(
        st.builds(
            _Greedy,
            stream=st.tuples(st.sampled_from("ABC"), st.sampled_from("wxyz")),
            outstanding=st.integers(1, 4),
        ),
        min_size=1,
        max_size=8,
        unique_by=lambda one: one.stream,
    ),
    limit=st.integers(1, 4),
    shapes=st.integers(1, 3),
)
def test_nobody_starves_behind_the_greedy(greedy: list[_Greedy], limit: int, shapes: int) -> None:
    queue: FairQueue[str] = FairQueue()
    rounds = 0

    def demand() -> None:
        for one in greedy:
            for turn in range(one.outstanding):
                request = Request(
                    "greedy", one.stream, deadline_ms=-(10**6) - rounds, shape=turn % shapes
                )
                queue.put(request)

    demand()
    for _ in range(20):  # they have had a lot already
        _serve(queue, limit, demand)
    patient = Request("patient", ("Z", "patient"), deadline_ms=0, shape="its own")
    queue.put(patient)
    # Others may be ahead by the slack and one request, each tenant of them.
    while patient in queue:
        rounds += 1
        assert rounds <= 4 * 3 + 4
        _serve(queue, limit, demand)


@given(sessions=st.integers(1, 12), limit=st.integers(1, 4))
def test_a_tenant_of_many_sessions_has_no_more_than_one_of_few(sessions: int, limit: int) -> None:
    """Both always want more: each has half, but for the slack."""
    queue: FairQueue[str] = FairQueue()
    served = {"many": 0, "few": 0}
    streams = [("many", str(number)) for number in range(sessions)] + [("few", "0")] * limit
    for number, stream in enumerate(streams):
        queue.put(Request(stream[0], stream, deadline_ms=number, shape=1))
    for turn in range(200):
        for request in queue.take(limit):
            served[request.item] += 1
            again = Request(request.item, request.stream, deadline_ms=turn * 10, shape=1)
            queue.put(again)
    assert abs(served["many"] - served["few"]) <= 4 + 2 * limit or sessions < limit


def test_who_was_away_gets_no_credit_for_it() -> None:
    queue: FairQueue[str] = FairQueue()
    for turn in range(100):
        queue.put(Request("steady", ("A", "steady"), deadline_ms=turn, shape=None))
        assert [request.item for request in queue.take(1)] == ["steady"]
    for turn in range(20):
        queue.put(Request("back", ("B", "back"), deadline_ms=-turn))
        queue.put(Request("steady", ("A", "steady"), deadline_ms=100 + turn))
    served = [queue.take(1)[0].item for _ in range(12)]
    assert served.count("steady") >= 4


@pytest.mark.parametrize("waiting", [0, 5])
def test_shares_of_sessions_that_are_gone_are_forgotten(waiting: int) -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(waiting):
        queue.put(Request(number, ("", "")))
    for number in range(2_000):
        queue.put(Request(number, (f"tenant {number % 300}", f"session {number}")))
        queue.take(1)
    assert queue.remembered < 200


def test_an_endless_row_of_newcomers_keeps_nobody_out() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(8):
        queue.put(Request("first", ("A", "first"), deadline_ms=0))
    served: list[str] = []
    for number in range(400):
        queue.put(Request("newcomer", (f"tenant {number}", "s"), deadline_ms=number))
        served += [request.item for request in queue.take(1)]
    assert served.count("first") == 8


def test_background_is_left_when_only_live_is_wanted() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.put(Request("file", priority=1, deadline_ms=-9))
    assert queue.take(4, lowest=LIVE) == []
    queue.put(Request("speech", deadline_ms=9))
    assert [request.item for request in queue.take(4)] == ["speech"]
    assert [request.item for request in queue.take(4)] == ["file"]


def _serve(queue: FairQueue[str], limit: int, demand: Callable[[], None]) -> None:
    queue.take(limit)
    if len(queue) < 30:
        demand()
