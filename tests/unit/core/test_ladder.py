"""The ladder: down at once, up one step at a time, never for nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_server.core.ladder import Ladder, LadderSettings

pytestmark = pytest.mark.unit


def test_down_at_once_up_by_steps() -> None:
    ladder = Ladder()
    assert ladder.weigh(2_999, 0) is None
    assert ladder.weigh(3_000, 100) == "longer-hops"
    assert ladder.weigh(9_999, 200) is None
    assert ladder.weigh(10_000, 300) == "finals-only"
    assert ladder.weigh(900, 1_000) is None
    assert ladder.weigh(900, 10_999) is None
    assert ladder.weigh(900, 11_000) == "longer-hops"
    assert ladder.weigh(900, 20_999) is None
    assert ladder.weigh(900, 21_000) == "full"
    assert ladder.weigh(0, 90_000) is None


def test_straight_to_the_lowest() -> None:
    assert Ladder().weigh(50_000, 0) == "finals-only"


def test_a_relapse_begins_the_wait_anew() -> None:
    ladder = Ladder()
    ladder.weigh(5_000, 0)
    ladder.weigh(0, 1_000)
    ladder.weigh(1_000, 10_000)
    assert ladder.weigh(0, 11_000) is None
    assert ladder.weigh(0, 21_000) == "full"


@given(backlogs=st.lists(st.integers(0, 20_000), max_size=200))
def test_told_levels_are_the_level(backlogs: list[int]) -> None:
    ladder, told = Ladder(LadderSettings(steady_ms=500)), "full"
    for step, backlog_ms in enumerate(backlogs):
        before = told
        told = ladder.weigh(backlog_ms, step * 96) or told
        assert told == ladder.level
        if told != before and backlog_ms >= 3_000:
            assert before == "full" or told == "finals-only"
