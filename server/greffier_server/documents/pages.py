"""What a document holds, before it is drawn as HTML, Word, PDF, Markdown or plain text.

Every writer draws the same blocks, so that nothing is in one format and missing in another.
"""

from dataclasses import dataclass
from typing import Literal

from greffier_server.documents.words import ENGLISH, Words

__all__ = [
    "Block",
    "Cell",
    "Document",
    "Heading",
    "Listing",
    "Paragraph",
    "Run",
    "RunStyle",
    "Table",
    "plain",
]

RunStyle = Literal["", "strong", "em", "mark", "cite", "break"]


@dataclass(frozen=True, slots=True)
class Run:
    """Text of one style; ``mark`` says that a sentence is not verified, ``cite`` is a time code."""

    text: str
    style: RunStyle = ""
    at_s: int | None = None
    """Of a citation: second of the recording."""


Cell = tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading, level 1 to 3."""

    level: int
    runs: Cell


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph; a note is set small."""

    runs: Cell
    note: bool = False
    at_s: int | None = None
    """Citations of this second of the recording lead here."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list."""

    items: tuple[Cell, ...]
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table; every row has as many cells as the head."""

    head: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]


Block = Heading | Paragraph | Listing | Table


@dataclass(frozen=True, slots=True)
class Document:
    """A whole document and what stands on each of its pages."""

    title: str
    language: str
    blocks: tuple[Block, ...]
    marking: str = ""
    """Classification, at the top and the bottom of each page."""
    header: str = ""
    footer: str = ""
    words: Words = ENGLISH
    """For what writers add themselves, such as the number of the page."""


def plain(runs: Cell) -> str:
    """Return the text of `runs` alone."""
    return "".join("\n" if run.style == "break" else run.text for run in runs)
