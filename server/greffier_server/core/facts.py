"""The checkable content of a text: its numbers, dates, units, codes, and whether it negates.

Number words and negation of French and English are known in full; of other languages digits,
month and weekday names of the larger Western European ones.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from greffier_server.core.invariant_words import MONTHS, UNITS, WEEKDAYS
from greffier_server.core.languages import word_set
from greffier_server.core.negation import polarity
from greffier_server.core.numerals import Numeral, find_numerals, fold, join_digits
from greffier_server.core.radio_forms import Code, date_time_group, find_codes

__all__ = ["Facts", "facts"]


@dataclass(frozen=True, slots=True)
class Facts:
    """The checkable content of a text."""

    numbers: tuple[Decimal, ...]
    """In order, without those that are often no numbers (one, the second, French *neuf*)."""
    soft_numbers: frozenset[Decimal]
    """Numbers that may be none, or that are parts of a code."""
    months: frozenset[int]
    weekdays: frozenset[int]
    """1 = Monday."""
    negated: bool
    weakly_negated: bool
    """Words that may be translated with or without a negation (impossible, only, until)."""
    units: frozenset[str]
    call_signs: frozenset[str]
    """Codes (`core/radio_forms.py`): call signs, grid references, date-time groups."""


def facts(text: str, language: str) -> Facts:
    """Read the checkable content of `text`."""
    codes = find_codes(text, language)
    numerals = find_numerals(text, language)
    numbers: list[Decimal] = []
    soft = _soft_parts(text, codes)
    spoken = join_digits(text, numerals)
    for index, numeral in enumerate(spoken):
        value = _amount(text, numeral) or _clock_value(text, numeral)
        beside = any(
            not text[first.end : second.start].strip(" ,-")
            for first, second in pairwise(spoken[max(0, index - 1) : index + 2])
        )
        coded = any(code.start <= numeral.start < code.end for code in codes)
        if coded or _is_soft(text, numeral, language, beside=beside):
            soft.add(value)
        else:
            numbers.append(value)
    words = [(match.group(), match.start(), match.end()) for match in _WORD.finditer(text)]
    polar = polarity(text, language)
    groups = [group for code in codes if (group := date_time_group(code.value))]
    return Facts(
        numbers=tuple(numbers),
        soft_numbers=frozenset(soft),
        months=_months(words, numerals, language) | {g.month for g in groups if g.month},
        weekdays=frozenset(
            WEEKDAYS[language][folded]
            for folded in (fold(word) for word, _, _ in words)
            if folded in WEEKDAYS.get(language, {})
        ),
        negated=polar.negated,
        weakly_negated=polar.weak,
        units=_units(text, numerals),
        call_signs=frozenset(code.value for code in codes),
    )


def _soft_parts(text: str, codes: Sequence[Code]) -> set[Decimal]:
    """Numbers that another language may write in the place of a code, a half or a quarter."""
    soft: set[Decimal] = set()
    for code in codes:
        soft |= {Decimal(digits) for digits in re.findall(r"\d+", code.value)}
        group = date_time_group(code.value)
        if group is not None:
            soft |= {Decimal(group.day), Decimal(group.hour), Decimal(group.minute)}
            soft.add(Decimal(group.hour * 100 + group.minute))
            if group.year is not None:
                soft |= {Decimal(group.year), Decimal(2000 + group.year)}
    folded = fold(text)
    for pattern, values in _SPOKEN_TIMES:
        if pattern.search(folded):
            soft |= set(map(Decimal, values))
    return soft


_SPOKEN_TIMES: tuple[tuple[re.Pattern[str], tuple[int, ...]], ...] = (
    (re.compile(r"\b(?:noon|midday|midi)\b"), (12,)),
    (re.compile(r"\b(?:midnight|minuit)\b"), (0, 12, 24)),
    (re.compile(r"\b(?:half|demie?)\b"), (30,)),
    (re.compile(r"\bsecond(?:e|s)?\b"), (2,)),
    (re.compile(r"\bquar(?:ter|t)\b"), (15, 45)),
    (re.compile(r"\b(?:quinzaine|fortnight)\b"), (15, 2, 14)),
    (re.compile(r"\b(?:couple|paire?|both|les deux|twice|deux fois|double)\b"), (2,)),
)


_WORD = re.compile(r"[^\W_]+(?:['’](?=t\b))?|n['’]t\b")


def _clock_value(text: str, numeral: Numeral) -> Decimal:
    """Bring afternoon hours to the 24-hour clock."""
    after = text[numeral.end : numeral.end + 40]
    minutes = re.search(r"\d[:.h]$", text[: numeral.start])
    if numeral.value < 12 and not minutes and _AFTERNOON.match(after):
        return numeral.value + 12
    return numeral.value


_AFTERNOON = re.compile(
    r"(?:[:.h]\d\d|\s*o['’]clock|\s*heures?)?\s*"
    r"(?:p\.?\s?m\b|in the (?:afternoon|evening)|de l['’]apr[eè]s-midi|du soir)",
    re.IGNORECASE,
)


def _amount(text: str, numeral: Numeral) -> Decimal | None:
    """Read ``18 k€``, ``€2.5m`` and the like in full."""
    match = _MULTIPLE.match(text, numeral.end)
    if match is None:
        return None
    before = text[: numeral.start].rstrip()[-1:]
    if not match["money"] and before not in ("€", "$", "£"):
        return None
    return numeral.value * _MULTIPLES[match["letters"].lower()]


_MULTIPLES = {"k": 10**3, "m": 10**6, "md": 10**9, "mds": 10**9, "bn": 10**9}
_MULTIPLE = re.compile(
    r"[ \u00a0\u202f]?(?P<letters>k|mds?|m|bn)(?P<money>[ \u00a0\u202f]?(?:€|\$|£|eur\b|usd\b))?"
    r"(?![^\W_])",
    re.IGNORECASE,
)


def _is_soft(text: str, numeral: Numeral, language: str, *, beside: bool) -> bool:
    """Whether the number may be none: an article, a second of time, French *neuf* for new."""
    word = fold(text[numeral.start : numeral.end])
    if word in ("un", "une", "one", "1") or numeral.value == 1:
        near = fold(text[max(0, numeral.start - 14) : numeral.end + 12])
        is_date = numeral.ordinal and any(month in near for month in MONTHS.get(language, {}))
        return not (is_date or beside or word == "1")
    if word == "neuf":
        rest = text[numeral.end :].lstrip()
        lead = fold(text[: numeral.start]).split()[-1:]
        return (not rest or rest[0] in ".,;:!?") and lead not in (["le"], ["du"], ["au"], ["les"])
    return False


def _months(
    words: list[tuple[str, int, int]], numerals: list[Numeral], language: str
) -> frozenset[int]:
    table = MONTHS.get(language, {})
    found: set[int] = set()
    for index, (word, start, end) in enumerate(words):
        month = table.get(fold(word))
        if month is None:
            continue
        if language == "en" and fold(word) in ("may", "march"):
            before = fold(words[index - 1][0]) if index else ""
            beside = any(0 <= start - n.end <= 4 or 0 <= n.start - end <= 6 for n in numerals)
            if not (word[0].isupper() and (beside or before in _BEFORE_MONTH)):
                continue
        found.add(month)
    return frozenset(found)


_BEFORE_MONTH = word_set("the in of by since until till next last this early late mid for before")


def _units(text: str, numerals: list[Numeral]) -> frozenset[str]:
    """Units right behind a number, or signs right before one (``$5``)."""
    found: set[str] = set()
    for numeral in numerals:
        sign = text[: numeral.start].rstrip()[-1:]
        if sign in ("€", "$", "£"):
            found.add(UNITS[sign])
            continue  # in "€2.5m" the letter is a million
        match = _UNIT.match(text, numeral.end)
        if match and (unit := UNITS.get(fold(match.group(1)))):
            found.add(unit)
    return frozenset(found)


_UNIT = re.compile(
    r"\s*-?(?:d['’]|de\s|of\s|(?:k|m|md|mds)(?=[ \u00a0\u202f]?[€$£]))?"
    r"\s*(pour\s?cent|per\s?cent|[^\W\d_]+|[%€$£°])",
    re.IGNORECASE,
)
