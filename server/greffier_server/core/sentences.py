"""Where sentences and clauses end in a run of committed words, language by language.

The rule reads words from the left and never changes its mind: what is a sentence end without the
words to come is one with them, too (closing quotes aside). Where only the next word can tell, as
behind a number or three dots, it waits for it.
"""

import re
import unicodedata
from collections.abc import Sequence

from greffier_models.types import Word
from greffier_server.core.languages import word_set

__all__ = ["clause_end", "sentence_end", "split_sentences"]

_STOPS = frozenset(".?!…。？！｡．؟۔।॥։።။។༎‼⁇⁈⁉")
_CLAUSE_STOPS = frozenset(",;:、，；：،؛՝፣၊")
_CLOSERS = "\"'»”’›)]}」』）】〉》"
_OPENERS = "\"'«“‘‹([{「『（【〈《¿¡-–— "

_ABBREVIATIONS: dict[str, frozenset[str]] = {
    "en": word_set(
        "mr mrs ms dr prof sr jr st mt ft vs e.g i.e nos fig figs vol pp eds gen col maj capt lt "
        "sgt cpl pvt adm cmdr rev hon gov sen rep approx dept est inc ltd corp jan feb apr aug "
        "sept oct nov dec tues thurs"
    ),
    "fr": word_set(
        "m mm mme mmes mlle mlles mgr dr pr st ste p pp ex cf al chap env fig n nos éd c.-à-d "
        "c.à.d av bd gén cdt cne lt adj sgt janv févr avr juil sept oct nov déc tél réf"
    ),
    "de": word_set("hr fr dr prof st bzw ca z.b d.h u.a o.ä nr str abb evtl ggf inkl vgl"),
    "es": word_set("sr sra srta dr dra d dña prof ud uds pág núm av art p.ej aprox"),
    "it": word_set("sig sigg dott prof ing avv pag art p.es ecc s"),
    "pt": word_set("sr sra dr dra prof pág núm av art p.ex"),
    "nl": word_set("dhr mevr dr prof ir mr st blz nr bv d.w.z o.a"),
}
_OPEN_ENDED = word_set("etc ecc usw p.m a.m")
"""Abbreviations that may well end a sentence: the next word's first letter decides."""

_ORDINAL_DOT = word_set("de da no nn fi cs sk sl hr bs sr hu pl et lv tr is fo lb eu")
"""Languages that write ordinal numbers as digits and a full stop."""

_INITIALS = re.compile(r"(?:\w\.)+\w?")


def sentence_end(words: Sequence[Word], language: str) -> int:
    """Count the leading words that make the first complete sentence.

    Returns:
        0 when no sentence is known to have ended yet.
    """
    for index in range(len(words)):
        if _ends_sentence(words, index, language):
            return _past_closers(words, index + 1)
    return 0


def clause_end(words: Sequence[Word], language: str) -> int:
    """Count the leading words up to the last place where a long sentence may be cut.

    That is behind a comma, semicolon or colon, or behind a whole sentence; 0 when there is none.
    """
    for index in range(len(words) - 1, -1, -1):
        if _ends_clause(words, index) or _ends_sentence(words, index, language):
            return _past_closers(words, index + 1)
    return 0


def split_sentences(words: Sequence[Word], language: str) -> list[tuple[Word, ...]]:
    """Cut `words` into sentences; the last one may be incomplete. No word is lost or moved."""
    sentences: list[tuple[Word, ...]] = []
    rest = tuple(words)
    while rest:
        count = sentence_end(rest, language) or len(rest)
        sentences.append(rest[:count])
        rest = rest[count:]
    return sentences


def _ends_sentence(words: Sequence[Word], index: int, language: str) -> bool:
    text = words[index].text.strip().rstrip(_CLOSERS)
    if not text or text[-1] not in _STOPS:
        return False
    if index == 0 and not any(char.isalnum() for char in text):
        return False  # marks alone are no sentence
    following = _next_letters(words, index + 1)
    if text.endswith(("...", "…")):
        return _starts_sentence(following)
    if text[-1] != ".":
        return True
    stem = text.rstrip(".").lstrip(_OPENERS)
    if not stem:
        return True
    if stem[-1].isdecimal():
        return language not in _ORDINAL_DOT and _starts_sentence(following, digits=False)
    return _full_stop(stem, following, language)


def _full_stop(stem: str, following: str, language: str) -> bool:
    folded = stem.casefold().rsplit("'", 1)[-1].rsplit("’", 1)[-1]
    if folded in _OPEN_ENDED:
        return _starts_sentence(following)
    if folded in _ABBREVIATIONS.get(language, _ABBREVIATIONS["en"]):
        return False
    if len(stem) == 1 and stem.isupper() and not _is_wide(stem):
        return language == "en" and stem == "I"
    return not ("." in stem and _INITIALS.fullmatch(stem))


def _ends_clause(words: Sequence[Word], index: int) -> bool:
    text = words[index].text.strip().rstrip(_CLOSERS)
    if not text or text[-1] not in _CLAUSE_STOPS:
        return False
    if index == 0 and not any(char.isalnum() for char in text):
        return False
    if len(text) > 1 and text[-2].isdecimal():  # "3," may go on as "3,5", "10:" as "10:30"
        following = _next_letters(words, index + 1)
        return bool(following) and not following[0].isdecimal()
    return True


def _past_closers(words: Sequence[Word], index: int) -> int:
    """Take in closing quotes and further marks that are words of their own."""
    while index < len(words):
        text = words[index].text.strip()
        if text and all(char in _STOPS or char in _CLOSERS for char in text):
            index += 1
        else:
            break
    return index


def _next_letters(words: Sequence[Word], index: int) -> str:
    for word in words[index:]:
        text = word.text.strip().lstrip(_OPENERS)
        if text:
            return text
    return ""


def _starts_sentence(following: str, *, digits: bool = True) -> bool:
    if not following:
        return False
    first = following[0]
    if first.isdecimal():
        return digits
    return not first.islower() and first.isalpha()


def _is_wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) in "WF"
