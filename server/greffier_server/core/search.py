"""Words as they are searched for: folded, cut, and found again in the text (pure).

Databases differ in what they take for a word and for the same letter. So both are given terms that
were made here, and highlights are found here: without case, without diacritics, compatibility forms
folded (Unicode NFKD), one term for each ideograph of scripts that set no spaces.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

__all__ = ["Query", "Term", "fold_text", "highlights", "parse_query", "terms"]

_MAX_TERM_CHARS = 40
_MAX_CLAUSES = 16
_MAX_PHRASE = 12
_QUERY = re.compile(r'"([^"]*)"|(\S+)')
_LETTERS = {"œ": "oe", "æ": "ae", "ø": "o", "đ": "d", "ł": "l", "ı": "i"}
"""Letters that are not a letter and a mark to Unicode, and are to people who search."""


@dataclass(frozen=True, slots=True)
class Term:
    """A word folded, and where it stands in the text (code points)."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Query:
    """What must be found: every clause, in any order."""

    clauses: tuple[tuple[str, ...], ...]
    """Words one after the other; mostly one."""
    open_ended: bool = False
    """The last word of the last clause may go on (``gouvern*``)."""


def fold_text(text: str) -> str:
    """Return the terms of `text`, as they are stored for the index."""
    return " ".join(term.text for term in terms(text))


def terms(text: str) -> Iterator[Term]:
    """Yield the words of `text`; everything that is no letter or digit parts them."""
    folded: list[str] = []
    start = 0
    for at, char in enumerate(text):
        plain = _plain(char)
        if not plain:
            if folded and not unicodedata.category(char).startswith("M"):
                yield from _term(folded, start, at)
                folded = []
            continue
        for letter in plain:
            if _alone(letter):
                yield from _term(folded, start, max(at, start + 1))  # ㏠ is 1 and 日
                folded = []
                yield Term(letter, at, at + 1)
                continue
            if not folded:
                start = at
            folded.append(letter)
    yield from _term(folded, start, len(text))


def parse_query(text: str) -> Query:
    """Read what a person typed: words, ``"phrases"``, and ``begin*`` at the end.

    Nothing of it is ever syntax to a database: what is left are letters and digits.
    """
    clauses: list[tuple[str, ...]] = []
    for phrase, word in _QUERY.findall(text):
        clause = tuple(term.text for term in terms(phrase or word))[:_MAX_PHRASE]
        if clause:
            clauses.append(clause)
    wanted = tuple(clauses[:_MAX_CLAUSES])
    ends_open = text.rstrip().endswith("*") and len(clauses) <= _MAX_CLAUSES
    return Query(wanted, open_ended=bool(wanted) and ends_open)


def highlights(text: str, query: Query) -> list[tuple[int, int]]:
    """Return where `query` is found in `text`: stretches of code points, in order, apart."""
    words = list(terms(text))
    found: list[tuple[int, int]] = []
    for number, clause in enumerate(query.clauses):
        last = query.open_ended and number == len(query.clauses) - 1
        for at in range(len(words) - len(clause) + 1):
            if _stands(words[at : at + len(clause)], clause, open_ended=last):
                found.append((words[at].start, words[at + len(clause) - 1].end))
    joined: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def closed(query: Query) -> Query:
    """Return `query` without its open end, for an index that knows whole words only."""
    return replace(query, open_ended=False)


def _stands(words: Sequence[Term], clause: Sequence[str], *, open_ended: bool) -> bool:
    if open_ended and not words[-1].text.startswith(clause[-1]):
        return False
    upto = len(clause) - open_ended
    return all(word.text == wanted for word, wanted in zip(words[:upto], clause, strict=False))


def _term(folded: Sequence[str], start: int, end: int) -> Iterator[Term]:
    if folded:
        yield Term("".join(folded)[:_MAX_TERM_CHARS], start, end)


def _plain(char: str) -> str:
    """Letters and digits of a character, folded; nothing of any other."""
    if char.isascii():
        return char.lower() if char.isalnum() else ""
    # Twice, for letters that only decomposition shows (Unicode §3.13, D146): 𝑨 is A, which is a.
    marks = unicodedata.normalize("NFKD", char.casefold())
    marks = unicodedata.normalize("NFKD", marks.casefold())
    kept = "".join(c for c in marks if c.isalnum())
    return "".join(_LETTERS.get(c, c) for c in kept)


def _alone(char: str) -> bool:
    """Ideographs, kana and the scripts of South-East Asia set no spaces between words."""
    code = ord(char)
    return (
        0x3040 <= code <= 0x30FF
        or 0x3400 <= code <= 0x9FFF
        or 0xF900 <= code <= 0xFAFF
        or 0x0E00 <= code <= 0x0EFF
        or 0x1000 <= code <= 0x109F
        or 0x1780 <= code <= 0x17FF
        or 0x20000 <= code <= 0x3FFFF
    )
