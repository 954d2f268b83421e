"""Disturbed readings against undisturbed ones: what is told apart, and what cannot be told."""

import math
from random import Random

import pytest

from benchmarks.crashes.tolerance import Readings, compare

pytestmark = pytest.mark.unit

SAID = [f"w{place}" for place in range(40)]


def read(random: Random, wrong: float) -> str:
    """Each word is misread with this probability."""
    return " ".join(f"x{word}" if random.random() < wrong else word for word in SAID)


def readings(count: int, *, undisturbed: float, disturbed: float, seed: int = 1) -> list[Readings]:
    random = Random(seed)
    return [
        Readings(
            "fr",
            " ".join(SAID),
            [read(random, undisturbed) for _ in range(6)],
            [read(random, disturbed) for _ in range(count)],
        )
        for _ in range(4)
    ]


@pytest.mark.parametrize(
    ("count", "undisturbed", "disturbed", "verdict"),
    [
        (20, 0.05, 0.05, "within"),
        (20, 0.0, 0.0, "within"),
        (20, 0.05, 0.20, "outside"),
        (20, 0.0, 0.10, "outside"),
        (2, 0.05, 0.12, "undecided"),
    ],
)
def test_verdicts(count: int, undisturbed: float, disturbed: float, verdict: str) -> None:
    found = compare(
        readings(count, undisturbed=undisturbed, disturbed=disturbed), margin=0.03, draws=300
    )
    assert found is not None
    assert found.verdict == verdict, found
    assert found.excess_low <= found.excess <= found.excess_high
    assert found.excess == pytest.approx(found.difference - found.tolerance)


def test_figures() -> None:
    said = "un deux trois quatre"
    one = Readings("fr", said, [said, "un deux trois cinq"], [said, "un deux", said])
    found = compare([one], margin=0.5, draws=200)
    assert found is not None
    assert (found.undisturbed, found.disturbed, found.words) == (2, 3, 10)
    assert found.tolerance == pytest.approx(1 / 4)
    # 0 and 1 word, 2 and 2, 0 and 1.
    assert found.difference == pytest.approx((0.5 + 2 + 0.5) / 12)
    assert found.wer_undisturbed == pytest.approx(1 / 8)
    assert found.wer_disturbed == pytest.approx(2 / 12)


def test_a_passage_weighs_as_often_as_it_was_disturbed() -> None:
    calm = Readings("fr", "", ["a b c d"] * 3, ["a b c d"] * 9)
    wild = Readings("fr", "", ["a b c d", "e f g h"], ["a b c d"])
    found = compare([calm, wild], draws=50)
    assert found is not None
    assert found.tolerance == pytest.approx(1 / 10)
    assert math.isnan(found.wer_disturbed)


@pytest.mark.parametrize(
    "alone",
    [
        Readings("en", "a", ["a"], ["a"]),
        Readings("en", "a", ["a", "a"], []),
        Readings("en", "", ["", ""], [""]),
    ],
    ids=["one-undisturbed", "none-disturbed", "no-words"],
)
def test_nothing_to_compare(alone: Readings) -> None:
    assert compare([alone]) is None


def test_it_is_the_same_each_time() -> None:
    said = readings(5, undisturbed=0.1, disturbed=0.1)
    assert compare(said, draws=100) == compare(said, draws=100)
