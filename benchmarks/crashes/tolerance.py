"""How far disturbed readings are apart from undisturbed ones, and these among themselves.

The same audio is not read the same twice when load and pace decide which windows are decoded. So
each passage is read several times with nothing in the way; how far these readings are apart is
the tolerance, and disturbed readings are compared with the same ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy import WordErrors, count_errors, total

__all__ = ["MARGIN", "Comparison", "Readings", "compare"]

MARGIN = 0.03
"""Words in a hundred words by which disturbed readings may differ beyond the tolerance."""
_LEAST_READINGS = 2
_DRAWS = 2_000
_INTERVAL = (2.5, 97.5)


@dataclass
class Readings:
    """What became of one passage, each time it was said."""

    language: str
    said: str = ""
    """By its script; empty = unknown."""
    undisturbed: list[str] = field(default_factory=list[str])
    disturbed: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences in words per word; every passage weighs as much as it was said disturbed."""

    undisturbed: int
    """Readings."""
    disturbed: int
    words: int
    """In the disturbed readings."""
    tolerance: float
    """Of two undisturbed readings of the same passage."""
    difference: float
    """Of a disturbed and an undisturbed one."""
    excess: float
    """`difference` - `tolerance`."""
    excess_low: float
    """From here..."""
    excess_high: float
    """...to here in 95 of 100 runs over the same passages (bootstrap over readings)."""
    margin: float
    verdict: Literal["within", "outside", "undecided"]
    """``within``: all of the interval is below the margin; ``outside``: all of it is above."""
    wer_undisturbed: float
    """Against what is said, where that is known."""
    wer_disturbed: float


@dataclass(frozen=True, slots=True)
class _Distances:
    """Of one passage: errors and words of every pair."""

    among: NDArray[np.float64]
    """Undisturbed by undisturbed: errors."""
    across: NDArray[np.float64]
    """Disturbed by undisturbed: errors."""
    words: float
    """In an undisturbed reading, on average."""


def compare(
    passages: Sequence[Readings], *, margin: float = MARGIN, seed: int = 0, draws: int = _DRAWS
) -> Comparison | None:
    """Compare disturbed readings with undisturbed ones; None while there is nothing to compare.

    Args:
        passages: those with two undisturbed readings and a disturbed one take part.
        margin: see `Comparison.verdict`.
        seed: of the bootstrap.
        draws: of the bootstrap.
    """
    able = [
        each for each in passages if len(each.undisturbed) >= _LEAST_READINGS and each.disturbed
    ]
    if not able:
        return None
    distances = [_distances(each) for each in able]
    words = sum(len(each.across) * each.words for each in distances)
    if not words:
        return None
    tolerance = sum(len(each.across) * _mean_among(each.among) for each in distances) / words
    difference = sum(float(each.across.mean(axis=1).sum()) for each in distances) / words
    low, high = _interval(distances, seed=seed, draws=draws)
    return Comparison(
        undisturbed=sum(len(each.undisturbed) for each in able),
        disturbed=sum(len(each.disturbed) for each in able),
        words=sum(len(text.split()) for each in able for text in each.disturbed),
        tolerance=tolerance,
        difference=difference,
        excess=difference - tolerance,
        excess_low=low,
        excess_high=high,
        margin=margin,
        verdict="within" if high <= margin else "outside" if low > margin else "undecided",
        wer_undisturbed=_wer(able, disturbed=False),
        wer_disturbed=_wer(able, disturbed=True),
    )


def _distances(readings: Readings) -> _Distances:
    count = len(readings.undisturbed)
    among = np.zeros((count, count))
    for (i, one), (j, other) in combinations(enumerate(readings.undisturbed), 2):
        among[i, j] = among[j, i] = _apart(one, other, readings.language)
    across = np.array(
        [
            [_apart(one, other, readings.language) for other in readings.undisturbed]
            for one in readings.disturbed
        ]
    )
    counted = [count_errors(text, "", language=readings.language) for text in readings.undisturbed]
    return _Distances(among, across, sum(each.words for each in counted) / count)


@lru_cache(maxsize=16_384)
def _apart(one: str, other: str, language: str) -> int:
    """Words to put in, take out or replace."""
    return _edits(count_errors(one, other, language=language))


def _edits(errors: WordErrors) -> int:
    return errors.substitutions + errors.deletions + errors.insertions


def _mean_among(among: NDArray[np.float64]) -> float:
    count = len(among)
    return float(among.sum() / (count * (count - 1)))


def _interval(distances: Sequence[_Distances], *, seed: int, draws: int) -> tuple[float, float]:
    """Of the excess, drawing disturbed and undisturbed readings anew within each passage.

    A reading that is drawn twice is not compared with itself: that would be no difference at all.
    """
    random = np.random.default_rng(seed)
    excesses = np.empty(draws)
    for draw in range(draws):
        excess = words = 0.0
        for each in distances:
            own = _several(random, len(each.among))
            drawn = random.integers(len(each.across), size=len(each.across))
            pairs = own[:, None] != own[None, :]
            among = each.among[np.ix_(own, own)][pairs].mean()
            excess += float(each.across[np.ix_(drawn, own)].mean() - among) * len(drawn)
            words += each.words * len(drawn)
        excesses[draw] = excess / words
    low, high = np.percentile(excesses, _INTERVAL)
    return float(low), float(high)


def _several(random: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Draw with replacement, at least two different ones."""
    while True:
        drawn = random.integers(count, size=count)
        if (drawn != drawn[0]).any():
            return drawn


def _wer(passages: Sequence[Readings], *, disturbed: bool) -> float:
    """Passages weigh the same on both sides: as often as they were said disturbed."""
    rates: list[tuple[float, float]] = []
    for each in passages:
        texts = each.disturbed if disturbed else each.undisturbed
        if each.said:
            parts = [count_errors(each.said, text, language=each.language) for text in texts]
            pooled = total(parts)
            rates.append((pooled.rate, len(each.disturbed) * pooled.words / len(texts)))
    weight = sum(words for _, words in rates)
    return sum(rate * words for rate, words in rates) / weight if weight else float("nan")
