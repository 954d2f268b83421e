"""Glossaries as CSV (RFC 4180), as spreadsheets write it: one term a row, a column a language.

Columns: ``term``, ``language``, ``variants``, ``do_not_translate``, ``pronunciation`` (several of a
kind are parted by ``|``), then a column for each language, named by its code. French names of the
columns, semicolons or tabs between fields, and a byte order mark are understood.
"""

import csv
import io
from collections.abc import Iterable, Sequence

from greffier.protocol import GlossaryTerm
from greffier_server.core.glossary import MAX_TERMS, GlossaryFault, checked
from greffier_server.core.languages import canonical
from greffier_server.core.numerals import fold

__all__ = ["read_csv", "write_csv"]

_COLUMNS = ("term", "language", "variants", "do_not_translate", "pronunciation")
_NAMES = {
    "terme": "term",
    "langue": "language",
    "variante": "variants",
    "variantes": "variants",
    "variant": "variants",
    "ne_pas_traduire": "do_not_translate",
    "do not translate": "do_not_translate",
    "ne pas traduire": "do_not_translate",
    "prononciation": "pronunciation",
}
_YES = frozenset({"1", "yes", "true", "oui", "vrai", "x", "y", "o"})


def read_csv(text: str) -> list[GlossaryTerm]:
    """Read a glossary.

    Raises:
        GlossaryFault: no such table; the message names the row.
    """
    text = text.removeprefix("\ufeff")
    head = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=head.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        raise GlossaryFault("the file is not CSV: a quoted field is not closed") from None
    if not rows:
        raise GlossaryFault("the file is empty; its first row names the columns: term, en, …")
    columns = _columns(rows[0])
    if len(rows) > 2 * MAX_TERMS:
        raise GlossaryFault(f"a glossary has at most {MAX_TERMS} terms")
    terms: list[GlossaryTerm] = []
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        try:
            terms.append(_term(columns, row))
        except GlossaryFault as fault:
            raise GlossaryFault(f"row {number}: {fault}") from None
    return terms


def write_csv(terms: Sequence[GlossaryTerm]) -> str:
    """Write a glossary that `read_csv` reads back."""
    languages = sorted({code for term in terms for code in term.translations})
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([*_COLUMNS, *languages])
    for term in terms:
        writer.writerow(
            [
                term.term,
                term.language,
                _joined(term.variants),
                "yes" if term.do_not_translate else "",
                _joined(term.pronunciation),
                *(term.translations.get(code, "") for code in languages),
            ]
        )
    return out.getvalue()


def _columns(head: Sequence[str]) -> list[str]:
    columns: list[str] = []
    for cell in head:
        name = " ".join(fold(cell).split())
        name = _NAMES.get(name, name)
        if name not in _COLUMNS and name:
            known = canonical(name)
            if known is None:
                raise GlossaryFault(
                    f"column {len(columns) + 1}: name columns {', '.join(_COLUMNS)}, "
                    "or by the code of a language"
                )
            name = known
        if name and name in columns:
            raise GlossaryFault(f"column {len(columns) + 1}: there is another of the same name")
        columns.append(name)
    if "term" not in columns:
        raise GlossaryFault("no column is named term")
    return columns


def _term(columns: Sequence[str], row: Sequence[str]) -> GlossaryTerm:
    if len(row) > len(columns):
        raise GlossaryFault("has more fields than there are columns")
    cells = {column: cell.strip() for column, cell in zip(columns, row, strict=False) if column}
    return checked(
        GlossaryTerm(
            cells.get("term", ""),
            {code: cell for code, cell in cells.items() if cell and code not in _COLUMNS},
            variants=_parts(cells.get("variants", "")),
            do_not_translate=fold(cells.get("do_not_translate", "")) in _YES,
            pronunciation=_parts(cells.get("pronunciation", "")),
            language=cells.get("language", ""),
        )
    )


def _parts(cell: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in cell.split("|") if part.strip())


def _joined(forms: Iterable[str]) -> str:
    return "|".join(form.replace("|", "/") for form in forms)
