"""Whether recordings tell two word error rates apart."""

import pytest

from benchmarks.accuracy import WordErrors
from benchmarks.intervals import difference_interval

pytestmark = pytest.mark.unit


def test_what_is_worse_on_every_recording_is_told_apart() -> None:
    worse = [WordErrors(words=30, substitutions=6) for _ in range(12)]
    better = [WordErrors(words=30, substitutions=3) for _ in range(12)]
    low, high = difference_interval(worse, better)
    assert low == pytest.approx(0.1)
    assert high == pytest.approx(0.1)


def test_ups_and_downs_are_not() -> None:
    ones = [WordErrors(words=30, substitutions=2 + 4 * (i % 2)) for i in range(12)]
    others = [WordErrors(words=30, substitutions=5 - 3 * (i % 2)) for i in range(12)]
    low, high = difference_interval(ones, others)
    assert low < 0 < high


def test_recordings_must_be_the_same() -> None:
    with pytest.raises(ValueError, match="each recording"):
        difference_interval([WordErrors(1)], [])
    with pytest.raises(ValueError, match="each recording"):
        difference_interval([], [])
