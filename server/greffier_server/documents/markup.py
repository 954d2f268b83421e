"""Reads what a template gave, a small part of HTML, into the blocks of a document.

Known are ``h1 h2 h3 p ul ol li table tr th td strong em mark br`` and ``a href="#t=SECONDS"``; any
other element is left out and its text kept, scripts and styles with their text. So a document never
holds more than its writers know to draw, whatever stands in a tenant's template.
"""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from greffier_server.documents.cleaning import clean
from greffier_server.documents.pages import (
    Block,
    Cell,
    Heading,
    Listing,
    Paragraph,
    Run,
    RunStyle,
    Table,
)

__all__ = ["read_markup"]

_STYLES: dict[str, RunStyle] = {"strong": "strong", "em": "em", "mark": "mark", "a": "cite"}
_BLOCKS = frozenset({"h1", "h2", "h3", "p", "li", "th", "td"})
_SILENT = frozenset({"script", "style", "head", "title", "template"})
_TIME = re.compile(r"^#t=(\d{1,7})$")


def read_markup(markup: str) -> tuple[Block, ...]:
    """Return the blocks of `markup`; what is not closed is closed at its end."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    return reader.blocks()


@dataclass(slots=True)
class _Open:
    """A list or a table that is still open."""

    tag: str
    rows: list[list[Cell]] = field(default_factory=list[list[Cell]])
    head: list[Cell] = field(default_factory=list[Cell])


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._blocks: list[Block] = []
        self._runs: list[Run] = []
        self._styles: list[tuple[str, int | None]] = []
        self._in_block = ""
        self._note = False
        self._at_s: int | None = None
        self._open: _Open | None = None
        self._silent = ""

    def blocks(self) -> tuple[Block, ...]:
        self._end_block()
        self._end_group()
        return tuple(self._blocks)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._silent or tag in _SILENT:
            self._silent = self._silent or tag
            return
        given = dict(attrs)
        if tag in _BLOCKS:
            self._end_block()
            self._in_block = tag
            self._note = "note" in (given.get("class") or "").split()
            found = re.match(r"^t=(\d{1,7})$", given.get("id") or "")
            self._at_s = int(found.group(1)) if found else None
        elif tag in ("ul", "ol", "table"):
            self._end_block()
            self._end_group()
            self._open = _Open(tag)
        elif tag == "tr" and self._open is not None:
            self._end_block()
            self._open.rows.append([])
        elif tag == "br":
            self._runs.append(Run("", "break"))
        elif tag in _STYLES:
            found = _TIME.match(given.get("href") or "") if tag == "a" else None
            self._styles.append((tag, int(found.group(1)) if found else None))

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            self._silent = "" if tag == self._silent else self._silent
        elif tag in _BLOCKS:
            self._end_block()
        elif tag in ("ul", "ol", "table"):
            self._end_block()
            self._end_group()
        elif tag in _STYLES:
            for index in range(len(self._styles) - 1, -1, -1):
                if self._styles[index][0] == tag:
                    del self._styles[index]
                    break

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        text = re.sub(r"[ \t\n\r]+", " ", clean(data))
        if not text or (text == " " and not self._runs):
            return
        style: RunStyle = ""
        at_s: int | None = None
        if self._styles:
            tag, at_s = self._styles[-1]
            style = _STYLES[tag]
        if style == "cite" and at_s is None:
            style = ""  # a link to elsewhere: its text alone
        self._runs.append(Run(text, style, at_s))

    def _end_block(self) -> None:
        runs = _trimmed(self._runs)
        tag, self._runs, self._styles = self._in_block, [], []
        self._in_block = ""
        if tag in ("th", "td") and self._open is not None and self._open.tag == "table":
            if not self._open.rows:
                self._open.rows.append([])
            if tag == "th":
                self._open.head.append(runs)
            else:
                self._open.rows[-1].append(runs)
            return
        if not runs:
            return
        if tag == "li" and self._open is not None and self._open.tag != "table":
            self._open.rows.append([runs])
        elif tag in ("h1", "h2", "h3"):
            self._blocks.append(Heading(int(tag[1]), runs))
        else:
            self._blocks.append(Paragraph(runs, self._note, self._at_s))

    def _end_group(self) -> None:
        group, self._open = self._open, None
        if group is None:
            return
        rows = [row for row in group.rows if row]
        if group.tag != "table":
            if rows:
                items = tuple(cell for row in rows for cell in row)
                self._blocks.append(Listing(items, ordered=group.tag == "ol"))
            return
        width = max([len(group.head), *(len(row) for row in rows)], default=0)
        if not width:
            return
        filled = [[*row, *[()] * (width - len(row))] for row in (group.head, *rows)]
        self._blocks.append(Table(tuple(filled[0]), tuple(tuple(row) for row in filled[1:])))


def _trimmed(runs: list[Run]) -> Cell:
    """Drop the white space at both ends, and that behind a line break."""
    kept: list[Run] = []
    for run in runs:
        text = run.text
        if not kept or kept[-1].style == "break" or kept[-1].text.endswith(" "):
            text = text.lstrip(" ")
        if text or run.style == "break":
            kept.append(Run(text, run.style, run.at_s))
    while kept and kept[-1].style == "break":
        kept.pop()
    if kept and kept[-1].text.endswith(" "):
        last = kept.pop()
        text = last.text.rstrip(" ")
        kept += [Run(text, last.style, last.at_s)] if text else []
    return tuple(kept)
