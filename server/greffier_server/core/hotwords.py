"""Which of a glossary's terms the recogniser is told to expect."""

from collections.abc import Sequence

from greffier.protocol import GlossaryTerm
from greffier_models.types import SAID_AS

__all__ = ["MAX_HOTWORDS", "MAX_HOTWORD_CHARS", "choose_hotwords"]

MAX_HOTWORDS = 2_000
"""As many as a glossary may have; looking for all of them costs a few milliseconds a decode."""
MAX_HOTWORD_CHARS = 80
"""Longer terms are for translation: nobody says a paragraph as one name."""


def choose_hotwords(glossary: Sequence[GlossaryTerm]) -> tuple[str, ...]:
    """The terms that can be heard, each once, as they are to be written, in the glossary's order.

    Behind each term come its variants, and the ways it is said, which write the term. White space
    is made single; what has no letter, is too long, or holds characters that no text shows cannot
    be said and is left out. Variants and pronunciations never take a later term's place.
    """
    first: dict[str, str] = {}
    second: dict[str, str] = {}
    for entry in glossary:
        term = _sayable(entry.term)
        if not term:
            continue
        first.setdefault(term.casefold(), term)
        for variant in filter(None, map(_sayable, entry.variants)):
            second.setdefault(variant.casefold(), variant)
        for said in filter(None, map(_sayable, entry.pronunciation)):
            second.setdefault((term + SAID_AS + said).casefold(), term + SAID_AS + said)
    more = [hotword for key, hotword in second.items() if key not in first]
    return (*first.values(), *more)[:MAX_HOTWORDS]


def _sayable(text: str) -> str:
    """`text` with single spaces; nothing when it cannot be said."""
    term = " ".join(text.split())
    fits = len(term) <= MAX_HOTWORD_CHARS and term.isprintable()
    return term if fits and any(character.isalpha() for character in term) else ""
