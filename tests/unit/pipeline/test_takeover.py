"""What a server takes that another one had: by its places, and for want of others."""

import pytest

from greffier_server.pipeline.takeover import Takeover

pytestmark = pytest.mark.unit

ONE, TWO = ("t", "s1"), ("t", "s2")


class Here:
    """A server among others, whose places and clock are set."""

    def __init__(self, *, shared: bool = True) -> None:
        self.shared = shared
        self.alone = False
        self.full = True
        self.now_s = 100.0
        self.takeover = Takeover(self, is_full=lambda: self.full, clock=lambda: self.now_s)

    async def others(self) -> bool:
        return not self.alone


async def test_with_places_everything_is_taken() -> None:
    here = Here()
    here.full = False
    turn = await here.takeover.turn()
    assert turn.takes(ONE)
    assert turn.takes(TWO)
    here.full = True  # they have filled it
    assert not turn.takes(ONE)
    assert await Here(shared=False).takeover.admits(ONE)


async def test_without_places_sessions_are_left_for_a_while_and_then_taken_singly() -> None:
    here = Here()
    for _ in range(5):
        turn = await here.takeover.turn()
        assert not turn.takes(ONE)
        here.now_s += 1
    turn = await here.takeover.turn()
    assert not turn.takes(TWO)  # just seen
    assert turn.takes(ONE)
    here.now_s += 6
    turn = await here.takeover.turn()
    assert turn.takes(ONE)
    assert not turn.takes(TWO)  # the next turn's


async def test_what_was_elsewhere_meanwhile_is_left_anew() -> None:
    here = Here()
    assert not await here.takeover.admits(ONE)
    here.now_s += 20  # a client that comes back rarely
    assert await here.takeover.admits(ONE)
    here.now_s += 60
    assert not await here.takeover.admits(ONE)
    here.now_s += 6
    here.takeover.forget(ONE)
    assert not await here.takeover.admits(ONE)


async def test_alone_nothing_is_left() -> None:
    here = Here()
    here.alone = True
    turn = await here.takeover.turn()
    assert turn.takes(ONE)
    assert not turn.takes(TWO)
    assert await here.takeover.admits(TWO)


async def test_one_server_by_itself_takes_all_at_once() -> None:
    turn = await Here(shared=False).takeover.turn()
    assert turn.takes(ONE)
    assert turn.takes(TWO)
