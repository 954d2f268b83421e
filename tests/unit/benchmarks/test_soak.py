"""Growth over samples, and the options of the soak."""

import pytest

from benchmarks.growth import growth
from benchmarks.soak import main

pytestmark = pytest.mark.unit


def test_steady_growth_is_found_by_both_ways() -> None:
    found = growth([(0.0, 100.0), (1_800.0, 105.0), (3_600.0, 110.0)])
    assert found.last_minus_first == pytest.approx(10)
    assert found.fitted == pytest.approx(10)
    assert found.per_hour == pytest.approx(10)
    assert found.settled == pytest.approx(10)


def test_what_single_looks_catch_is_no_growth() -> None:
    calm = [(float(at), 100.0) for at in range(30)]
    calm[0], calm[15], calm[-1] = (0.0, 60.0), (15.0, 140.0), (29.0, 140.0)
    found = growth(calm)
    assert found.last_minus_first == 80
    assert found.settled == 0


def test_a_rise_in_the_last_hour_is_growth() -> None:
    late = [(float(at), 100.0 if at < 20 else 130.0) for at in range(30)]
    assert growth(late).settled > 30


def test_one_odd_sample_at_the_end_weighs_less_in_the_fit() -> None:
    found = growth([(float(at), 100.0) for at in range(0, 1000, 100)] + [(1_000.0, 150.0)])
    assert found.last_minus_first == 50
    assert 0 < found.fitted < 25


def test_memory_given_back_is_negative_growth() -> None:
    assert growth([(0.0, 100.0), (60.0, 90.0)]).fitted == pytest.approx(-10)


def test_one_sample_is_no_growth() -> None:
    with pytest.raises(ValueError, match="two different"):
        growth([(0.0, 1.0)])


def test_a_soak_that_ends_within_its_warm_up_is_refused() -> None:
    with pytest.raises(SystemExit):
        main(["--hours", "0.1", "--warm-up-s", "600"])
