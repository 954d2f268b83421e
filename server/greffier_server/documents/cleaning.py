"""Text that anybody may have spoken or typed, made fit to stand in a document."""

import re
import unicodedata

__all__ = ["clean", "clean_line"]

_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
"""Signs that turn the direction of writing: they can make a line read otherwise than it is."""


def clean(text: str) -> str:
    """Return `text` without what XML forbids, control characters and turns of direction.

    XML 1.0 (section 2.2) allows no control characters but tab and line ends, no lone surrogates,
    and not U+FFFE and U+FFFF.
    """
    kept = (
        char
        for char in text.replace("\r\n", "\n").replace("\r", "\n")
        if char in "\n\t"
        or (
            unicodedata.category(char) not in ("Cc", "Cs")
            and char not in _BIDI
            and ord(char) & 0xFFFE != 0xFFFE
        )
    )
    return "".join(kept)


def clean_line(text: str) -> str:
    """Return `text` cleaned, on one line; spaces that do not break stay what they are."""
    return re.sub(r"[ \t\n\u2028\u2029]+", " ", clean(text)).strip(" ")
