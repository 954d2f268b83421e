"""Whether a sentence negates: in full for French and English, by its words in some others."""

import re
from dataclasses import dataclass

from greffier_server.core.invariant_words import (
    FRENCH_NEGATION,
    NEGATION,
    NEGATIVE_SENSE,
    WEAK_NEGATION,
)
from greffier_server.core.numerals import fold

__all__ = ["NEGATION_LANGUAGES", "Polarity", "polarity"]

NEGATION_LANGUAGES = NEGATION.keys() | {"fr"}


@dataclass(frozen=True, slots=True)
class Polarity:
    """How a text negates."""

    negated: bool
    weak: bool
    """Words that may be translated with or without a negation (impossible, only, until)."""
    negative: bool
    """Words that may stand for a negation; fewer than the weak ones."""
    words: tuple[str, ...] = ()
    """What negates, as it is written."""


def polarity(text: str, language: str) -> Polarity:
    """Read the negation of `text`."""
    folded = fold(text).replace("’", "'")
    words = re.findall(r"[^\W\d_]+", folded)
    weak = any(word in WEAK_NEGATION for word in words)
    negative = any(word in NEGATIVE_SENSE for word in words)
    if language == "fr":
        return _french(folded, weak=weak, negative=negative)
    found = [word for word in words if word in NEGATION.get(language, ())]
    if language == "en":
        if re.search(r"n't (?:it|you|we|they|he|she|i)\b[^?]*\?", folded):
            return Polarity(False, True, True)  # a tag question may lose its not
        found += re.findall(r"\w+n't\b", folded)
    return Polarity(bool(found), weak, negative, tuple(found))


def _french(text: str, *, weak: bool, negative: bool) -> Polarity:
    tag = "est-ce pas" in text or "est ce pas" in text
    text = re.sub(r"n'est[- ]ce pas|pas a pas|pas mal\b|au pas\b|\bun pas\b", " ", text)
    found = [word for word in re.findall(r"[^\W\d_]+", text) if word in FRENCH_NEGATION]
    if found:
        return Polarity(True, weak or tag, negative or tag, tuple(found))
    particle = re.search(r"\b(?:ne|n')\s?[^.?!]*", text)
    if particle is None:
        return Polarity(False, weak or tag, negative or tag)
    behind = re.findall(r"\b(?:plus|personne|rien)\b", particle.group())
    behind += re.findall(r"\b(?:personne|rien)(?= (?:ne\b|n'))", text)
    if behind:
        return Polarity(True, weak, negative, tuple(behind))
    return Polarity(False, True, True)  # "ne … que" is only; a bare "ne" may mean nothing
