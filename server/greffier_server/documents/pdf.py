"""A document as PDF (PDF/A-2u, for archives), by fpdf2.

The fonts are embedded: Source Sans Pro (SIL Open Font License), and any in a folder of the settings
for scripts that it does not have. Imported only when a PDF is drawn.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files as files_of
from pathlib import Path

from fontTools.ttLib import TTFont, TTLibError
from fpdf import FPDF
from fpdf.enums import Align, VAlign, XPos, YPos
from fpdf.fonts import FontFace, TTFFont

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
from greffier_server.errors import SettingsInvalid

__all__ = ["to_pdf"]

_FAMILY = "document"
_SIZE_PT = 10.5
_SMALL_PT = 8.5
_HEADINGS_PT = {1: 20.0, 2: 13.0, 3: 11.0}
_LINE = 1.36
_SIDE_MM = 20.0
_TOP_MM = 28.0
_BOTTOM_MM = 26.0
_MM_PER_PT = 25.4 / 72
_INK = (22, 22, 22)
_GREY = (85, 85, 85)
_RED = (176, 0, 32)
_COLOURS = {"cite": (31, 74, 143), "mark": (138, 90, 0)}
_PAGES = "\uf8ff\uf8fe"
"""Stands for the number of pages until it is known; no text can hold it (see `_Signs`)."""
_CELL_CHARS = 1_500
"""A longer text in a table goes on in the next row: a row must fit on a page."""


def to_pdf(document: Document, *, fonts_dir: Path | None = None) -> bytes:
    """Return `document` as a PDF with its marking, header, footer and number on each page.

    A sign that no font has is drawn as ``?``, and the end of the document says how many there were.

    Args:
        document: what to draw.
        fonts_dir: a folder of further TrueType or OpenType fonts, tried in order of their names.

    Raises:
        SettingsInvalid: one of those fonts cannot be read.
    """
    pages = _Pages(document)
    try:
        drawing = _Drawing(pages, document, fonts_dir)
        for block in document.blocks:
            drawing.draw(block)
        if drawing.signs.missing:
            told = document.words.missing_signs.format(count=drawing.signs.missing)
            drawing.draw(Paragraph((Run(told),), note=True))
        return bytes(pages.output())
    finally:
        for font in pages.fonts.values():
            if isinstance(font, TTFFont):
                font.close()


class _Signs:
    """Replaces the signs that no font has, and counts them."""

    def __init__(self, known: frozenset[int]) -> None:
        self._known = known
        self.missing = 0

    def of(self, text: str) -> str:
        """Return `text` as it can be drawn."""
        drawn: list[str] = []
        for char in text:
            code = ord(char)
            if char == "\n" or (code in self._known and not 0xE000 <= code <= 0xF8FF):
                drawn.append(char)
            elif char == "\t":
                drawn.append(" ")
            else:
                self.missing += 1
                drawn.append("?")
        return "".join(drawn)


class _Pages(FPDF):
    """Pages with what stands on each of them."""

    def __init__(self, document: Document) -> None:
        super().__init__(enforce_compliance="PDF/A-2U")
        self.words = document.words
        self.framed: tuple[str, str, str] = ("", "", "")
        self.alias_nb_pages(_PAGES)
        self.set_margins(_SIDE_MM, _TOP_MM, _SIDE_MM)
        self.set_auto_page_break(auto=True, margin=_BOTTOM_MM)
        self.set_title(document.title)
        self.set_lang(document.language)
        self.set_creator("Greffier")
        self.set_creation_date(datetime.now(UTC))

    def header(self) -> None:
        """Draw the top of a page."""
        header, _, marking = self.framed
        self._line(header, at_mm=8.0, bold=False)
        self._line(marking, at_mm=14.5, bold=True)
        self.set_y(_TOP_MM)

    def footer(self) -> None:
        """Draw the bottom of a page."""
        _, footer, marking = self.framed
        self._line(marking, at_mm=self.h - 20.0, bold=True)
        number = f"{self.words.page} {self.page_no()} {self.words.of} {_PAGES}"
        self._line(f"{footer} – {number}" if footer else number, at_mm=self.h - 12.5, bold=False)

    def _line(self, text: str, *, at_mm: float, bold: bool) -> None:
        if not text:
            return
        size = 11.0 if bold else _SMALL_PT
        self.set_font(_FAMILY, "B" if bold else "", size)
        while size > 5.0 and self.get_string_width(text) > self.epw:
            size -= 0.5
            self.set_font_size(size)
        self.set_text_color(*(_RED if bold else _GREY))
        self.set_xy(self.l_margin, at_mm)
        self.cell(self.epw, 5.0, text, align=Align.C, new_x=XPos.LMARGIN, new_y=YPos.TOP)


class _Drawing:
    """Draws blocks one under the other."""

    def __init__(self, pages: _Pages, document: Document, fonts_dir: Path | None) -> None:
        self.pages = pages
        self.signs = _Signs(_add_fonts(self.pages, fonts_dir))
        self.pages.framed = (
            self.signs.of(document.header),
            self.signs.of(document.footer),
            self.signs.of(document.marking),
        )
        self._targets = _targets(document.blocks)
        self._links = {at_s: self.pages.add_link(page=1) for at_s in self._targets}
        self._placed: set[int] = set()
        self.pages.add_page()

    def draw(self, block: Block) -> None:
        """Draw the next block."""
        match block:
            case Heading():
                self._heading(block)
            case Paragraph():
                self._paragraph(block)
            case Listing(items=items, ordered=ordered):
                for number, item in enumerate(items, 1):
                    self._item(f"{number}." if ordered else "•", item)
                self.pages.ln(1.0)
            case Table():
                self._table(block)

    def _heading(self, block: Heading) -> None:
        size = _HEADINGS_PT[block.level]
        height = size * _MM_PER_PT * 1.2
        self.pages.ln(0 if block.level == 1 else height * 0.6)
        if self.pages.will_page_break(height + 14.0):  # never alone at the foot of a page
            self.pages.add_page()
        self._set("B", size, _INK)
        text = self.signs.of(plain(block.runs))
        self.pages.start_section(text[:200] or " ", level=0)
        self.pages.multi_cell(0, height, text, align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.pages.ln(1.5)

    def _paragraph(self, block: Paragraph) -> None:
        at_s = block.at_s
        if at_s is not None and at_s in self._links and at_s not in self._placed:
            self._placed.add(at_s)
            if self.pages.will_page_break(6.0):
                self.pages.add_page()
            self.pages.set_link(self._links[at_s], y=self.pages.get_y(), page=self.pages.page_no())
        self._runs(block.runs, note=block.note)
        self.pages.ln(2.0)

    def _item(self, bullet: str, runs: Cell) -> None:
        left = self.pages.l_margin
        if self.pages.will_page_break(6.0):
            self.pages.add_page()
        self._set("", _SIZE_PT, _INK)
        self.pages.cell(6.5, _height(_SIZE_PT), bullet, align=Align.L)
        self.pages.set_left_margin(left + 6.5)
        self._runs(runs)
        self.pages.set_left_margin(left)
        self.pages.set_x(left)
        self.pages.ln(0.8)

    def _runs(self, runs: Cell, *, note: bool = False) -> None:
        base = _SMALL_PT if note else _SIZE_PT
        height = _height(base)
        for run in runs:
            if run.style == "break":
                self.pages.ln(height)
                continue
            small = run.style in ("cite", "mark")
            emphasis = {"strong": "B", "em": "I", "mark": "I"}.get(run.style, "")
            colour = _COLOURS.get(run.style, _GREY if note else _INK)
            self._set(emphasis, _SMALL_PT if small else base, colour)
            link = self._links.get(run.at_s) if run.at_s is not None else None
            self.pages.write(height, self.signs.of(run.text), link=link or "")
        self.pages.ln(height)

    def _table(self, block: Table) -> None:
        self._set("", 9.5, _INK)
        self.pages.set_draw_color(150)
        self.pages.set_line_width(0.15)
        style = FontFace(emphasis="BOLD", color=_INK, fill_color=(238, 241, 246))
        with self.pages.table(
            width=self.pages.epw,
            col_widths=tuple(column_shares(block)),
            headings_style=style,
            text_align=Align.L,
            v_align=VAlign.T,
            line_height=9.5 * _MM_PER_PT * 1.3,
            padding=1.0,
        ) as table:
            for cells in (block.head, *block.rows):
                for part in _fitting([self.signs.of(plain(cell)) for cell in cells]):
                    table.row(part)
        self.pages.ln(3.0)

    def _set(self, emphasis: str, size: float, colour: tuple[int, int, int]) -> None:
        self.pages.set_font(_FAMILY, emphasis, size)
        self.pages.set_text_color(*colour)


def _height(size_pt: float) -> float:
    return size_pt * _MM_PER_PT * _LINE


def _targets(blocks: Sequence[Block]) -> set[int]:
    return {b.at_s for b in blocks if isinstance(b, Paragraph) and b.at_s is not None}


def _fitting(texts: list[str]) -> list[list[str]]:
    """Cut a row that would not fit on a page into several."""
    parts = [_cut(text) for text in texts]
    rows = max(len(each) for each in parts)
    return [[each[row] if row < len(each) else "" for each in parts] for row in range(rows)]


def _cut(text: str) -> list[str]:
    parts: list[str] = []
    while len(text) > _CELL_CHARS:
        end = text.rfind(" ", _CELL_CHARS // 2, _CELL_CHARS)
        end = _CELL_CHARS if end < 0 else end
        parts.append(text[:end])
        text = text[end:].lstrip(" ")
    return [*parts, text]


def _add_fonts(pages: FPDF, fonts_dir: Path | None) -> frozenset[int]:
    """Embed the fonts; return the signs that one of them has."""
    files = Path(str(files_of("font_source_sans_pro"))) / "files"
    for emphasis, name in (("", "Regular"), ("B", "Bold"), ("I", "It")):
        pages.add_font(_FAMILY, emphasis, files / f"SourceSansPro-{name}.ttf")
    known = _signs_in(pages, _FAMILY)
    further: list[str] = []
    if fonts_dir is not None:
        for file in sorted(fonts_dir.glob("*.[to]tf")):
            _check_font(file)
            pages.add_font(file.stem, "", file)
            further.append(file.stem)
            known |= _signs_in(pages, file.stem.lower())
    # The upright face lends what the others lack: Greek and Cyrillic have no italics there.
    further.insert(0, _FAMILY)
    pages.set_fallback_fonts(further, exact_match=False)
    return frozenset(known)


def _check_font(file: Path) -> None:
    try:
        with file.open("rb") as opened, TTFont(opened) as font:
            font.getBestCmap()
    except (TTLibError, OSError, LookupError, ValueError):
        raise SettingsInvalid(f"the font {file.name} cannot be read") from None


def _signs_in(pages: FPDF, font: str) -> set[int]:
    added = pages.fonts[font]
    return set(added.cmap) if isinstance(added, TTFFont) else set()
