"""A document as Markdown (CommonMark, with the tables of GitHub) or as plain text."""

import re

from greffier_server.documents.pages import (
    Block,
    Cell,
    Document,
    Heading,
    Listing,
    Paragraph,
    Run,
    Table,
    plain,
)

__all__ = ["to_markdown", "to_text"]


def to_markdown(document: Document) -> str:
    """Return `document` as Markdown; citations link to ``#t=SECONDS`` of the recording.

    The link is a W3C media fragment. What was spoken is escaped: none of it becomes markup.
    """
    parts: list[str] = []
    frame = [document.header, document.marking]
    parts += [f"**{_escape(text)}**" for text in frame if text]
    parts += [_markdown_block(block) for block in document.blocks]
    parts += [f"**{_escape(text)}**" for text in (document.marking, document.footer) if text]
    return "\n\n".join(parts) + "\n"


def to_text(document: Document) -> str:
    """Return `document` as plain text."""
    parts = [text for text in (document.header, document.marking) if text]
    parts += [_text_block(block) for block in document.blocks]
    parts += [text for text in (document.marking, document.footer) if text]
    return "\n\n".join(parts) + "\n"


def _markdown_block(block: Block) -> str:
    match block:
        case Heading(level=level, runs=runs):
            return f"{'#' * level} {_markdown(runs)}"
        case Paragraph(runs=runs, note=note):
            text = _markdown(runs)
            return f"*{text}*" if note and not re.search(r"[*\n]", text) else text
        case Listing(items=items, ordered=ordered):
            return "\n".join(
                f"{f'{number}.' if ordered else '-'} {_markdown(item)}"
                for number, item in enumerate(items, 1)
            )
        case Table():
            rows = [block.head, tuple(() for _ in block.head), *block.rows]
            lines = [
                "| " + " | ".join(_markdown(cell).replace("\\\n", " ") for cell in row) + " |"
                for row in rows
            ]
            lines[1] = "|" + " --- |" * len(block.head)
            return "\n".join(lines)


def _markdown(runs: Cell) -> str:
    return "".join(
        _markdown_run(run, first=index == 0 or runs[index - 1].style == "break")
        for index, run in enumerate(runs)
    )


def _markdown_run(run: Run, *, first: bool) -> str:
    if run.style == "break":
        return "\\\n"
    text = _escape(run.text, first=first)
    before, inner, after = _margins(text)
    if not inner:
        return text
    match run.style:
        case "strong":
            return f"{before}**{inner}**{after}"
        case "em" | "mark":
            return f"{before}*{inner}*{after}"
        case "cite":
            return f"{before}[{inner}](#t={run.at_s}){after}"
        case _:
            return text


def _margins(text: str) -> tuple[str, str, str]:
    inner = text.strip()
    start = text.find(inner)
    return text[:start], inner, text[start + len(inner) :]


def _escape(text: str, *, first: bool = True) -> str:
    escaped = re.sub(r"([\\`*_\[\]<>#|~!$^={}])", r"\\\1", text)
    if first:
        escaped = re.sub(r"^(\s*)(\d*)([-+.)])(?=\s|$)", r"\1\2\\\3", escaped)
    escaped = escaped.replace("&", "&amp;")
    # A bare address would become a link in many readers.
    return re.sub(r"(?i)\b(https?|ftp|mailto|javascript|data):", r"\1&#58;", escaped)


def _text_block(block: Block) -> str:
    match block:
        case Heading(level=level, runs=runs):
            text = plain(runs)
            return f"{text}\n{('=', '-', '~')[level - 1] * len(text)}"
        case Paragraph(runs=runs):
            return plain(runs)
        case Listing(items=items, ordered=ordered):
            return "\n".join(
                f"{f'{number}.' if ordered else '*'} {plain(item)}"
                for number, item in enumerate(items, 1)
            )
        case Table():
            rows = [
                "\n".join(
                    f"{plain(name)}: {plain(cell)}" if plain(name) else plain(cell)
                    for name, cell in zip(block.head, row, strict=True)
                    if plain(cell)
                )
                for row in block.rows
            ]
            return "\n\n".join(rows)
