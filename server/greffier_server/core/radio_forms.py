"""Codes as radio nets say and write them: call signs, grid references, date-time groups.

*Tango Uniform quatre cinq deux neuf*, ``TU 4529`` and *Tango Uniform 45 29* are all ``TU4529``.
Spelled letters are read in the ICAO and the French alphabet, digits one by one, in groups or as
numbers. Forms: MGRS and UTM (NGA.STND.0037), date-time groups such as ``221430ZNOV26`` (ACP 121).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from greffier_server.core.alphabets import FIRST_NAME_LETTERS, ICAO_LETTERS
from greffier_server.core.invariant_words import MONTHS
from greffier_server.core.numerals import Numeral, find_numerals, fold

__all__ = [
    "Code",
    "CodeKind",
    "DateTimeGroup",
    "code_kind",
    "date_time_group",
    "find_codes",
    "spells",
]

CodeKind = Literal["call sign", "grid reference", "date-time group"]


@dataclass(frozen=True, slots=True)
class Code:
    """A code and the characters ``text[start:end]`` it was read from."""

    value: str
    """Letters and digits without spaces: ``B2``, ``31TFK12345678``, ``221430ZNOV26``."""
    start: int
    end: int

    @property
    def kind(self) -> CodeKind:
        """By its form."""
        return code_kind(self.value)


@dataclass(frozen=True, slots=True)
class DateTimeGroup:
    """Day, hour and minute in a time zone, and where they are said month and year."""

    day: int
    hour: int
    minute: int
    zone: str
    month: int | None = None
    year: int | None = None
    """Of two digits."""


@dataclass(frozen=True, slots=True)
class _Element:
    value: str
    start: int
    end: int
    form: Literal["word", "name", "letter", "mixed", "digits", "month"]
    capital: bool = True


def find_codes(text: str, language: str) -> list[Code]:
    """Return the codes of `text` in order.

    In other languages than French and English, those that are written with letters and digits, or
    with the words of the ICAO alphabet.
    """
    codes: list[Code] = []
    for run in _runs(text, _elements(text, language)):
        codes += _read(run)
    return codes


def spells(text: str, language: str, value: str) -> bool:
    """Whether the letters and digits of a code stand in `text` in order, whatever parts them."""
    if value in (token.replace("-", "") for token in _TOKEN.findall(text)):
        return True
    spelled, end = "", 0
    for element in _elements(text, language):
        parted = any(char.isalnum() for char in text[end : element.start])
        spelled += (" " if parted else "") + element.value
        end = element.end
    first, last = (
        (r"(?<!\d)" if value[0].isdigit() else ""),
        (r"(?!\d)" if value[-1].isdigit() else ""),
    )
    return re.search(first + re.escape(value) + last, spelled) is not None


def code_kind(value: str) -> CodeKind:
    """Tell by its form what a code is."""
    if date_time_group(value) is not None:
        return "date-time group"
    if _MGRS.fullmatch(value) or _UTM.fullmatch(value) or _GRID.fullmatch(value):
        return "grid reference"
    return "call sign"


def date_time_group(value: str) -> DateTimeGroup | None:
    """Read ``221430ZNOV26`` or ``221430Z``; None when `value` is no such group."""
    match = _DTG.fullmatch(value)
    if match is None:
        return None
    day, hour, minute = int(match["day"]), int(match["hour"]), int(match["minute"])
    if not (1 <= day <= 31 and hour <= 24 and minute <= 59):
        return None
    month = _MONTH_NUMBERS[match["month"]] if match["month"] else None
    year = int(match["year"]) if match["year"] else None
    return DateTimeGroup(day, hour, minute, match["zone"], month, year)


_MONTH_CODES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTH_NUMBERS = {code: number for number, code in enumerate(_MONTH_CODES, start=1)}
_MONTH_ABBREVIATIONS = {code.lower(): number for code, number in _MONTH_NUMBERS.items()} | {
    "fev": 2,
    "avr": 4,
    "mai": 5,
    "juin": 6,
    "jui": 7,
    "juil": 7,
    "aou": 8,
    "sept": 9,
}
_DTG = re.compile(
    r"(?P<day>\d\d)(?P<hour>\d\d)(?P<minute>\d\d)(?P<zone>[A-Z])"
    rf"(?:(?P<month>{'|'.join(_MONTH_CODES)})(?P<year>\d\d)?)?"
)
_MGRS = re.compile(r"\d{1,2}[C-HJ-NP-X][A-HJ-NP-Z]{2}(?:\d\d){1,5}")
_UTM = re.compile(r"\d{1,2}[C-HJ-NP-X]\d{13}")
_GRID = re.compile(r"[A-HJ-NP-Z]{2}(?:\d\d){2,5}")

_QUANTITY = re.compile(r"\d{1,5}[A-Z]")
"""4G, 3D, or a time of day with its zone: read as a number."""
_TOKEN = re.compile(r"x-?ray\b|[^\W_]+(?:-[^\W_]+)*", re.IGNORECASE)
_MIXED = re.compile(r"(?=.*\d)(?=.*[A-Z])[A-Z0-9]+(?:-[A-Z0-9]+)*")
_SPELLED = re.compile(r"[A-Z](?:-[A-Z0-9]+)+")
_WRITTEN_DTG = re.compile(r"(\d{6})([A-Z])([A-Za-z]{3,4})(\d{4}|\d\d)?")
_BETWEEN = " \u00a0\u202f-‑"
_LEAST_NAMES = 3
_OF_DIGITS = re.compile(r"\d{1,2}[C-HJ-NP-X](?:[A-HJ-NP-Z]{2}\d*)?|\d{4,6}[A-Z]")
"""Beginnings of grid references and date-time groups; other things that begin with digits are
quantities (``15H30``, ``20KM``)."""


def _elements(text: str, language: str) -> Iterable[_Element]:
    numerals = {n.start: n for n in find_numerals(text, language) if not n.ordinal}
    at = 0
    while match := _TOKEN.search(text, at):
        start, token = match.start(), match.group()
        numeral = numerals.get(start)
        if numeral is not None and not _MIXED.fullmatch(token):
            digits = _plain_digits(text, numeral)
            if digits:
                yield _Element(digits, start, numeral.end, "digits")
            at = max(numeral.end, start + 1)
            continue
        element = _element(token, start, text)
        if element is None and "-" in token:  # the parts may be elements
            token = token.split("-", 1)[0]
            element = _element(token, start, text)
        if element is not None:
            yield element
        at = start + len(token)


def _element(token: str, start: int, text: str) -> _Element | None:
    folded = fold(token).replace("-", "")
    end = start + len(token)
    capital = token[0].isupper()
    if folded in ICAO_LETTERS:
        return _Element(ICAO_LETTERS[folded], start, end, "word", capital)
    if folded in FIRST_NAME_LETTERS and capital:
        return _Element(FIRST_NAME_LETTERS[folded], start, end, "name")
    month = _month(folded)
    if month:
        return _Element(_MONTH_CODES[month - 1], start, end, "month")
    written = _WRITTEN_DTG.fullmatch(token)
    if written and (number := _MONTH_ABBREVIATIONS.get(fold(written[3]))):
        value = written[1] + written[2] + _MONTH_CODES[number - 1] + (written[4] or "")[-2:]
        return _Element(value, start, end, "mixed")
    joined = token.replace("-", "")
    if _MIXED.fullmatch(token) and (not token[0].isdecimal() or _OF_DIGITS.fullmatch(joined)):
        return _Element(joined, start, end, "mixed")
    if _SPELLED.fullmatch(token):
        return _Element(joined, start, end, "mixed")
    if len(token) <= 3 and token.isascii() and token.isupper() and token.isalpha():
        apart = text[end : end + 1] not in ("'", "’")
        return _Element(token, start, end, "letter") if apart else None
    return None


def _month(folded: str) -> int:
    names = (table.get(folded, 0) for table in (MONTHS["en"], MONTHS["fr"]))
    return _MONTH_ABBREVIATIONS.get(folded, 0) or max(names)


def _plain_digits(text: str, numeral: Numeral) -> str:
    """The digits as a code has them, leading zeros and all; nothing for a fraction."""
    said = text[numeral.start : numeral.end]
    bare = re.sub(f"[{_BETWEEN[:3]}]", "", said)
    if bare.isdecimal():
        return bare
    whole = numeral.value == numeral.value.to_integral_value() and numeral.value < 10**8
    return str(int(numeral.value)) if whole else ""


def _runs(text: str, elements: Iterable[_Element]) -> list[list[_Element]]:
    runs: list[list[_Element]] = []
    for element in elements:
        close = runs and not text[runs[-1][-1].end : element.start].strip(_BETWEEN)
        if not close:
            runs.append([])
        runs[-1].append(element)
    return runs


def _read(run: list[_Element]) -> list[Code]:
    """Cut a run at what cannot be a part of a code, and keep what makes one."""
    codes: list[Code] = []
    piece: list[_Element] = []
    for index, element in enumerate(run):
        if _fits(run, index):
            piece.append(element)
            continue
        codes += _code(piece)
        piece = []
    return codes + _code(piece)


def _fits(run: list[_Element], index: int) -> bool:
    element = run[index]
    if element.form == "month":
        return index > 0 and _is_zoned(run[:index])
    if element.form == "word" and element.value == "N":  # the month, unless letters are spelled
        beside = run[max(0, index - 1) : index] + run[index + 1 : index + 2]
        return any(other.form in ("word", "letter") for other in beside)
    if element.form == "letter":
        before, after = run[max(0, index - 1) : index], run[index + 1 : index + 2]
        if element.value in ("A", "I", "Y"):  # words, too
            return bool(before) and bool(after)
        if len(element.value) == 1:
            return bool(before or after)
        if before and before[0].form == "mixed":
            return True
        # "TU 4529", but not "TVA 20"
        return bool(after) and len(after[0].value) >= 4 and after[0].form == "digits"
    return True


def _is_zoned(before: list[_Element]) -> bool:
    digits = "".join(e.value for e in before[:-1] if e.form == "digits")
    letter = before[-1]
    whole = "".join(e.value for e in before)
    return bool(re.fullmatch(r"\d{6}[A-Z]", whole)) or (
        letter.form in ("word", "letter") and len(letter.value) == 1 and len(digits) == 6
    )


def _code(piece: list[_Element]) -> list[Code]:
    if not piece:
        return []
    words = [e for e in piece if e.form == "word"]
    names = [e for e in piece if e.form == "name"]
    if names and len(names) + len(words) < _LEAST_NAMES:
        return _split(piece, names[0])
    dated = any(e.form == "month" for e in piece)
    lower = [e for e in words if len(words) == 1 and not e.capital and not dated]
    if lower:
        return _split(piece, lower[0])
    value = "".join(e.value for e in piece)
    value = _with_month(value)
    spelled = sum(e.form in ("word", "name", "letter") for e in piece)
    digits = sum(e.form == "digits" for e in piece)
    mixed = any(e.form == "mixed" for e in piece)
    if not (mixed or spelled >= 2 or (spelled and digits)) or _QUANTITY.fullmatch(value):
        return []
    return [Code(value, piece[0].start, piece[-1].end)]


def _split(piece: list[_Element], at: _Element) -> list[Code]:
    index = piece.index(at)
    return _code(piece[:index]) + _code(piece[index + 1 :])


def _with_month(value: str) -> str:
    """A date-time group whose month was said as the letter November."""
    match = re.fullmatch(r"(\d{6}[A-Z])N((?:20)?\d\d)", value)
    if match:
        return f"{match[1]}NOV{match[2][-2:]}"
    return re.sub(r"^(\d{6}[A-Z][A-Z]{3})20(\d\d)$", r"\1\2", value)
