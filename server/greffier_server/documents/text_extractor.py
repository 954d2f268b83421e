"""The program that takes the text out of one document that a stranger sent; a process of its own.

``python -m greffier_server.documents.text_extractor < document``

It reads the document whole from standard input and writes one JSON object: the
paragraphs with their pages, or why there are none. Readers of PDF and Word meet hostile input here
(archives that unpack to gigabytes, references in circles): limits of the kernel hold the process,
and nothing that a document names is opened.
"""

import io
import json
import re
import resource
import sys
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

__all__ = ["MAX_CHARS", "MAX_PAGES", "main"]

MAX_PAGES: Final = 300
MAX_CHARS: Final = 400_000
"""Of text in a document: some 150 dense pages."""

_MEMORY_BYTES: Final = 1 << 30
_CPU_S: Final = 30
_MAX_PARAGRAPH_CHARS: Final = 2_000
_MAX_UNPACKED_BYTES: Final = 64 << 20
_MAX_MEMBERS: Final = 2_000
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

_Placed = tuple[int, str, str]
"""Page, from 1 (0 where there are none), text, and role (see `core.document_events.Paragraph`)."""


class _Refused(Exception):
    """Nothing of the document can be used; the text is the reason."""


def main() -> int:
    """Read standard input, write the answer; return the exit status."""
    _limit()
    refused, paragraphs = "", list[_Placed]()
    try:
        size = 0
        for page, text, role in _paragraphs(io.BytesIO(sys.stdin.buffer.read())):
            size += len(text)
            if size > MAX_CHARS:
                raise _Refused("too_long")
            paragraphs.append((page, text, role))
        if not paragraphs:
            raise _Refused("no_text")
    except _Refused as refusal:
        refused, paragraphs = str(refusal), []
    except (Exception, MemoryError, RecursionError):  # noqa: BLE001  # readers of hostile input
        refused, paragraphs = "unreadable", []
    json.dump({"refused": refused, "paragraphs": paragraphs}, sys.stdout)
    return 0


def _paragraphs(document: BinaryIO) -> Iterator[_Placed]:
    head = document.read(1024)
    document.seek(0)
    if b"%PDF-" in head:
        found = _pdf(document)
    elif head.startswith(b"PK\x03\x04"):
        found = ((0, text, role) for text, role in _docx(document))
    else:
        found = ((0, text, role) for text, role in _plain(document.read()))
    for page, text, role in found:
        clean = re.sub(r"\s+", " ", _CONTROL.sub("", text)).strip()
        while clean:
            piece = clean[:_MAX_PARAGRAPH_CHARS]
            if len(clean) > _MAX_PARAGRAPH_CHARS and " " in piece:
                piece = piece[: piece.rindex(" ")]
            clean = clean[len(piece) :].strip()
            if any(char.isalnum() for char in piece):
                yield page, piece, role


def _pdf(document: BinaryIO) -> Iterator[_Placed]:
    import logging

    from pypdf import PdfReader

    logging.disable(logging.CRITICAL)  # it tells of damage in the document's own words
    reader = PdfReader(document, strict=False)
    if reader.is_encrypted:
        raise _Refused("encrypted")
    if len(reader.pages) > MAX_PAGES:
        raise _Refused("too_many_pages")
    for number, page in enumerate(reader.pages, start=1):
        for text in _lines_joined(page.extract_text().splitlines()):
            yield number, re.sub(r"^[•▪‣◦]\s*", "", text), "item" if _BULLET.match(text) else ""


def _docx(document: BinaryIO) -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(document) as archive:
        members = archive.infolist()
        if len(members) > _MAX_MEMBERS:
            raise _Refused("unreadable")
        if sum(member.file_size for member in members) > _MAX_UNPACKED_BYTES:
            raise _Refused("too_long")
        if "word/document.xml" not in archive.namelist():
            raise _Refused("unknown")
    import docx
    from docx.table import Table

    document.seek(0)
    for block in docx.Document(document).iter_inner_content():
        if isinstance(block, Table):
            for row in block.rows:
                cells = dict.fromkeys(cell.text.strip() for cell in row.cells)
                yield " | ".join(cell for cell in cells if cell), ""
        else:
            yield block.text, _role(block)


def _role(paragraph: Any) -> str:
    """Of a Word paragraph: by its style, whatever the language of the program that wrote it."""
    style = str(getattr(paragraph.style, "style_id", "") or "")
    if re.match(r"(?:Heading|Titre|Title)", style):
        return "heading"
    properties = paragraph._p.pPr
    listed = properties is not None and properties.numPr is not None
    return "item" if listed or re.match(r"List", style) else ""


def _plain(content: bytes) -> Iterator[tuple[str, str]]:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16")
    elif b"\x00" in content:
        raise _Refused("unknown")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", "replace")  # what Windows writes in western Europe
    held: list[str] = []
    role = ""
    for line in [*text.splitlines(), ""]:
        # A heading, an item of a list and a row of a table each stand for themselves.
        if held and (not line.strip() or re.match(r"\s*(?:[-*+•]|#+|\d+[.)]|\|)\s", line)):
            yield " ".join(held), role
            held, role = [], ""
        plain = re.sub(r"^\s*(?:#+|>+|[-*+•])\s+", "", line).strip()
        if plain and not held and _BULLET.match(line.strip()):
            role = "item"
        if plain:
            held.append(plain)
        if re.match(r"\s*#+\s", line):
            yield " ".join(held), "heading"
            held, role = [], ""


def _lines_joined(lines: list[str]) -> Iterator[str]:
    """Join the lines that a page broke a paragraph into; a short line or a full stop ends one."""
    longest = max((len(line) for line in lines), default=0)
    held = ""
    for line in lines:
        plain = line.strip()
        if not plain or (held and _POINT.match(plain)):
            yield held
            held = ""
        if not plain:
            continue
        if held.endswith("-") and held[-2:-1].isalpha() and plain[:1].islower():
            held = held[:-1] + plain
        else:
            held = f"{held} {plain}".strip()
        if plain[-1] in ".!?:;»" or len(line) < 0.7 * longest:
            yield held
            held = ""
    yield held


_BULLET: Final = re.compile(r"[-*+•▪‣◦]\s")
_POINT: Final = re.compile(r"(?:[•▪‣◦]|\d{1,2}(?:\.\d{1,2})?[.)]|[IVX]{1,4}[.)])\s+[^\W\d_]")
"""A point of a list begins with a line of its own."""


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_CPU, _CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    sys.exit(main())
