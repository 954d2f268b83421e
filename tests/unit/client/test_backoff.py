import itertools

import pytest

from greffier.backoff import Attempts, Reconnection, RetryPolicy
from greffier.errors import ConnectionLost

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


def test_a_policy_without_attempts_never_waits() -> None:
    assert not list(itertools.islice(RetryPolicy(attempts=0).delays_s(lambda: 1.0), 1))
