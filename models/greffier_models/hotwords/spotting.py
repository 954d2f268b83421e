"""Where in a decoded text a term of the glossary may have been said and was written otherwise."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from greffier_models.hotwords.sounds import fold, likenesses, weight
from greffier_models.types import Word

__all__ = ["LEAST_LIKENESS", "MAX_TERM_CHARS", "Spotted", "TermIndex"]

LEAST_LIKENESS = 0.62
"""Words less like a term than this are not asked about: their audio never bore the term out."""
MAX_TERM_CHARS = 80
"""A longer term is a sentence; it is left alone."""
_LEAST_SOUNDS = 4
"""Terms of fewer sounds are like too many words."""
_CERTAIN = 0.95
"""A run of words that are all this probable is what was said."""
_DOUBT_WEIGHT = 0.25
"""How much a word's doubt counts beside its likeness in what is looked at first."""
_MAX_WORDS = 4
_MORE_WORDS = 2
"""A term may be heard as so many words more than it has."""
_HEAD = re.compile(r"^\s*[\"'«“(¿¡]*(?:(?:[cdjlmnst]|qu)['’])?", re.IGNORECASE)
_TAIL = re.compile(r"(?:['’]s)?[\s\"'»”).,;:!?…]*$")
_CLASSES = ("aeiouj", "bpfv", "tdszSZkg", "mn", "l", "r")
_CLASS_COST = 0.4
"""Least cost of a difference of one in the count of a class: half of a swap, rounded down."""


@dataclass(frozen=True, slots=True)
class Spotted:
    """A run of words that sounds like a term."""

    first: int
    """Index of its first word."""
    count: int
    term: str
    likeness: float
    head: str
    """What stands before the term: a space, an elided article, a quotation mark."""
    tail: str
    """What stands behind it."""

    @property
    def text(self) -> str:
        """The term as it would stand in the text."""
        return f"{self.head}{self.term}{self.tail}"


class TermIndex:
    """The terms of one glossary by their sound; immutable.

    Args:
        terms: the most important first; what cannot be pronounced, or is too short or too long to
            be told apart by its sound, is left out.
    """

    def __init__(self, terms: Sequence[str]) -> None:
        folded = {term: fold(term) for term in map(_tidy, terms) if len(term) <= MAX_TERM_CHARS}
        kept = {term: sounds for term, sounds in folded.items() if len(sounds) >= _LEAST_SOUNDS}
        self._terms = tuple(kept)
        self._sounds = tuple(kept.values())
        self._counts = _class_counts(self._sounds)
        self._weights = np.array([weight(sounds) for sounds in self._sounds], np.float32)
        self._lengths = np.array([len(sounds) for sounds in self._sounds], np.int64)
        self._words = np.array([len(term.split()) for term in self._terms], np.int64)
        self._known = frozenset(map(str.casefold, folded))
        # "Rose" must not put capitals on every rose; "TEMIS" and "TeamViewer" are names anywhere.
        self._written = {t.casefold(): t for t in folded if not (t.islower() or t.istitle())}

    def __len__(self) -> int:
        return len(self._terms)

    def near(self, words: Sequence[Word], *, limit: int = 6) -> list[Spotted]:
        """The likeliest places, best first; no two overlap but for the same words.

        Args:
            words: of a hypothesis.
            limit: places at most.
        """
        runs = self._runs(words)
        if not runs or not self._terms:
            return []
        sounds = [fold(core) for _, _, _, core, _ in runs]
        pairs = self._plausible(sounds, np.array([run[1] for run in runs], np.int64))
        alike = likenesses([sounds[a] for a, _ in pairs], [self._sounds[b] for _, b in pairs])
        found = [
            Spotted(first, count, self._terms[b], round(float(like), 4), head, tail)
            for (a, b), like in zip(pairs, alike, strict=True)
            if like >= LEAST_LIKENESS
            for first, count, head, _, tail in (runs[a],)
        ]
        found.sort(key=lambda spot: (_rank(spot, words), spot.count, spot.first))
        return _apart(found, limit)

    def respelt(self, word: str) -> str:
        """`word` with the capitals of the glossary, where it is a term but for these."""
        head, core, tail = _parts(word)
        return f"{head}{self._written.get(core.casefold(), core)}{tail}"

    def _runs(self, words: Sequence[Word]) -> list[tuple[int, int, str, str, str]]:
        """(first, count, head, core, tail) of each run of words that is not a term already."""
        runs: list[tuple[int, int, str, str, str]] = []
        longest = min(_MAX_WORDS, int(self._words.max(initial=0)) + _MORE_WORDS)
        said = self._said(words)
        for first in range(len(words)):
            for count in range(1, longest + 1):
                if first + count > len(words) or first + count - 1 in said:
                    break
                run = words[first : first + count]
                head, core, tail = _parts("".join(word.text for word in run))
                if core and _least(run) < _CERTAIN:
                    runs.append((first, count, head, core, tail))
        return runs

    def _said(self, words: Sequence[Word]) -> set[int]:
        """Indices of words that are, or are part of, a term as it is written."""
        said: set[int] = set()
        for first in range(len(words)):
            for end in range(first + 1, min(first + _MAX_WORDS, len(words)) + 1):
                if _bare("".join(word.text for word in words[first:end])) in self._known:
                    said.update(range(first, end))
        return said

    def _plausible(self, sounds: Sequence[str], counts: NDArray[np.int64]) -> list[tuple[int, int]]:
        """Pairs (run, term) whose counts of sounds do not rule them out."""
        heard = _class_counts(sounds)
        lengths = np.array([len(text) for text in sounds], np.int64)
        weights = np.array([weight(text) for text in sounds], np.float32)
        apart = np.abs(heard[:, None, :] - self._counts[None, :, :]).sum(axis=2)
        heavier = np.maximum(weights[:, None], self._weights[None, :])
        fits = apart * _CLASS_COST <= (1 - LEAST_LIKENESS) * heavier
        fits &= (lengths[:, None] > 1) & (counts[:, None] <= self._words[None, :] + _MORE_WORDS)
        return [(int(a), int(b)) for a, b in np.argwhere(fits)]


def _least(run: Sequence[Word]) -> float:
    return min(word.probability for word in run)


def _rank(spot: Spotted, words: Sequence[Word]) -> float:
    """The smaller, the sooner looked at."""
    return _DOUBT_WEIGHT * _least(words[spot.first : spot.first + spot.count]) - spot.likeness


def _apart(found: Sequence[Spotted], limit: int) -> list[Spotted]:
    """Keep what does not overlap a likelier place, but two terms for the very same words."""
    kept: list[Spotted] = []
    for spot in found:
        clash = any(
            spot.first < other.first + other.count
            and other.first < spot.first + spot.count
            and (spot.first, spot.count) != (other.first, other.count)
            for other in kept
        )
        if not clash:
            kept.append(spot)
        if len(kept) == limit:
            break
    return kept


def _parts(text: str) -> tuple[str, str, str]:
    head = _HEAD.match(text)
    begin = head.end() if head else 0
    tail = _TAIL.search(text, begin)
    end = tail.start() if tail else len(text)
    return text[:begin], text[begin:end], text[end:]


def _bare(text: str) -> str:
    return _parts(text)[1].casefold()


def _tidy(term: str) -> str:
    return " ".join(term.split())


def _class_counts(sounds: Sequence[str]) -> NDArray[np.int16]:
    counts = np.zeros((len(sounds), len(_CLASSES) + 1), np.int16)
    for place, text in enumerate(sounds):
        for sound in text:
            kind = next((k for k, members in enumerate(_CLASSES) if sound in members), -1)
            counts[place, kind] += 1
    return counts
