"""The wording of a fact in a text: what a reader is shown beside a mismatch."""

import re
from collections.abc import Callable

from greffier_server.core.invariant_words import MONTHS, UNITS, WEEKDAYS
from greffier_server.core.mismatches import Mismatch
from greffier_server.core.negation import polarity
from greffier_server.core.numerals import find_numerals, fold, join_digits
from greffier_server.core.radio_forms import find_codes

__all__ = ["wording"]


def wording(mismatch: Mismatch, text: str, language: str) -> str:
    """Return the words of `text` that say what the mismatch is about; empty when not found."""
    match mismatch.kind:
        case "number":
            numerals = join_digits(text, find_numerals(text, language))
            spans = [
                text[n.start : n.end]
                for n in numerals
                if format(n.value.normalize(), "f") == mismatch.expected
            ]
            return spans[0] if spans else ""
        case "month" | "weekday":
            table = (MONTHS if mismatch.kind == "month" else WEEKDAYS).get(language, {})
            return _first(text, lambda word: str(table.get(word, "")) == mismatch.expected)
        case "unit":
            return _first(text, lambda word: UNITS.get(word) == mismatch.expected)
        case "negation":
            return " … ".join(dict.fromkeys(polarity(text, language).words))
        case "name":
            return mismatch.expected
        case _:
            codes = find_codes(text, language)
            return next((text[c.start : c.end] for c in codes if c.value == mismatch.expected), "")


def _first(text: str, fits: Callable[[str], bool]) -> str:
    words = re.findall(r"[^\W\d_]+|[%€$£°]", text)
    return next((word for word in words if fits(fold(word))), "")
