"""Words as other recognisers give them: bare, with times, and without a token for a comma."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from greffier_models.types import Word

__all__ = ["SpokenWord", "bare", "spoken", "spread"]

_EDGES = ' \t\n.,;:!?…¡¿"()[]{}«»“”„‹›—–、。！？，：；'


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word without what surrounds it, and as it is written."""

    bare: str
    """Lower case, without punctuation."""
    written: str
    start_ms: int
    end_ms: int
    probability: float


def bare(text: str) -> str:
    """Return a word as recognisers without punctuation write it; '' for a mere mark."""
    return text.strip(_EDGES).lower()


def spoken(words: Iterable[Word]) -> list[SpokenWord]:
    """Join mere marks to the word before them."""
    found: list[SpokenWord] = []
    for word in words:
        name, written = bare(word.text), word.text.strip()
        if not name and found:
            last = found[-1]
            joined = f"{last.written}{word.text.rstrip()}"  # « ça va ? » keeps its space
            found[-1] = replace(last, written=joined, end_ms=word.end_ms)
        elif name:
            found.append(SpokenWord(name, written, word.start_ms, word.end_ms, word.probability))
    return found


def spread(text: str, start_ms: int, end_ms: int, *, probability: float) -> list[SpokenWord]:
    """Give the words of undecided text times: each a share of the stretch, by its length."""
    names = text.split()
    total = sum(map(len, names))
    length_ms = max(0, end_ms - start_ms)
    at, found = 0, list[Word]()
    for name in names:
        begin = start_ms + length_ms * at // total
        at += len(name)
        found.append(Word(f" {name}", begin, start_ms + length_ms * at // total, probability))
    return spoken(found)
