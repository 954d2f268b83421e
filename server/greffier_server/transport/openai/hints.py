"""What a client says of its speech beforehand: language, and words to expect; pure."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from greffier.protocol import GlossaryTerm
from greffier_server.core.languages import canonical
from greffier_server.transport.openai.errors import ParameterRefused

__all__ = ["language_of", "terms_of"]

_MAX_TERMS: Final = 500
_MAX_TERM_CHARS: Final = 80
_LIST_WORDS: Final = 4
"""What stands between two commas and has no more words is taken for a term."""
_PIECES = re.compile(r"[,;:\n\r\t.!?\u2026()\u00ab\u00bb\"]+")


def language_of(value: str, *, param: str = "language") -> str:
    """Return the session's language: a code, or ``auto`` where `value` is empty.

    Regional tags and names of languages are understood.

    Raises:
        ParameterRefused: no such language.
    """
    if value.strip().casefold() in ("", "auto"):
        return "auto"
    code = canonical(value)
    if code is None:
        raise ParameterRefused(
            "write the language as its ISO 639-1 code, such as fr; leave it out to detect it",
            param=param,
        )
    return code


def terms_of(prompt: str, keywords: Iterable[str] = ()) -> tuple[GlossaryTerm, ...]:
    """Return the terms to expect.

    A prompt is a list of words, which are taken as they are, or sentences, of which the names
    (capitals inside of a sentence, abbreviations) are taken: a recogniser that expects every word
    of a sentence would hear them where they were not said.
    """
    terms: dict[str, GlossaryTerm] = {}
    for text in (*keywords, *_of_prompt(prompt)):
        term = " ".join(text.split())
        sayable = term.isprintable() and any(char.isalpha() for char in term)
        if sayable and len(term) <= _MAX_TERM_CHARS:
            terms.setdefault(term.casefold(), GlossaryTerm(term))
    return tuple(terms.values())[:_MAX_TERMS]


def _of_prompt(prompt: str) -> Iterator[str]:
    for piece in _PIECES.split(prompt):
        words = piece.split()
        if len(words) <= _LIST_WORDS:
            yield piece
            continue
        name: list[str] = []
        for place, word in enumerate(words):
            bare = word.strip("'\u2019-")
            if bare[:1].isupper() and (place > 0 or bare[1:2].isupper()):
                name.append(bare)
            elif name:
                yield " ".join(name)
                name = []
        if name:
            yield " ".join(name)
