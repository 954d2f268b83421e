"""The radio log as CSV (RFC 4180) that a spreadsheet opens without running anything in it."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from greffier_server.documents.words import Words

__all__ = ["to_csv"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
_COLUMNS = ("number", "time", "sender", "receiver", "message", "action")


def to_csv(rows: Sequence[Mapping[str, Any]], words: Words, *, language: str) -> str:
    """Return the log as CSV with a byte order mark, by which spreadsheets know UTF-8.

    Where a decimal comma is written (French, German and others), cells are parted by semicolons, as
    spreadsheets there expect. A text that a spreadsheet would take for a formula begins with an
    apostrophe (OWASP, *CSV Injection*).
    """
    file = io.StringIO()
    delimiter = "," if language == "en" else ";"
    writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([getattr(words, name) for name in _COLUMNS])
    for row in rows:
        writer.writerow([_defused(str(row[name])) for name in _COLUMNS])
    return "\ufeff" + file.getvalue()


def _defused(text: str) -> str:
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
