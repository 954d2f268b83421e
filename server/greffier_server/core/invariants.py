"""What must survive translation and summary: numbers, dates, negation, units, call signs.

`facts` reads them out of a text, `check` holds two texts against each other. Number words and
negation of French and English are known in full; of other languages digits, month and weekday
names of the larger Western European ones. What is not known is not checked.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Literal

from greffier_server.core.invariant_words import (
    CALL_LETTERS,
    FRENCH_NEGATION,
    MONTHS,
    NEGATION,
    UNITS,
    WEAK_NEGATION,
    WEEKDAYS,
)
from greffier_server.core.languages import word_set
from greffier_server.core.numerals import SPELLED_LANGUAGES, Numeral, find_numerals, fold

__all__ = ["Facts", "Mismatch", "MismatchKind", "check", "facts", "missing_facts"]

MismatchKind = Literal["number", "month", "weekday", "negation", "unit", "call sign"]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Something that one text says and the other does not."""

    kind: MismatchKind
    expected: str
    """As a bare value (``22``, ``MHz``); for negation ``yes`` or ``no``."""
    invented: bool = False
    """The target says it and the source does not."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The checkable content of a text."""

    numbers: tuple[Decimal, ...]
    """In order, without those that are often no numbers (one, the second, French *neuf*)."""
    soft_numbers: frozenset[Decimal]
    """Numbers that may be none."""
    months: frozenset[int]
    weekdays: frozenset[int]
    """1 = Monday."""
    negated: bool
    weakly_negated: bool
    """Words that may be translated with or without a negation (impossible, only, until)."""
    units: frozenset[str]
    call_signs: frozenset[str]


def facts(text: str, language: str) -> Facts:
    """Read the checkable content of `text`."""
    numerals = find_numerals(text, language)
    numbers: list[Decimal] = []
    soft: set[Decimal] = set()
    for index, numeral in enumerate(numerals):
        value = _clock_value(text, numeral)
        beside = any(
            not text[first.end : second.start].strip(" ,-")
            for first, second in pairwise(numerals[max(0, index - 1) : index + 2])
        )
        if _is_soft(text, numeral, language, beside=beside):
            soft.add(value)
        else:
            numbers.append(value)
    if re.search(r"\b(?:noon|midi)\b", text, re.IGNORECASE):
        soft.add(Decimal(12))
    words = [(match.group(), match.start(), match.end()) for match in _WORD.finditer(text)]
    folded = [fold(word) for word, _, _ in words]
    negated, weak = _negation(text, folded, language)
    return Facts(
        numbers=tuple(numbers),
        soft_numbers=frozenset(soft),
        months=_months(words, numerals, language),
        weekdays=frozenset(
            WEEKDAYS[language][word] for word in folded if word in WEEKDAYS.get(language, {})
        ),
        negated=negated,
        weakly_negated=weak,
        units=_units(text, numerals),
        call_signs=_call_signs(text, words, numerals),
    )


def check(source: str, target: str, source_language: str, target_language: str) -> list[Mismatch]:
    """Return what `target` lost of `source`, or made up; nothing when all agrees."""
    said, given = facts(source, source_language), facts(target, target_language)
    spelled = {source_language, target_language} <= SPELLED_LANGUAGES
    found = _number_mismatches(said, given, both_ways=spelled)
    found += _set_mismatches("month", said.months, given.months, source_language, target_language)
    found += _set_mismatches(
        "weekday", said.weekdays, given.weekdays, source_language, target_language
    )
    found += [Mismatch("unit", unit) for unit in sorted(said.units - given.units)]
    found += [Mismatch("call sign", sign) for sign in sorted(said.call_signs - given.call_signs)]
    if {source_language, target_language} <= NEGATION.keys() | {"fr"}:
        if said.negated and not (given.negated or given.weakly_negated):
            found.append(Mismatch("negation", "yes"))
        if given.negated and not (said.negated or said.weakly_negated):
            found.append(Mismatch("negation", "no", invented=True))
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


_WORD = re.compile(r"[^\W_]+(?:['’](?=t\b))?|n['’]t\b")


def _clock_value(text: str, numeral: Numeral) -> Decimal:
    """Bring afternoon hours to the 24-hour clock."""
    after = text[numeral.end : numeral.end + 40]
    if numeral.value < 12 and _AFTERNOON.match(after):
        return numeral.value + 12
    return numeral.value


_AFTERNOON = re.compile(
    r"(?:[:.h]\d\d|\s*o['’]clock|\s*heures?)?\s*"
    r"(?:p\.?\s?m\b|in the (?:afternoon|evening)|de l['’]apr[eè]s-midi|du soir)",
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


_BEFORE_MONTH = word_set("in of by since until till next last this early late mid for before")


def _units(text: str, numerals: list[Numeral]) -> frozenset[str]:
    """Units right behind a number, or signs right before one (``$5``)."""
    found: set[str] = set()
    for numeral in numerals:
        match = _UNIT.match(text, numeral.end)
        if match and (unit := UNITS.get(fold(match.group(1)))):
            found.add(unit)
        sign = text[: numeral.start].rstrip()[-1:]
        if sign in ("€", "$", "£"):
            found.add(UNITS[sign])
    return frozenset(found)


_UNIT = re.compile(
    r"\s*(?:d['’]|de\s|of\s)?\s*(pour\s?cent|per\s?cent|[^\W\d_]+|[%€$£°])", re.IGNORECASE
)


def _call_signs(
    text: str, words: list[tuple[str, int, int]], numerals: list[Numeral]
) -> frozenset[str]:
    """Letters mixed with digits (``BAW117``), and letters of the radio alphabet beside others."""
    found: set[str] = set()
    for match in _MIXED.finditer(text):
        found.add(fold(match.group()).replace("-", ""))
    for index, (word, start, end) in enumerate(words):
        letter = fold(word)
        if letter not in CALL_LETTERS or not word[0].isupper():
            continue
        near = (words[index - 1 : index] if index else []) + words[index + 1 : index + 2]
        beside_letter = any(
            fold(other) in CALL_LETTERS and other[0].isupper() for other, _, _ in near
        )
        beside_number = letter != "novembre" and any(
            0 <= n.start - end <= 1 or 0 <= start - n.end <= 1 for n in numerals
        )
        if beside_letter or beside_number:
            found.add(CALL_LETTERS[letter])
    return frozenset(found)


_MIXED = re.compile(r"\b(?=[A-Z0-9-]*\d)(?=[A-Z0-9-]*[A-Z])[A-Z][A-Z0-9]*-?[A-Z0-9]+\b")


def _negation(text: str, folded: list[str], language: str) -> tuple[bool, bool]:
    weak = any(word in WEAK_NEGATION for word in folded)
    if language == "fr":
        return _french_negation(fold(text).replace("’", "'"), folded, weak)
    negated = any(word in NEGATION.get(language, ()) for word in folded)
    if language == "en":
        negated = negated or bool(re.search(r"n['’]t\b", text, re.IGNORECASE))
        if re.search(r"n['’]t (?:it|you|we|they|he|she|I)\b[^?]*\?", text, re.IGNORECASE):
            negated, weak = False, True  # a tag question may lose its not
    return negated, weak


def _french_negation(text: str, folded: list[str], weak: bool) -> tuple[bool, bool]:
    text = re.sub(r"n'est[- ]ce pas|pas a pas|pas mal\b", " ", text)
    if any(word in FRENCH_NEGATION for word in re.findall(r"[^\W\d_]+", text)):
        return True, weak
    particle = re.search(r"\b(?:ne|n')\s?[^.?!]*", text)
    if particle is None:
        return False, weak or "est-ce pas" in text
    if re.search(r"\b(?:plus|personne|rien)\b", particle.group()):
        return True, weak
    return False, True  # "ne … que" is only; a bare "ne" may mean nothing
