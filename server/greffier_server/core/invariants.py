"""What must survive translation and summary: numbers, dates, names, negation, units, codes.

`facts` reads them out of a text, `compare` holds two texts against each other. Number words,
negation and names of French and English are known in full; of other languages digits, month and
weekday names of the larger Western European ones. What is not known is not checked.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import Literal

from greffier_server.core.invariant_spans import wording
from greffier_server.core.invariant_words import LENIENT_UNITS, MONTHS, UNITS, WEEKDAYS
from greffier_server.core.languages import word_set
from greffier_server.core.mismatches import Mismatch, MismatchKind
from greffier_server.core.negation import NEGATION_LANGUAGES, polarity
from greffier_server.core.numerals import (
    SPELLED_LANGUAGES,
    Numeral,
    find_numerals,
    fold,
    join_digits,
)
from greffier_server.core.proper_names import NAME_LANGUAGES, swapped_names
from greffier_server.core.radio_forms import (
    Code,
    code_kind,
    date_time_group,
    find_codes,
    spells,
)

__all__ = ["Facts", "Mismatch", "MismatchKind", "check", "compare", "facts", "missing_facts"]


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


def compare(
    source: str, target: str, languages: tuple[str, str], *, names: Iterable[str] = ()
) -> tuple[Mismatch, ...]:
    """Return what `target` lost of `source`, or made up; nothing when all agrees.

    Args:
        source: what was said.
        target: its translation, or a sentence written about it.
        languages: codes of both.
        names: known to be names, of participants for example.
    """
    found = check(source, target, *languages, names=names)
    return tuple(
        mismatch
        if mismatch.source or mismatch.target
        else replace(
            mismatch,
            source="" if mismatch.invented else wording(mismatch, source, languages[0]),
            target=wording(mismatch, target, languages[1]) if mismatch.invented else "",
        )
        for mismatch in found
    )


def check(
    source: str,
    target: str,
    source_language: str,
    target_language: str,
    *,
    names: Iterable[str] = (),
) -> list[Mismatch]:
    """Do as `compare`, without looking for the wording of what is wrong (names aside)."""
    if source == target:
        return []
    said, given = facts(source, source_language), facts(target, target_language)
    languages = {source_language, target_language}
    found = _number_mismatches(said, given, both_ways=languages <= SPELLED_LANGUAGES)
    found += _set_mismatches("month", said.months, given.months, source_language, target_language)
    found += _set_mismatches(
        "weekday", said.weekdays, given.weekdays, source_language, target_language
    )
    found += _unit_mismatches(said, given)
    found += _code_mismatches(source, target, (source_language, target_language), said, given)
    if languages <= NEGATION_LANGUAGES:
        found += _negation_mismatches(source, target, (source_language, target_language))
    if languages <= NAME_LANGUAGES and source_language != target_language:
        pairs = swapped_names(source, target, (source_language, target_language), names)
        found += [
            Mismatch("name", lost or new, invented=not lost, source=lost, target=new)
            for lost, new in pairs
        ]
    return found


def missing_facts(claim: Facts, evidence: Facts) -> list[Mismatch]:
    """Return what `claim` states and `evidence` (of any language) does not: numbers, dates, signs.

    Polarity is the caller's affair, since a claim is about a part of its evidence only.
    """
    known = {*evidence.numbers, *evidence.soft_numbers, *map(Decimal, evidence.months)}
    runs = _runs(evidence.numbers)
    invented = [
        Mismatch("number", _plain(number), invented=True)
        for number in claim.numbers
        if number not in known and _plain(number) not in runs
    ]
    invented += [
        Mismatch("month", str(month), invented=True)
        for month in sorted(claim.months - evidence.months)
        if month not in evidence.numbers
    ]
    invented += [
        Mismatch("weekday", str(day), invented=True)
        for day in sorted(claim.weekdays - evidence.weekdays)
    ]
    return invented


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


def _code_mismatches(
    source: str, target: str, languages: tuple[str, str], said: Facts, given: Facts
) -> list[Mismatch]:
    lost = [
        code
        for code in sorted(said.call_signs - given.call_signs)
        if not spells(target, languages[1], code) and not _says_moment(code, given)
    ]
    new = [
        code
        for code in sorted(given.call_signs - said.call_signs)
        if not spells(source, languages[0], code) and not _says_moment(code, said)
    ]
    found = [Mismatch(code_kind(code), code) for code in lost]
    return found + [Mismatch(code_kind(code), code, invented=True) for code in new]


def _says_moment(code: str, told: Facts) -> bool:
    """Whether a date-time group is told in words: *22 November at 14:30*."""
    group = date_time_group(code)
    if group is None:
        return False
    numbers = {*told.numbers, *told.soft_numbers}
    at = Decimal(group.hour * 100 + group.minute)
    parts = {Decimal(group.hour), Decimal(group.minute)} - {Decimal(0)}
    return (
        Decimal(group.day) in numbers
        and (at in numbers or parts <= numbers)
        and (group.month is None or group.month in told.months)
    )


def _unit_mismatches(said: Facts, given: Facts) -> list[Mismatch]:
    lost, new = said.units - given.units, given.units - said.units
    return [Mismatch("unit", unit) for unit in sorted(lost) if unit not in LENIENT_UNITS or new] + [
        Mismatch("unit", unit, invented=True) for unit in sorted(new - LENIENT_UNITS) if not lost
    ]


def _negation_mismatches(source: str, target: str, languages: tuple[str, str]) -> list[Mismatch]:
    """Hold the sentences of both against each other, where they are as many; else the whole."""
    ours, theirs = _sentences(source), _sentences(target)
    pairs = [(source, target)]
    if len(ours) == len(theirs):
        pairs = list(zip(ours, theirs, strict=True))
    for one, other in pairs:
        said, given = polarity(one, languages[0]), polarity(other, languages[1])
        if said.negated and not (given.negated or given.negative):
            return [Mismatch("negation", "yes")]
        if given.negated and not (said.negated or said.weak):
            return [Mismatch("negation", "no", invented=True)]
    return []


def _sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[^\W\d_][.!?])\s+", text.strip()) if part]


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


def _number_mismatches(said: Facts, given: Facts, *, both_ways: bool) -> list[Mismatch]:
    if _digits(said.numbers) == _digits(given.numbers):
        return []
    there = {*given.numbers, *given.soft_numbers, *map(Decimal, given.months)}
    here = {*said.numbers, *said.soft_numbers, *map(Decimal, said.months)}
    runs_there, runs_here = _runs(given.numbers), _runs(said.numbers)
    whole_there = runs_there | {_plain(number) for number in there}
    whole_here = runs_here | {_plain(number) for number in here}
    found: list[Mismatch] = []
    if both_ways or given.numbers:
        found += [
            Mismatch("number", _plain(number))
            for number in dict.fromkeys(said.numbers)
            if _plain(number) not in whole_there and not _is_said_apart(number, said, whole_there)
        ]
    if both_ways or said.numbers:
        found += [
            Mismatch("number", _plain(number), invented=True)
            for number in dict.fromkeys(given.numbers)
            if _plain(number) not in whole_here and not _is_said_apart(number, given, whole_here)
        ]
    return found


def _runs(numbers: Sequence[Decimal]) -> frozenset[str]:
    """Return what numbers said one after the other make up (one two three, 123)."""
    plain = [_plain(number) for number in numbers]
    return frozenset(
        "".join(plain[first:last])
        for first in range(len(plain))
        for last in range(first + 2, min(first + 8, len(plain)) + 1)
        if all(len(part) <= 2 for part in plain[first:last])
    )


def _is_said_apart(number: Decimal, own: Facts, whole: frozenset[str]) -> bool:
    """Whether `number` is a part of digits that the other text writes as one."""
    plain = [_plain(each) for each in own.numbers]
    return any(
        "".join(plain[first:last]) in whole
        for first in range(len(plain))
        for last in range(first + 2, min(first + 8, len(plain)) + 1)
        if number in own.numbers[first:last] and all(len(p) <= 2 for p in plain[first:last])
    )


def _digits(numbers: tuple[Decimal, ...]) -> str:
    return "".join(_plain(number) for number in numbers)


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")


def _set_mismatches(
    kind: Literal["month", "weekday"],
    said: frozenset[int],
    given: frozenset[int],
    source_language: str,
    target_language: str,
) -> list[Mismatch]:
    table = MONTHS if kind == "month" else WEEKDAYS
    if source_language not in table or target_language not in table:
        return []
    return [Mismatch(kind, str(value)) for value in sorted(said - given)] + [
        Mismatch(kind, str(value), invented=True) for value in sorted(given - said)
    ]


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
