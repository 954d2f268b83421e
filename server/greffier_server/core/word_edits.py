"""How far two readings of the same speech are apart, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from greffier_models.types import Word
from greffier_server.core.word_times import fold_word

__all__ = ["Passage", "count_edits", "differing_passages", "folded_words"]


@dataclass(frozen=True, slots=True)
class Passage:
    """Where two readings differ: the words of each, without what they share."""

    at_ms: int
    before: str
    after: str


def folded_words(words: Sequence[Word]) -> list[str]:
    """Words without case and punctuation; a mark alone is no word."""
    return [folded for word in words if (folded := fold_word(word.text))]


def count_edits(before: Sequence[str], after: Sequence[str]) -> int:
    """Least number of words to put in, take out or replace (Levenshtein), in time before x after.

     A row is one vector operation: what insertions add is the running minimum of the rest
    , so ten thousand words take about a second.
    """
    numbers: dict[str, int] = {}
    first = [numbers.setdefault(word, len(numbers)) for word in before]
    second = np.array([numbers.setdefault(word, len(numbers)) for word in after], dtype=np.int64)
    places = np.arange(len(second) + 1)
    row: NDArray[np.int64] = places.copy()
    for count, word in enumerate(first, start=1):
        best = np.empty_like(row)
        best[0] = count
        np.minimum(row[1:] + 1, row[:-1] + (second != word), out=best[1:])
        row = np.minimum.accumulate(best - places) + places
    return int(row[-1])


def differing_passages(before: Sequence[Word], after: Sequence[Word]) -> list[Passage]:
    """Where the words differ, in order; case and punctuation aside."""
    first = [word for word in before if fold_word(word.text)]
    second = [word for word in after if fold_word(word.text)]
    matcher = SequenceMatcher(None, folded_words(first), folded_words(second), autojunk=False)
    return [
        Passage(_start_ms(first, i, second, j), _text(first[i:until]), _text(second[j:upto]))
        for tag, i, until, j, upto in matcher.get_opcodes()
        if tag != "equal"
    ]


def _start_ms(first: Sequence[Word], i: int, second: Sequence[Word], j: int) -> int:
    starts = [words[at].start_ms for words, at in ((first, i), (second, j)) if at < len(words)]
    return min(starts, default=0)


def _text(words: Sequence[Word]) -> str:
    return "".join(word.text for word in words).strip()
