"""Dates as French and English write them, whatever the locale of the machine."""

from datetime import date

__all__ = ["written_date"]

_FRENCH = (
    ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    (
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ),
)
_ENGLISH = (
    ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
)


def written_date(day: date, language: str) -> str:
    """Return ``lundi 5 janvier 2026``, ``Monday 5 January 2026``, or ISO 8601 elsewhere."""
    if language not in ("fr", "en"):
        return f"{day:%Y-%m-%d}"
    days, months = _FRENCH if language == "fr" else _ENGLISH
    number = "1er" if language == "fr" and day.day == 1 else str(day.day)
    return f"{days[day.weekday()]} {number} {months[day.month - 1]} {day.year}"
