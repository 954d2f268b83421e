"""Which of a glossary's terms the recogniser is told to expect."""

from collections.abc import Sequence

from greffier.protocol import GlossaryTerm

__all__ = ["MAX_HOTWORDS", "MAX_HOTWORD_CHARS", "choose_hotwords"]

MAX_HOTWORDS = 2_000
"""As many as a glossary may have; looking for all of them costs a few milliseconds a decode."""
MAX_HOTWORD_CHARS = 80
"""Longer terms are for translation: nobody says a paragraph as one name."""


def choose_hotwords(glossary: Sequence[GlossaryTerm]) -> tuple[str, ...]:
    """The terms that can be heard, each once, as they are to be written, in the glossary's order.

    White space is made single; a term without a letter, too long, or holding characters that no
    text shows cannot be said and is left out.
    """
    chosen: dict[str, str] = {}
    for entry in glossary:
        term = " ".join(entry.term.split())
        if (
            len(term) <= MAX_HOTWORD_CHARS
            and term.isprintable()
            and any(character.isalpha() for character in term)
        ):
            chosen.setdefault(term.casefold(), term)
    return tuple(chosen.values())[:MAX_HOTWORDS]
