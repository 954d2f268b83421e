"""Who calls whom: the first words of a transmission, in the forms of radio procedure (pure).

French and English (ACP 125, ITU Radio Regulations article 32, and the French *règles de procédure
radiotéléphonique*): ``CODIS, ici VSAV Privas``, ``Zulu Control, this is Bravo Two``, ``Mayday,
mayday, ici Goéland``, and the short form ``Bravo Two, Zulu Control`` once both stations are known.
What is not said stays empty.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from greffier_server.core.alphabets import ICAO_LETTERS
from greffier_server.core.numerals import fold

__all__ = [
    "Call",
    "begins_a_call",
    "ends_with_a_proword",
    "known_stations",
    "read_call",
    "receivers",
]

_STATION = r"[^\W_][^,.;:!?]{0,38}?"
_ENDS = r"(?=[,.;:!?]|\s+(?:message|over|out|parlez|send|transmettez|terminé)\b|\s+à\s+vous\b|\s*$)"
_IS = r"(?:ici|this\s+is|de\s+la\s+part\s+de)"
_FULL = re.compile(
    rf"^\W*(?P<to>{_STATION})[\s,]+{_IS}[\s,]+(?P<by>{_STATION}){_ENDS}", re.IGNORECASE
)
_TO_ALL = re.compile(rf"^\W*{_IS}[\s,]+(?P<by>{_STATION}){_ENDS}", re.IGNORECASE)
_DISTRESS = re.compile(
    r"^(?:\W*(?:may\s?day|m'aidez|pan[\s-]?pan|détresse|detresse|sécurité|securite|sos)\b)+",
    re.IGNORECASE,
)
_SHORT = re.compile(rf"^\W*(?P<to>{_STATION})\s*,\s*(?P<by>{_STATION})(?=[,.;:!?]|$)")
_NAMED = re.compile(
    rf"^\W*(?:bien reçu|reçu|roger|copié|copy)?\s*(?P<to>{_STATION})(?=[,.;:!?]|$)", re.IGNORECASE
)
_OVER = re.compile(r"\b(?:over|out|parlez|à vous|terminé|transmettez)\s*[.!]?\s*$", re.IGNORECASE)
_MOST_WORDS = 5
"""Of a call sign: « Papa Charlie Vert Un Deux »."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a transmission begins with."""

    to: str
    """Station that is called; empty = not said, or all of them."""
    by: str
    """Station that calls; empty = not said."""
    message: str
    """What comes behind the call."""
    to_all: bool = False
    """A distress call that names nobody: it is for whoever hears it."""


def known_stations(texts: Iterable[str]) -> dict[str, str]:
    """Return the stations that full calls name, by their folded names."""
    found: dict[str, str] = {}
    for text in texts:
        call = _full(text)
        for name in () if call is None else filter(None, (call.to, call.by)):
            found.setdefault(fold(name), name)
    return found


def read_call(text: str, known: Mapping[str, str]) -> Call:
    """Return who calls whom, and the rest of what is said.

    Args:
        text: of a transmission.
        known: stations of the net, from `known_stations`: short calls name only those.
    """
    call = _full(text)
    if call is not None:
        return call
    short = _SHORT.match(text)
    if short is not None:
        to, by = known.get(fold(short["to"].strip())), known.get(fold(short["by"].strip()))
        if to and by and to != by:
            return Call(to, by, _rest(text, short))
    named = _NAMED.match(text)
    if named is not None and (to := known.get(fold(named["to"].strip()))):
        return Call(to, "", text)
    return Call("", "", text)


def begins_a_call(text: str) -> bool:
    """Whether a new transmission begins here, though no silence was before it."""
    call = _full(text)
    return call is not None and bool(call.to)


def ends_with_a_proword(text: str) -> bool:
    """Whether the speaker gives the net to others: *over*, *à vous*, *parlez*."""
    return _OVER.search(text) is not None


def receivers(calls: Sequence[tuple[Call, str]]) -> list[str]:
    """Return the receiver of each call in order; an answer that names nobody is to who called.

    Args:
        calls: how each transmission begins, and whose it is.
    """
    filled: list[str] = []
    before: tuple[str, str] | None = None
    for call, by in calls:
        to = call.to
        if (
            not to
            and by
            and not call.to_all
            and before is not None
            and fold(by) in map(fold, before)
        ):
            to = before[0] if fold(by) == fold(before[1]) else before[1]
        filled.append(to)
        before = (to, by)
    return filled


def _full(text: str) -> Call | None:
    distress = _DISTRESS.match(text)
    said = text if distress is None else text[distress.end() :]
    found = _FULL.match(said)
    if found is not None:
        to = _name(found["to"])
    elif distress is not None and (found := _TO_ALL.match(said)) is not None:
        to = ""
    else:
        return None
    by = _name(found["by"])
    if max(len(to.split()), len(by.split())) > _MOST_WORDS or not _is_sign(by):
        return None
    # A distress call is part of the message: nobody may miss it.
    message = text if distress is not None else _rest(said, found)
    return Call(to, by, message, to_all=not to)


def _is_sign(text: str) -> bool:
    """« Venez ici tout de suite » calls nobody: a sign is a name, a number or is spelt."""
    return text[0].isupper() or text[0].isdigit() or fold(text.split()[0]) in ICAO_LETTERS


def _name(text: str) -> str:
    return " ".join(text.split())


def _rest(text: str, found: re.Match[str]) -> str:
    return text[found.end() :].lstrip(" ,.;:!?")
