"""The committed words before what is heard now."""

import pytest

from greffier_models.types import Word
from greffier_server.core.left_context import LeftContext

pytestmark = pytest.mark.unit


def _spoken(*words: tuple[str, int, int]) -> LeftContext:
    left = LeftContext(60_000)
    left.add([Word(f" {text}", start, end, 0.9) for text, start, end in words], decided_ms=0)
    return left


def test_the_newest_sentence_opens_the_context() -> None:
    left = _spoken(
        ("Un.", 0, 400), ("Deux", 500, 900), ("trois.", 900, 1_300), ("Quatre", 1_400, 1_800)
    )
    assert left.opening_ms(1_300, earliest_ms=0) == 500
    assert left.opening_ms(1_500, earliest_ms=0) == 1_400


def test_a_turn_opens_it_too() -> None:
    left = _spoken(("over", 0, 400), ("Bravo", 1_000, 1_400), ("deux", 1_400, 1_800))
    assert left.opening_ms(1_700, earliest_ms=0) == 1_000


def test_what_begins_too_early_does_not() -> None:
    left = _spoken(("Un.", 0, 400), ("Deux", 500, 900), ("trois", 900, 1_300))
    assert left.opening_ms(1_200, earliest_ms=600) == 1_200


def test_nothing_said_opens_nothing() -> None:
    assert LeftContext(6_000).opening_ms(1_200, earliest_ms=0) == 1_200


def test_the_first_word_known_is_no_opening() -> None:
    """Whether it begins a sentence is not known: what stood before it is let go."""
    assert _spoken(("deux", 500, 900)).opening_ms(1_200, earliest_ms=0) == 1_200
