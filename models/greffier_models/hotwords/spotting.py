"""Where in a decoded text a term of the glossary may have been said and was written otherwise."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from greffier_models.hotwords.sounds import Sounds, fold, likenesses, plausible_pairs
from greffier_models.types import SAID_AS, Word

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
_PAIRS_AT_ONCE = 2_048
"""What fits a processor's cache: two and a half times as fast as all at once."""
_HEAD = re.compile(r"^\s*[\"'«“(¿¡]*(?:(?:[cdjlmnst]|qu)['’])?", re.IGNORECASE)
_TAIL = re.compile(r"(?:['’]s)?[\s\"'»”).,;:!?…]*$")
_APOSTROPHES = ("'", "’")


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
    def run(self) -> tuple[int, int]:
        """First word and count."""
        return self.first, self.count

    def overlaps(self, other: "Spotted", *, margin: int = 0) -> bool:
        """Whether both have a word in common, or less than `margin` words between them."""
        ends = self.first + self.count + margin, other.first + other.count + margin
        return self.first < ends[1] and other.first < ends[0]


@dataclass(frozen=True, slots=True)
class _Run:
    """Words of a hypothesis that may be one term."""

    first: int
    count: int
    head: str
    core: str
    tail: str


class TermIndex:
    """The terms of one glossary by their sound; immutable.

    Args:
        terms: the most important first, each as it is written, or that, `SAID_AS` and how it is
            said; what cannot be pronounced, or is too short or too long to
            be told apart by its sound, is left out.
    """

    def __init__(self, terms: Sequence[str]) -> None:
        spoken: list[tuple[str, str]] = []
        for term in terms:
            written, _, said = term.partition(SAID_AS)
            if len(written) <= MAX_TERM_CHARS >= len(said):
                spoken.append((_tidy(written), _tidy(said) or _tidy(written)))
        folded = {written: fold(said) for written, said in spoken}
        kept = {pair: sounds for pair in spoken if len(sounds := fold(pair[1])) >= _LEAST_SOUNDS}
        self._terms = tuple(written for written, _ in kept)
        self._sounds = Sounds.of(list(kept.values()))
        self._words = np.array([len(said.split()) for _, said in kept], np.int64)
        self._known = frozenset(map(str.casefold, folded))
        # "Rose" must not put capitals on every rose; "TEMIS" and "TeamViewer" are names anywhere.
        self._written = {t.casefold(): t for t in folded if not (t.islower() or t.istitle())}

    def __len__(self) -> int:
        return len(self._terms)

    def near(self, words: Sequence[Word], *, limit: int = 6) -> list[Spotted]:
        """The likeliest places, best first; those that overlap are alternatives.

        Args:
            words: of a hypothesis.
            limit: places at most.
        """
        runs = self._runs(words)
        if not runs or not self._terms:
            return []
        sounds = Sounds.of([fold(run.core) for run in runs])
        counts = np.array([run.count for run in runs], np.int64)
        pairs = plausible_pairs(sounds, self._sounds, LEAST_LIKENESS)
        pairs = pairs[
            (sounds.lengths[pairs[:, 0]] > 1)
            & (counts[pairs[:, 0]] <= self._words[pairs[:, 1]] + _MORE_WORDS)
        ]
        alike = np.zeros(len(pairs), np.float32)
        for at in range(0, len(pairs), _PAIRS_AT_ONCE):
            some = pairs[at : at + _PAIRS_AT_ONCE]
            ones, twos = sounds.take(some[:, 0]), self._sounds.take(some[:, 1])
            alike[at : at + len(some)] = likenesses(ones, twos)
        near = alike >= LEAST_LIKENESS
        found: list[Spotted] = []
        for place in np.flatnonzero(near).tolist():
            run, term = runs[int(pairs[place, 0])], self._terms[int(pairs[place, 1])]
            if not _inflected(run.core, term):
                like = round(float(alike[place]), 4)
                found.append(Spotted(run.first, run.count, term, like, run.head, run.tail))
        found.sort(key=lambda spot: (_rank(spot, words), spot.count, spot.first))
        return _apart(found, limit)

    def respelt(self, word: str) -> str:
        """`word` with the capitals of the glossary, where it is a term but for these."""
        head, core, tail = _parts(word)
        return f"{head}{self._written.get(core.casefold(), core)}{tail}"

    def _runs(self, words: Sequence[Word]) -> list[_Run]:
        """Each run of words that is doubtful enough, and not a term already."""
        runs: list[_Run] = []
        longest = min(_MAX_WORDS, int(self._words.max(initial=0)) + _MORE_WORDS)
        said = self._said(words)
        for first in range(len(words)):
            for count in range(1, longest + 1):
                if first + count > len(words) or first + count - 1 in said:
                    break
                run = words[first : first + count]
                head, core, tail = _parts("".join(word.text for word in run))
                if not core or _least(run) >= _CERTAIN:
                    continue
                runs.append(_Run(first, count, head, core, tail))
                if tail[:1] in _APOSTROPHES and tail[1:2] == "s":  # a plural, or a name's own s
                    runs.append(_Run(first, count, head, core + tail[:2], tail[2:]))
        return runs

    def _said(self, words: Sequence[Word]) -> set[int]:
        """Indices of words that are, or are part of, a term as it is written."""
        said: set[int] = set()
        for first in range(len(words)):
            for end in range(first + 1, min(first + _MAX_WORDS, len(words)) + 1):
                if _bare("".join(word.text for word in words[first:end])) in self._known:
                    said.update(range(first, end))
        return said


def _least(run: Sequence[Word]) -> float:
    return min(word.probability for word in run)


def _rank(spot: Spotted, words: Sequence[Word]) -> float:
    """The smaller, the sooner looked at."""
    return _DOUBT_WEIGHT * _least(words[spot.first : spot.first + spot.count]) - spot.likeness


def _apart(found: Sequence[Spotted], limit: int) -> list[Spotted]:
    """Drop what overlaps a likelier place.

    Other terms for the very same words stay, and the same term over more or fewer of them: the
    audio tells whether a neighbour is part of the name.
    """
    kept: list[Spotted] = []
    for spot in found:
        rivals = [other for other in kept if spot.overlaps(other)]
        if all(spot.run == other.run or spot.term == other.term for other in rivals):
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


def _inflected(core: str, term: str) -> bool:
    """Whether a common word was heard in another form: a glossary does not settle its grammar."""
    if not term.islower():
        return False
    heard = core.casefold()
    stem = min(len(heard), len(term)) - 1
    return heard[:stem] == term[:stem] and abs(len(heard) - len(term)) <= 2


def _tidy(term: str) -> str:
    return " ".join(term.split())
