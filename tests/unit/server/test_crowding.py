"""Who is let in while many connect: told by the length of the event loop's turns."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from greffier_server.transport.crowding import Crowding

pytestmark = pytest.mark.unit


class Loop:
    """Turns as long as the test wants them; what is used of an event loop."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self._ready: list[Callable[[], object]] = []

    def time(self) -> float:
        return self.now_s

    def call_soon(self, callback: Callable[..., object], *args: Any) -> None:
        self._ready.append(lambda: callback(*args))

    def turn(self, *, took_s: float) -> None:
        self.now_s += took_s
        ready, self._ready = self._ready, []
        for call in ready:
            call()

    @property
    def asyncio(self) -> asyncio.AbstractEventLoop:
        return cast("asyncio.AbstractEventLoop", self)

    @property
    def idle(self) -> bool:
        return not self._ready


def test_everybody_is_let_in_while_turns_are_short() -> None:
    loop, crowding = Loop(), Crowding(late_s=0.1, crowd=1)
    for _ in range(100):
        assert all(crowding.admits(loop.asyncio) for _ in range(16))
        loop.turn(took_s=0.05)


def test_after_a_long_turn_nobody_is_until_a_short_one() -> None:
    loop, crowding = Loop(), Crowding(late_s=0.1, crowd=1)
    assert crowding.admits(loop.asyncio)
    loop.turn(took_s=0.2)
    assert not any(crowding.admits(loop.asyncio) for _ in range(16))
    loop.turn(took_s=0.01)
    assert crowding.admits(loop.asyncio)


def test_within_a_turn_that_has_become_long_nobody_is() -> None:
    loop, crowding = Loop(), Crowding(late_s=0.1, crowd=1)
    assert crowding.admits(loop.asyncio)
    loop.now_s += 0.15
    assert not crowding.admits(loop.asyncio)


def test_a_few_are_let_in_however_slow_the_machine_is() -> None:
    loop, crowding = Loop(), Crowding(late_s=0.1, crowd=20)
    crowding.admits(loop.asyncio)
    loop.turn(took_s=1.5)
    for _ in range(4):
        assert sum(crowding.admits(loop.asyncio) for _ in range(30)) == 20
        loop.turn(took_s=1.5)


def test_what_was_long_ago_does_not_count_and_nothing_runs_meanwhile() -> None:
    loop, crowding = Loop(), Crowding(late_s=0.1, crowd=1)
    assert crowding.admits(loop.asyncio)
    loop.turn(took_s=3.0)
    assert loop.idle
    assert [crowding.admits(loop.asyncio) for _ in range(3)] == [True, False, False]
    loop.turn(took_s=3.0)
    loop.turn(took_s=1.0)
    assert all(crowding.admits(loop.asyncio) for _ in range(3))
