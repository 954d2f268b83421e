"""Proper names of a sentence, and whether another sentence has them: a name may not be swapped.

French and English writing only: a capital in mid-sentence, an abbreviation in capitals, a common
first name, or a name the caller knows. What one language alone writes with a capital is no name.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher

from greffier_server.core.alphabets import ICAO_LETTERS
from greffier_server.core.languages import word_set
from greffier_server.core.name_words import EXONYMS, FIRST_NAMES, NO_NAMES
from greffier_server.core.numerals import find_numerals, fold
from greffier_server.core.radio_forms import find_codes, spells

__all__ = ["NAME_LANGUAGES", "ProperName", "find_names", "swapped_names"]

NAME_LANGUAGES = frozenset({"en", "fr"})
_ALIKE = 0.8


@dataclass(frozen=True, slots=True)
class ProperName:
    """One word of a name."""

    text: str
    person: bool
    """A common first name, or one the caller knows: never added, dropped or changed."""

    @property
    def folded(self) -> str:
        """In lower case, without accents."""
        return fold(self.text)


def find_names(text: str, language: str, known: Iterable[str] = ()) -> list[ProperName]:
    """Return the names of `text`, word by word, each once."""
    people = FIRST_NAMES | {word for name in known for word in re.findall(r"[^\W\d_]+", fold(name))}
    numerals = {n.start for n in find_numerals(text, language)}
    codes = find_codes(text, language)
    shouted = text.isupper()
    found: dict[str, ProperName] = {}
    for match in _WORD.finditer(text):
        word, folded = match.group(), fold(match.group())
        if not word[0].isupper() or folded in NO_NAMES or match.start() in numerals:
            continue
        if folded in _COMMON_LETTERS or any(c.start <= match.start() < c.end for c in codes):
            continue
        person = folded in people and not shouted
        abbreviation = len(word) > 1 and word.isupper() and not shouted
        if person or abbreviation or (len(word) > 2 and not _begins(text, match.start())):
            found.setdefault(folded, ProperName(word, person))
    return list(found.values())


def swapped_names(
    source: str, target: str, languages: tuple[str, str], known: Iterable[str] = ()
) -> list[tuple[str, str]]:
    """Return names of `source` that `target` lacks, each with what stands in its place.

    A pair with an empty first part is a person that only `target` names; with an empty second
    part, one that it leaves out.
    """
    known = tuple(known)
    said, given = (
        find_names(text, language, known)
        for text, language in zip((source, target), languages, strict=True)
    )
    lost = [name for name in said if not _occurs(name, target, languages[1])]
    new = [name for name in given if not _occurs(name, source, languages[0])]
    pairs = [(one.text, other.text) for one, other in zip(lost, new, strict=False)]
    pairs += [(name.text, "") for name in lost[len(new) :] if name.person]
    return pairs + [("", name.text) for name in new[len(lost) :] if name.person]


_COMMON_LETTERS = ICAO_LETTERS.keys() & word_set(
    "november novembre hotel golf uniform uniforme echo papa delta india mike fox"
)
_WORD = re.compile(r"(?<!\w)[^\W\d_]+(?:-[^\W\d_]+)*(?!\w)")


def _begins(text: str, at: int) -> bool:
    """Whether a sentence, a quotation or a part behind a colon begins here."""
    before = text[:at].rstrip(" \u00a0\u202f\"'«“‘([-–—")
    return not before or before[-1] in ".!?…:;\n"


def _occurs(name: ProperName, text: str, language: str) -> bool:
    if name.text.isupper() and spells(text, language, name.text):
        return True
    wanted = name.folded
    words = {fold(word) for word in _WORD.findall(text)}
    words |= {part for word in words for part in word.split("-")}
    if wanted in words or wanted.rstrip("s") in words or wanted + "s" in words:
        return True
    if EXONYMS.get(wanted, frozenset()) & words:
        return True
    if any(part not in words for part in wanted.split("-")) and len(wanted) >= 4:
        return any(_alike(wanted, word) for word in words if word[0] == wanted[0])
    return all(part in words for part in wanted.split("-"))


def _alike(one: str, other: str) -> bool:
    return len(other) >= 4 and SequenceMatcher(None, one, other).ratio() >= _ALIKE
