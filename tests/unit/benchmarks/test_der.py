import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from benchmarks.der import SpokenTurn, assign, error_rate

pytestmark = pytest.mark.unit

TALK = [SpokenTurn("Ann", 0, 10_000), SpokenTurn("Bob", 10_000, 20_000)]


def test_names_do_not_matter() -> None:
    found = [SpokenTurn("2", 0, 10_000), SpokenTurn("1", 10_000, 20_000)]
    assert error_rate(TALK, found).total == 0


def test_each_kind_of_error_is_counted_by_itself() -> None:
    found = [
        SpokenTurn("1", 0, 8_000),
        SpokenTurn("2", 8_000, 18_000),
        SpokenTurn("1", 20_000, 25_000),
    ]
    score = error_rate(TALK, found, collar_ms=0)
    assert score.spoken_ms == 20_000
    assert score.confused == pytest.approx(0.1)
    assert score.missed == pytest.approx(0.1)
    assert score.false_alarm == pytest.approx(0.25)
    assert score.total == pytest.approx(0.45)


def test_edges_are_not_scored() -> None:
    found = [SpokenTurn("1", 200, 10_200), SpokenTurn("2", 10_200, 19_800)]
    assert error_rate(TALK, found).total == 0
    assert error_rate(TALK, found).spoken_ms == 19_000
    assert error_rate(TALK, found, collar_ms=0).total > 0


def test_overlapped_speech_counts_for_each_speaker() -> None:
    both = [SpokenTurn("Ann", 0, 10_000), SpokenTurn("Bob", 0, 10_000)]
    score = error_rate(both, [SpokenTurn("1", 0, 10_000)], collar_ms=0)
    assert (score.missed, score.spoken_ms) == (0.5, 20_000)


def test_finding_nobody_misses_everything() -> None:
    assert error_rate(TALK, []).missed == 1


@pytest.mark.parametrize("reference", [[], [SpokenTurn("Ann", 0, 400)]])
def test_a_reference_without_speech_is_refused(reference: list[SpokenTurn]) -> None:
    with pytest.raises(ValueError, match="nothing is spoken"):
        error_rate(reference, TALK[:1])


@given(
    arrays.arrays(
        np.int64, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.integers(0, 50)
    )
)
def test_the_pairing_is_the_best(gains: NDArray[np.int64]) -> None:
    pairs = assign(gains)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    wide = gains if gains.shape[0] <= gains.shape[1] else gains.T
    rows = range(wide.shape[0])
    best = max(
        sum(int(wide[row, columns[row]]) for row in rows)
        for columns in itertools.permutations(range(wide.shape[1]), len(rows))
    )
    assert sum(int(gains[row, column]) for row, column in pairs) == best
