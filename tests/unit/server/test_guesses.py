"""Wrong tokens, and allowances."""

import pytest

from greffier_server.transport.allowance import Allowance
from greffier_server.transport.guesses import Guesses

pytestmark = pytest.mark.unit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_who_guesses_waits_a_minute_and_nobody_else_does() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for _ in range(5):
        assert not guesses.refused("10.0.0.1", "s")
        guesses.wrong("10.0.0.1", "s")
    assert guesses.refused("10.0.0.1", "s")
    assert not guesses.refused("10.0.0.2", "s")
    assert not guesses.refused("10.0.0.1", "other")
    clock.now = 60
    assert not guesses.refused("10.0.0.1", "s")
    guesses.wrong("10.0.0.1", "s")
    assert not guesses.refused("10.0.0.1", "s")


def test_only_so_many_are_remembered() -> None:
    guesses = Guesses(Clock())
    for _ in range(5):
        guesses.wrong("a", "s")
    for number in range(4_096):
        guesses.wrong("b", str(number))
    assert not guesses.refused("a", "s")


def test_an_allowance_is_spent_and_comes_back() -> None:
    clock = Clock()
    allowance = Allowance(3, per_s=2, clock=clock)
    assert [allowance.spend() for _ in range(4)] == [True, True, True, False]
    clock.now = 0.4
    assert not allowance.spend()
    clock.now = 0.6
    assert allowance.spend()
    clock.now = 100
    assert [allowance.spend() for _ in range(4)] == [True, True, True, False]
