"""How wide text is in a terminal, and how it is broken into lines (no I/O)."""

import unicodedata

__all__ = ["cell_width", "clip", "printable", "wrap_cells"]


def cell_width(text: str) -> int:
    """Return the columns that `text` takes: two for East Asian wide, none for combining marks."""
    return sum(_cells(character) for character in text)


def clip(text: str, columns: int) -> str:
    """Return the start of `text` that fits, with an ellipsis where something is left out."""
    if cell_width(text) <= columns:
        return text
    kept = ""
    for character in text:
        if cell_width(kept) + _cells(character) > columns - 1:
            break
        kept += character
    return f"{kept}…" if columns > 0 else ""


def wrap_cells(text: str, columns: int) -> list[str]:
    """Break `text` at spaces into lines of at most `columns`; longer words are cut.

    Every line but the last keeps the space it was broken at, so that the lines joined give `text`
    again: styles can then be laid over ranges of the text.
    """
    columns = max(columns, 2)
    lines: list[str] = []
    line, width = "", 0
    for word in _words(text):
        size = cell_width(word.rstrip(" "))
        if line and width + size > columns:
            lines.append(line)
            line, width = "", 0
        if size > columns:
            for character in word:
                if line and character != " " and width + _cells(character) > columns:
                    lines.append(line)
                    line, width = "", 0
                line += character
                width += _cells(character)
            continue
        line += word
        width += cell_width(word)
    if line or not lines:
        lines.append(line)
    return lines


def _words(text: str) -> list[str]:
    words: list[str] = []
    for part in text.split(" "):
        words.append(f"{part} ")
    words[-1] = words[-1][:-1]
    return [word for word in words if word]


def _cells(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def printable(text: str) -> str:
    """Return `text` without control characters: what a peer sends may not steer the terminal."""
    return "".join(c if c.isprintable() or c in "\u200d\u00a0\u202f" else " " for c in text)
