"""Gaps as people read them."""

import pytest

from greffier.losses import Loss, joined

pytestmark = pytest.mark.unit


def test_gaps_of_one_cause_within_two_seconds_are_one_stretch() -> None:
    assert joined([(0, 20, "a", 0), (2_020, 2_060, "a", 0), (4_061, 4_100, "a", 0)]) == [
        Loss(0, 2_060, "a", 0, lost_ms=60),
        Loss(4_061, 4_100, "a", 0, lost_ms=39),
    ]


def test_causes_and_speakers_are_kept_apart() -> None:
    gaps = [(0, 20, "a", 1), (30, 50, "b", 1), (60, 80, "a", 2), (90, 110, "a", 1)]
    assert joined(gaps) == [
        Loss(0, 110, "a", 1, lost_ms=40),
        Loss(30, 50, "b", 1, lost_ms=20),
        Loss(60, 80, "a", 2, lost_ms=20),
    ]


def test_what_is_lost_twice_counts_once_and_order_does_not_matter() -> None:
    gaps = [(500, 600, "a", 0), (0, 1_000, "a", 0), (900, 1_500, "a", 0)]
    (loss,) = joined(gaps)
    assert loss == Loss(0, 1_500, "a", 0, lost_ms=1_500)
    assert loss.whole
    assert loss.text == "[gap 1.5 s: a]"


def test_a_stretch_says_how_much_of_it_is_lost() -> None:
    (loss,) = joined([(0, 100, "packet\nloss", None), (1_000, 1_100, "packet\nloss", None)])
    assert loss.text == "[gap 0.2 s in 1.1 s: packet loss]"
    assert joined([]) == []
