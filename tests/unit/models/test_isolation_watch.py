"""The watchdog: heartbeats, bounds that learn, and time that nobody had."""

import pytest

from greffier_models.isolation.watch import Watch, WatchSettings

pytestmark = pytest.mark.unit

SETTINGS = WatchSettings(
    silent_s=10, least_s=20, unknown_s=60, factor=10, load_s=300, load_silent_s=60
)


def loaded() -> Watch:
    watch = Watch(SETTINGS, tick_s=1, now_s=0)
    watch.loaded(0)
    return watch


def first(watch: Watch, *, until_s: int, beats: bool = True) -> tuple[str | None, int]:
    """The first verdict and when, ticking once a second."""
    for now_s in range(1, until_s):
        if beats:
            watch.beat(now_s)
        if verdict := watch.look(now_s):
            return verdict, now_s
    return None, until_s


def test_a_child_without_heartbeats_is_stuck_though_nothing_was_asked() -> None:
    assert first(loaded(), until_s=100, beats=False) == ("silent", 11)


def test_a_child_that_beats_and_is_asked_nothing_is_well() -> None:
    assert first(loaded(), until_s=1_000)[0] is None


def test_the_first_request_has_longer_for_nothing_is_known() -> None:
    watch = loaded()
    watch.began(1, cost=1, now_s=0)
    assert first(watch, until_s=100) == ("stalled", 61)


@pytest.mark.parametrize(("took_s", "bound_s"), [(0.1, 20), (1.9, 20), (5, 50)])
def test_the_bound_follows_what_requests_take(took_s: float, bound_s: float) -> None:
    watch = loaded()
    watch.began(1, cost=1, now_s=0)
    watch.ended(1, took_s)
    assert watch.bound_s(1) == pytest.approx(bound_s)
    assert watch.bound_s(4) == pytest.approx(max(20, 4 * 10 * took_s))


def test_the_bound_comes_down_slowly() -> None:
    watch = loaded()
    watch.began(1, cost=1, now_s=0)
    watch.ended(1, 10)
    watch.began(2, cost=1, now_s=10)
    watch.ended(2, 11)
    assert 50 < watch.bound_s(1) < 100


def test_an_answer_in_time_is_no_reason() -> None:
    watch = loaded()
    watch.began(1, cost=1, now_s=0)
    assert first(watch, until_s=60)[0] is None
    watch.ended(1, 60)
    watch.ended(7, 60)  # never asked
    watch.beat(61)
    assert watch.look(61) is None


def test_loading_has_bounds_of_its_own() -> None:
    beating = Watch(SETTINGS, tick_s=1, now_s=0)
    assert first(beating, until_s=1_000) == ("stalled", 301)
    assert first(Watch(SETTINGS, tick_s=1, now_s=0), until_s=1_000, beats=False) == ("silent", 61)


def test_time_in_which_the_watchdog_slept_counts_for_nobody() -> None:
    watch = loaded()
    watch.began(1, cost=1, now_s=0)
    watch.beat(1)
    assert watch.look(1) is None
    assert watch.look(5_000) is None, "the machine was paused"
    watch.beat(5_030)
    for now_s in range(5_001, 5_058):
        watch.beat(now_s)
        assert watch.look(now_s) is None
    assert first_after(watch, 5_058, until_s=5_100) == "stalled"


def test_a_pause_does_not_blind_the_watchdog_afterwards() -> None:
    watch = loaded()
    assert watch.look(5_000) is None
    verdicts = [watch.look(5_000 + n) for n in range(1, 13)]
    assert verdicts == [None] * 9 + ["silent"] * 3


def first_after(watch: Watch, from_s: int, *, until_s: int) -> str | None:
    for now_s in range(from_s, until_s):
        watch.beat(now_s)
        if verdict := watch.look(now_s):
            return verdict
    return None
