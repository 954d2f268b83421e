"""What must survive translation and summary: numbers, dates, names, negation, units, codes.

`compare` holds two texts against each other. Number words, negation and names of French and English
are known in full; of other languages what `core/facts.py` reads. What is not known is not checked.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Literal

from greffier_server.core.facts import Facts, facts
from greffier_server.core.invariant_spans import wording
from greffier_server.core.invariant_words import LENIENT_UNITS, MONTHS, WEEKDAYS
from greffier_server.core.mismatches import Mismatch, MismatchKind
from greffier_server.core.negation import NEGATION_LANGUAGES, polarity
from greffier_server.core.numerals import SPELLED_LANGUAGES
from greffier_server.core.proper_names import NAME_LANGUAGES, swapped_names
from greffier_server.core.radio_forms import code_kind, date_time_group, spells

__all__ = ["Facts", "Mismatch", "MismatchKind", "check", "compare", "facts", "missing_facts"]


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
    return invented + [
        Mismatch(code_kind(code), code, invented=True)
        for code in sorted(claim.call_signs - evidence.call_signs)
        if not _bears_out(code, evidence)
    ]


def _bears_out(code: str, evidence: Facts) -> bool:
    """Whether evidence that has another code, or none, says this one all the same."""
    if _says_moment(code, evidence) or any(code in other for other in evidence.call_signs):
        return True
    digits = re.findall(r"\d+", code)
    known = {_plain(n) for n in (*evidence.numbers, *evidence.soft_numbers)}
    known |= _runs(evidence.numbers)
    return bool(digits) and all(_plain(Decimal(part)) in known for part in digits)


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
