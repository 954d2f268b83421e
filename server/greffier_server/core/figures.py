"""Figures and dates of a session, taken from the speech itself, with digits for number words."""

from greffier_server.core.alphabets import ICAO_LETTERS
from greffier_server.core.invariants import check, facts
from greffier_server.core.numerals import Numeral, find_numerals, fold
from greffier_server.core.state import Segment

__all__ = ["holds_figure", "in_digits", "readable_text"]


def in_digits(text: str, language: str, *, least: int = 2) -> str:
    """Return `text` with its spelled-out numbers in digits, as minutes have them.

    Articles and pronouns that look like numbers (*un*, *one*) stay, and so do French ordinals other
    than *premier* before a month, and numbers below `least`.
    """
    pieces: list[str] = []
    end = 0
    for numeral in find_numerals(text, language):
        if numeral.value < least and not (least <= 2 and numeral.ordinal):
            continue
        written = _written(text, numeral, language)
        pieces += [text[end : numeral.start], written]
        end = numeral.end
    return "".join([*pieces, text[end:]])


def holds_figure(text: str, language: str) -> bool:
    """Whether a sentence tells an amount, a count, a date or a time."""
    found = facts(text, language)
    if not found.numbers:
        return False
    counted = [
        numeral
        for numeral in find_numerals(text, language)
        if not numeral.ordinal and not _names_a_station(text, numeral)
    ]
    return bool(found.months) or any(numeral.value in found.numbers for numeral in counted)


def _names_a_station(text: str, numeral: Numeral) -> bool:
    """Whether the number belongs to a call sign: Bravo Two."""
    before = text[: numeral.start].split()[-1:]
    return bool(before) and before[0][:1].isupper() and fold(before[0]) in ICAO_LETTERS


def readable_text(segment: Segment, language: str) -> tuple[str, str]:
    """Return a segment's text in `language` where there is a sound one, else as it was said.

    A translation that lost or changed a number, a date or a negation is passed over.

    Returns:
        The text, and the language it is in.
    """
    translated = segment.translations.get(language)
    if segment.language != language and translated is not None and translated.closed:
        text = translated.text.strip()
        if text and not check(segment.text, text, segment.language, language):
            return text, language
    return segment.text, segment.language


def _written(text: str, numeral: Numeral, language: str) -> str:
    said = text[numeral.start : numeral.end]
    if said[0].isdecimal() or language not in ("en", "fr"):
        return said
    value = numeral.value
    if value != value.to_integral_value():
        number = format(value.normalize(), "f")
        return number.replace(".", ",") if language == "fr" else number
    if numeral.ordinal:
        is_date = bool(facts(text[numeral.start : numeral.end + 36], language).months)
        return _ordinal(int(value), language) if is_date else said
    is_year = 1900 <= value < 2100
    grouped = str(int(value)) if is_year else f"{int(value):,}"
    return grouped.replace(",", "\u202f") if language == "fr" else grouped


def _ordinal(value: int, language: str) -> str:
    if language == "fr":
        return "1er" if value == 1 else str(value)
    if value % 100 in (11, 12, 13):
        return f"{value}th"
    return str(value) + {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
