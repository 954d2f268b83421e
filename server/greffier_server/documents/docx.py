"""A document as Office Open XML (.docx), by python-docx; imported only when one is drawn."""

import io
from typing import Any, cast

import docx
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.parser import OxmlElement  # pyright: ignore[reportUnknownVariableType]
from docx.shared import Cm, Pt, RGBColor

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
from greffier_server.documents.tables import column_shares

__all__ = ["to_docx"]

_FONT = "Arial"
_LOCALES = {"fr": "fr-FR", "en": "en-GB", "de": "de-DE", "es": "es-ES", "it": "it-IT"}


def to_docx(document: Document) -> bytes:
    """Return `document` as a Word file: styles, a header and a footer on each page, page numbers.

    Headings, lists and tables are real ones, so that readers for the blind and tables of contents
    find them.
    """
    made = docx.Document()
    section = made.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2)
    section.top_margin, section.bottom_margin = Cm(2.4), Cm(2.8)
    normal = _paragraph_style(made, "Normal")
    normal.font.name, normal.font.size = _FONT, Pt(10.5)
    for level, size in ((1, 20), (2, 13), (3, 11)):
        style = _paragraph_style(made, f"Heading {level}")
        style.font.name, style.font.size = _FONT, Pt(size)
        style.font.color.rgb = RGBColor(0x16, 0x16, 0x16)
        fonts = style.element.rPr.rFonts
        for name in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
            fonts.attrib.pop(_w(name), None)
        fonts.set(_w("hAnsi"), _FONT)
    _set_language(made, document.language)
    properties = made.core_properties
    properties.title, properties.author, properties.comments = document.title[:250], "Greffier", ""
    properties.language = _LOCALES.get(document.language, document.language)
    _frame(section, document)
    for block in document.blocks:
        _add(made, block)
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def _paragraph_style(made: Any, name: str) -> Any:
    return made.styles[name]


def _set_language(made: Any, language: str) -> None:

    code = _LOCALES.get(language, language or "en-GB")
    defaults = made.styles.element.find(_w("docDefaults"))
    properties = defaults.find(f"{_w('rPrDefault')}/{_w('rPr')}")
    element = properties.find(_w("lang"))
    if element is None:
        element = _element("w:lang")
        properties.append(element)
    element.set(_w("val"), code)


def _frame(section: Any, document: Document) -> None:
    """Write what stands at the top and at the bottom of each page."""
    words = document.words
    section.header.is_linked_to_previous = section.footer.is_linked_to_previous = False
    top, bottom = section.header.paragraphs[0], section.footer.paragraphs[0]
    top.alignment = bottom.alignment = WD_ALIGN_PARAGRAPH.CENTER
    if document.header:
        _small(top.add_run(document.header))
    if document.marking:
        above = section.header.add_paragraph() if document.header else top
        above.alignment = WD_ALIGN_PARAGRAPH.CENTER
        _marking(above, document.marking)
        _marking(bottom, document.marking)
        bottom = section.footer.add_paragraph()
        bottom.alignment = WD_ALIGN_PARAGRAPH.CENTER
    if document.footer:
        _small(bottom.add_run(f"{document.footer} – "))
    _small(bottom.add_run(f"{words.page} "))
    _field(bottom, "PAGE")
    _small(bottom.add_run(f" {words.of} "))
    _field(bottom, "NUMPAGES")


def _marking(paragraph: Any, text: str) -> None:

    run = paragraph.add_run(text)
    run.bold, run.font.size, run.font.color.rgb = True, Pt(11), RGBColor(0xB0, 0x00, 0x20)


def _small(run: Any) -> None:

    run.font.size = Pt(8.5)


def _field(paragraph: Any, code: str) -> None:
    """Add a field that the word processor counts, such as the number of the page."""
    for kind in ("begin", "code", "separate", "shown", "end"):
        run = paragraph.add_run("1" if kind == "shown" else "")
        _small(run)
        if kind == "shown":
            continue
        if kind == "code":
            element = _element("w:instrText")
            element.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
            element.text = f" {code} "
        else:
            element = _element("w:fldChar")
            element.set(_w("fldCharType"), kind)
        run._r.append(element)


def _add(made: Any, block: Block) -> None:
    match block:
        case Heading(level=level, runs=runs):
            made.add_heading(plain(runs), level=level)
        case Paragraph(runs=runs, note=note):
            _write(made.add_paragraph(), runs, note=note)
        case Listing(items=items, ordered=ordered):
            for number, item in enumerate(items, 1):
                if ordered:  # numbers of our own: Word would go on counting from list to list
                    item = (Run(f"{number}. "), *item)
                _write(made.add_paragraph(style="Normal" if ordered else "List Bullet"), item)
        case Table():
            _add_table(made, block)


def _add_table(made: Any, block: Table) -> None:

    grid = made.add_table(rows=1, cols=len(block.head), style="Table Grid")
    for cell, runs in zip(grid.rows[0].cells, block.head, strict=True):
        _write(cell.paragraphs[0], tuple(Run(run.text, "strong") for run in runs))
    repeated = _element("w:tblHeader")  # the head stands on each page of a long table
    grid.rows[0]._tr.get_or_add_trPr().append(repeated)
    for cell in grid.rows[0].cells:
        shade = _element("w:shd")
        shade.set(_w("val"), "clear")
        shade.set(_w("fill"), "EEF1F6")
        cell._tc.get_or_add_tcPr().append(shade)
    for row in block.rows:
        for cell, runs in zip(grid.add_row().cells, row, strict=True):
            _write(cell.paragraphs[0], runs)
    for row in grid.rows:
        for cell in row.cells:
            spacing = cell.paragraphs[0].paragraph_format
            spacing.space_before = spacing.space_after = Pt(2)
    grid.autofit = False
    for place, width in enumerate(_widths(block)):
        grid.columns[place].width = width  # LibreOffice goes by the grid, Word by the cells
        for row in grid.rows:
            row.cells[place].width = width
    made.add_paragraph()


def _widths(block: Table) -> list[Any]:

    return [Cm(17 * share) for share in column_shares(block)]


def _write(paragraph: Any, runs: Cell, *, note: bool = False) -> None:

    for run in runs:
        if run.style == "break":
            paragraph.add_run().add_break()
            continue
        made = paragraph.add_run(run.text)
        made.bold = True if run.style == "strong" else None
        made.italic = True if run.style == "em" else None
        if run.style == "cite":
            made.font.size, made.font.color.rgb = Pt(8.5), RGBColor(0x1F, 0x4A, 0x8F)
        elif run.style == "mark":
            made.font.size, made.font.color.rgb = Pt(8.5), RGBColor(0x8A, 0x5A, 0x00)
            made.italic = True
        elif note:
            made.font.size, made.font.color.rgb = Pt(9), RGBColor(0x55, 0x55, 0x55)


def _element(name: str) -> Any:
    return cast("Any", OxmlElement(name))


def _w(name: str) -> str:
    return f"{{http://schemas.openxmlformats.org/wordprocessingml/2006/main}}{name}"
