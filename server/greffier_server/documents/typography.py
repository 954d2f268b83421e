"""French and English typography, set on a finished document.

French follows the *Lexique des règles typographiques en usage à l'Imprimerie nationale*: a narrow
no-break space before ``; ! ?``, a no-break space before ``:`` and inside guillemets, a narrow one
between groups of three digits.
"""

import re
from dataclasses import replace

from greffier_server.documents.pages import (
    Block,
    Cell,
    Document,
    Heading,
    Listing,
    Paragraph,
    Table,
)

__all__ = ["typeset", "typeset_text"]

_NBSP = "\u00a0"
_THIN = "\u202f"


def typeset(document: Document) -> Document:
    """Return `document` with the spaces and apostrophes of its language."""
    language = document.language
    return replace(
        document,
        title=typeset_text(document.title, language),
        header=typeset_text(document.header, language),
        footer=typeset_text(document.footer, language),
        blocks=tuple(_block(block, language) for block in document.blocks),
    )


def typeset_text(text: str, language: str) -> str:
    """Return `text` as a printer of `language` would set it; other languages stay as they are."""
    if language not in ("fr", "en"):
        return text
    text = re.sub(r"(?<=\w)'(?=\w)", "’", text)
    text = text.replace("...", "…")
    if language == "en":
        return text
    text = re.sub(r"(?<=[^\W\d_])[ \u00a0\u202f]?([;!?]+)(?=\s|$|»)", _THIN + r"\1", text)
    text = re.sub(r"(?<=[\d)%»])[ \u00a0\u202f]?([;!?]+)(?=\s|$|»)", _THIN + r"\1", text)
    text = re.sub(r"(?<=[\w)»])[ \u00a0\u202f]?:(?=\s|$)", _NBSP + ":", text)
    text = re.sub(r"«[ \u00a0\u202f]*", "«" + _NBSP, text)
    text = re.sub(r"[ \u00a0\u202f]*»", _NBSP + "»", text)
    text = re.sub(r"(?<=\d)[ \u00a0](?=\d{3}(?!\d))", _THIN, text)
    return re.sub(r"(?<=\d)[ \u202f](?=(?:%|€|euros?\b|h\b|km\b|ha\b|kg\b|m\b))", _NBSP, text)


def _block(block: Block, language: str) -> Block:
    match block:
        case Heading() | Paragraph():
            return replace(block, runs=_cell(block.runs, language))
        case Listing():
            return replace(block, items=tuple(_cell(item, language) for item in block.items))
        case Table():
            return replace(
                block,
                head=tuple(_cell(cell, language) for cell in block.head),
                rows=tuple(tuple(_cell(cell, language) for cell in row) for row in block.rows),
            )


def _cell(runs: Cell, language: str) -> Cell:
    return tuple(
        run if run.style == "cite" else replace(run, text=typeset_text(run.text, language))
        for run in runs
    )
