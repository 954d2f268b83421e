"""Word error rate against a reference, normalised the way published figures are."""

from collections.abc import Iterable
from dataclasses import dataclass

import jiwer
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

__all__ = ["WordErrors", "count_errors", "normalise", "total"]

_english = EnglishTextNormalizer()
_basic = BasicTextNormalizer()


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Errors in a number of reference words."""

    words: int
    substitutions: int = 0
    deletions: int = 0
    """Words said that the text does not have: lost words."""
    insertions: int = 0

    @property
    def rate(self) -> float:
        """Word error rate; words in silence count as one error each against one word."""
        return (self.substitutions + self.deletions + self.insertions) / max(self.words, 1)


def normalise(text: str, language: str) -> str:
    """Whisper's own normalisers: the English one for English, the basic one for the rest."""
    normaliser = _english if language == "en" else _basic
    return normaliser(text).strip()


def count_errors(reference: str, text: str, *, language: str) -> WordErrors:
    """Align `text` with the reference and count."""
    expected = normalise(reference, language)
    got = normalise(text, language)
    if not expected:
        return WordErrors(words=0, insertions=len(got.split()))
    if not got:
        return WordErrors(words=len(expected.split()), deletions=len(expected.split()))
    counted = jiwer.process_words(expected, got)
    return WordErrors(
        words=len(expected.split()),
        substitutions=counted.substitutions,
        deletions=counted.deletions,
        insertions=counted.insertions,
    )


def total(parts: Iterable[WordErrors]) -> WordErrors:
    """Sum over recordings: each word weighs the same."""
    every = list(parts)
    return WordErrors(
        words=sum(part.words for part in every),
        substitutions=sum(part.substitutions for part in every),
        deletions=sum(part.deletions for part in every),
        insertions=sum(part.insertions for part in every),
    )
