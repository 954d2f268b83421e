"""Glossaries for recordings, and how many of their terms a text has (pure).

`hotword_terms.json` holds names and rare words that are said somewhere in the recordings, and
others that are said nowhere: names of the same kind, some chosen to sound like those that are.
"""

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.accuracy import normalise
from benchmarks.corpora import Recording

__all__ = ["Lexicon", "TermCounts", "count_term", "glossary_of", "load_lexicons", "weigh_terms"]

_SYLLABLES = [
    "ka",
    "ri",
    "mo",
    "len",
    "dar",
    "tis",
    "vel",
    "no",
    "pa",
    "chi",
    "bru",
    "stan",
    "ger",
    "fo",
    "lin",
    "ma",
    "rou",
    "sé",
    "gui",
    "du",
]
_TERMS = Path(__file__).parent / "hotword_terms.json"


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Terms of one language."""

    said: tuple[str, ...]
    """Said in some recording."""
    others: tuple[str, ...]
    """Said in none."""


@dataclass(frozen=True, slots=True)
class TermCounts:
    """What became of a glossary's terms."""

    said: int = 0
    """Occurrences in the reference."""
    found: int = 0
    """Of these, written."""
    missed_before: int = 0
    """Of these, not written by the recogniser without a glossary."""
    recovered: int = 0
    """Of `missed_before`, written now."""
    lost: int = 0
    """Written without a glossary, and no longer."""
    false_inserts: int = 0
    """Written more often than said."""

    def __add__(self, other: "TermCounts") -> "TermCounts":
        return TermCounts(
            self.said + other.said,
            self.found + other.found,
            self.missed_before + other.missed_before,
            self.recovered + other.recovered,
            self.lost + other.lost,
            self.false_inserts + other.false_inserts,
        )


def load_lexicons(path: Path = _TERMS) -> dict[str, Lexicon]:
    """Read the terms of each language."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {
        language: Lexicon(tuple(terms["said"]), tuple(terms["others"]))
        for language, terms in content.items()
    }


def count_term(term: str, text: str, *, language: str) -> int:
    """How often `term` stands in `text`, both normalised, on word boundaries."""
    wanted = normalise(term, language)
    if not wanted:
        return 0
    spaced = f" {normalise(text, language)} ".replace(" ", "  ")
    return spaced.count(f" {wanted.replace(' ', '  ')} ")


def glossary_of(recording: Recording, lexicon: Lexicon, *, size: int) -> tuple[str, ...]:
    """`size` terms: all that are said in `recording`, the rest not; the same order each time.

    Where the lexicon has too few, names are made up of syllables.
    """

    def is_said(term: str) -> bool:
        return bool(count_term(term, recording.text, language=recording.language))

    said = [term for term in lexicon.said if is_said(term)]
    others = [term for term in (*lexicon.said, *lexicon.others) if not is_said(term)]
    shuffled = random.Random(recording.id)
    shuffled.shuffle(others)
    missing = max(0, size - len(said) - len(others))
    terms = [*said, *others, *(_invented(shuffled) for _ in range(missing))][:size]
    shuffled.shuffle(terms)
    return tuple(terms)


def weigh_terms(
    terms: Iterable[str], *, reference: str, before: str, text: str, language: str
) -> TermCounts:
    """Compare the terms of a glossary in `text` with the reference and with the text without it."""
    total = TermCounts()
    for term in terms:
        said, plain, now = _counts(term, (reference, before, text), language)
        found, found_before = min(said, now), min(said, plain)
        total += TermCounts(
            said=said,
            found=found,
            missed_before=said - found_before,
            recovered=max(0, found - found_before),
            lost=max(0, found_before - found),
            false_inserts=max(0, now - said),
        )
    return total


def _invented(source: random.Random) -> str:
    return "".join(source.choice(_SYLLABLES) for _ in range(source.randint(2, 4))).title()


def _counts(term: str, texts: Sequence[str], language: str) -> tuple[int, ...]:
    return tuple(count_term(term, text, language=language) for text in texts)
