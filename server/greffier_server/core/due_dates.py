"""Finds when something is due in a sentence: before Friday, by 12 March, next week."""

import re

from greffier_server.core.figures import in_digits
from greffier_server.core.invariant_words import MONTHS, WEEKDAYS

__all__ = ["find_due"]


def find_due(text: str, language: str) -> str | None:
    """Return the words of `text` that say when (numbers in digits), the first ones; or None."""
    pattern = _PATTERNS.get(language)
    match = pattern.search(in_digits(text, language)) if pattern is not None else None
    return match.group().strip() if match is not None else None


def _names(table: dict[str, int]) -> str:
    accents = {"fevrier": "f[ée]vrier", "aout": "ao[ûu]t", "decembre": "d[ée]cembre"}
    return "|".join(accents.get(name, name) for name in sorted(table, key=len, reverse=True))


_FR_DAY = (
    rf"(?:du\s+\d+(?:er)? au \d+ (?:{_names(dict(MONTHS['fr']))})"
    rf"|(?:le\s+)?(?:{_names(dict(WEEKDAYS['fr']))})(?:\s+\d+(?:er)?\s+(?:{_names(dict(MONTHS['fr']))}))?"
    r"(?:\s+prochain)?(?:\s+(?:matin|midi|apr[èe]s-midi|soir))?"
    rf"|(?:le\s+)?\d+(?:er)?\s+(?:{_names(dict(MONTHS['fr']))})"
    r"|(?:la\s+)?(?:semaine|fin de semaine)\s+prochaine|(?:la\s+)?fin (?:de la semaine|du mois)"
    rf"|(?:(?:le\s+)?mois de\s+|(?<=en )|(?<=fin )|(?<=d[ée]but ))(?:{_names(dict(MONTHS['fr']))})"
    r"|(?:le\s+)?mois prochain|demain(?:\s+(?:matin|soir))?|ce soir|aujourd['’]hui)"
)
_EN_DAY = (
    rf"(?:from (?:the )?\d+\w* (?:to|until) (?:the )?\d+\w* of (?:{_names(dict(MONTHS['en']))})"
    rf"|(?:next\s+|this\s+)?(?:{_names(dict(WEEKDAYS['en']))})(?:\s+(?:morning|afternoon|evening))?"
    rf"|(?:the\s+)?\d+(?:st|nd|rd|th)?\s+(?:of\s+)?(?:{_names(dict(MONTHS['en']))})\b"
    rf"|(?:{_names(dict(MONTHS['en']))})\s+(?:the\s+)?\d+(?:st|nd|rd|th)?"
    r"|next (?:week|month)|the end of (?:the week|the month|next week)|tomorrow(?:\s+\w+ing)?"
    r"|tonight|today)"
)
_PATTERNS = {
    "fr": re.compile(
        rf"\b(?:(?:avant|d['’]ici|au plus tard|dès|pour)\s+)?{_FR_DAY}\b", re.IGNORECASE
    ),
    "en": re.compile(rf"\b(?:(?:by|before|until|no later than|on)\s+)?{_EN_DAY}\b", re.IGNORECASE),
}
