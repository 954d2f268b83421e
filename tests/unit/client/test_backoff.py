import asyncio
import itertools

import pytest

from greffier.backoff import Attempts, Reconnection, RetryPolicy
from greffier.errors import ConnectionLost
from greffier.wire import Dropped

pytestmark = pytest.mark.unit


def test_delays_double_up_to_the_longest_and_end() -> None:
    policy = RetryPolicy(attempts=5, first_s=1, longest_s=4)
    assert list(policy.delays_s(lambda: 1.0)) == [1, 2, 4, 4, 4]


def test_jitter_takes_off_at_most_half() -> None:
    policy = RetryPolicy(attempts=3, first_s=1, longest_s=4)
    assert list(policy.delays_s(lambda: 0.0)) == [0.5, 1, 2]


async def test_success_starts_a_new_count() -> None:
    told: list[Reconnection] = []
    policy = RetryPolicy(attempts=2, first_s=0)
    attempts = Attempts(policy, notify=told.append, random=lambda: 0.0)
    cause = OSError()
    attempts.succeed()
    assert told == []
    for _ in range(2):
        await attempts.wait(cause)
    attempts.succeed()
    await attempts.wait(cause)
    await attempts.wait(cause)
    with pytest.raises(ConnectionLost) as caught:
        await attempts.wait(cause)
    assert caught.value.__cause__ is cause
    assert [(notice.attempt, notice.resumed) for notice in told] == [
        (1, False),
        (2, False),
        (2, True),
        (1, False),
        (2, False),
    ]


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("asked_s", "chance", "waited_s"),
    [
        (None, 0.0, 0.5),
        (4.0, 0.0, 4.0),
        (4.0, 1.0, 6.0),
        (0.0, 1.0, 1.0),
        (3_600.0, 0.0, 60.0),
    ],
)
async def test_a_server_that_tells_when_is_waited_for(
    asked_s: float | None, chance: float, waited_s: float
) -> None:
    told: list[Reconnection] = []
    policy = RetryPolicy(attempts=2, first_s=1.0, longest_s=1.0)
    attempts = Attempts(policy, notify=told.append, random=lambda: chance)
    begun = asyncio.get_running_loop().time()
    await attempts.wait(Dropped(retry_after_s=asked_s))
    assert asyncio.get_running_loop().time() - begun == pytest.approx(waited_s)
    assert [notice.delay_s for notice in told] == [pytest.approx(waited_s)]
    await attempts.wait(OSError())  # it told of one return, not of every attempt
    assert told[-1].delay_s <= 1.0


def test_a_policy_without_attempts_never_waits() -> None:
    assert not list(itertools.islice(RetryPolicy(attempts=0).delays_s(lambda: 1.0), 1))
