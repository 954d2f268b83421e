"""Distances in words, against the textbook's table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_models.types import Word
from greffier_server.core.word_edits import count_edits, differing_passages, folded_words

pytestmark = pytest.mark.unit


def textbook(before: list[str], after: list[str]) -> int:
    if not before or not after:
        return len(before) + len(after)
    if before[0] == after[0]:
        return textbook(before[1:], after[1:])
    return 1 + min(
        textbook(before[1:], after),
        textbook(before, after[1:]),
        textbook(before[1:], after[1:]),
    )


@given(
    before=st.lists(st.sampled_from("abc"), max_size=6),
    after=st.lists(st.sampled_from("abc"), max_size=6),
)
def test_it_is_the_least_number(before: list[str], after: list[str]) -> None:
    assert count_edits(before, after) == textbook(before, after)


def words(text: str) -> list[Word]:
    return [Word(f" {each}", at * 100, at * 100 + 90, 0.9) for at, each in enumerate(text.split())]


def test_passages_leave_out_what_is_shared() -> None:
    found = differing_passages(words("One two, three four"), words("one two 3 four five"))
    assert [(each.at_ms, each.before, each.after) for each in found] == [
        (200, "three", "3"),
        (400, "", "five"),
    ]
    assert differing_passages(words("Yes. No!"), words("yes no")) == []
    assert differing_passages([], []) == []


def test_marks_are_no_words() -> None:
    assert folded_words(words("« Oui » , non .")) == ["oui", "non"]
