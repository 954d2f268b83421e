"""Glossaries as TBX (ISO 30042): TBX-Basic of 2019 and of 2008 is read, of 2019 is written.

A concept is a term of one language, chosen by the document's ``xml:lang`` or by the caller; the
preferred terms of the other languages are its translations, admitted ones of its own language its
variants. Deprecated and superseded terms are left out. What TBX-Basic has no category for, *do not
translate* and pronunciations, is in notes of the concept.
"""

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from greffier.protocol import GlossaryTerm
from greffier_server.core.glossary import MAX_TERMS, GlossaryFault, checked
from greffier_server.core.languages import canonical
from greffier_server.core.xml_tree import XmlElement, XmlFault, read_xml

__all__ = ["read_tbx", "write_tbx"]

_ROOTS = frozenset({"tbx", "martif"})
_CONCEPTS = ("conceptEntry", "termEntry")
_LANGUAGES = ("langSec", "langSet")
_TERMS = ("termSec", "tig", "ntig")
_OUT_OF_USE = frozenset({"deprecatedTerm-admn-sts", "supersededTerm-admn-sts"})
_ADMITTED = "admittedTerm-admn-sts"
_KEEP = "do-not-translate"
_SAID = "pronunciation: "
_UNDETERMINED = "und"


def read_tbx(document: bytes, *, source: str = "") -> list[GlossaryTerm]:
    """Read a glossary.

    Args:
        document: the file, in its own encoding.
        source: code of the language whose terms are looked for; the document's when empty.

    Raises:
        GlossaryFault: not TBX, hostile, or a term that cannot be used.
    """
    try:
        root = read_xml(document)
    except XmlFault as fault:
        raise GlossaryFault(str(fault)) from None
    if root.name not in _ROOTS:
        raise GlossaryFault("the document is not TBX: its first element is neither tbx nor martif")
    wanted = canonical(source or root.language or "") or ""
    concepts = root.all(*_CONCEPTS)
    if len(concepts) > MAX_TERMS:
        raise GlossaryFault(f"a glossary has at most {MAX_TERMS} terms")
    terms: list[GlossaryTerm] = []
    for number, concept in enumerate(concepts, start=1):
        try:
            term = _term(concept, wanted)
        except GlossaryFault as fault:
            raise GlossaryFault(f"entry {number}: {fault}") from None
        if term is not None:
            terms.append(term)
    return terms


def write_tbx(terms: Sequence[GlossaryTerm]) -> str:
    """Write a glossary that `read_tbx` reads back."""
    first = next((term.language for term in terms if term.language), _UNDETERMINED)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<tbx type="TBX-Basic" style="dca" xml:lang={quoteattr(first)} '
        'xmlns="urn:iso:std:iso:30042:ed-2">',
        "<tbxHeader><fileDesc><sourceDesc><p>Greffier</p></sourceDesc></fileDesc></tbxHeader>",
        "<text><body>",
    ]
    for number, term in enumerate(terms, start=1):
        lines.append(f'<conceptEntry id="c{number}">')
        notes = [_KEEP] if term.do_not_translate else []
        notes += [_SAID + said for said in term.pronunciation]
        lines += [f"<note>{escape(note)}</note>" for note in notes]
        lines.append(_section(term.language or _UNDETERMINED, [term.term, *term.variants]))
        lines += [_section(code, [text]) for code, text in sorted(term.translations.items())]
        lines.append("</conceptEntry>")
    return "\n".join([*lines, "</body></text>", "</tbx>", ""])


def _section(language: str, terms: Sequence[str]) -> str:
    rows: list[str] = []
    for index, term in enumerate(terms):
        status = "admittedTerm-admn-sts" if index else "preferredTerm-admn-sts"
        note = f'<termNote type="administrativeStatus">{status}</termNote>'
        rows.append(f"<termSec><term>{escape(term)}</term>{note}</termSec>")
    return f"<langSec xml:lang={quoteattr(language)}>{''.join(rows)}</langSec>"


def _term(concept: XmlElement, wanted: str) -> GlossaryTerm | None:
    by_language: dict[str, list[str]] = {}
    for section in concept.all(*_LANGUAGES):
        code = section.language
        language = "" if code == _UNDETERMINED else canonical(code)
        if language is None:
            continue  # a language that is not heard or written here
        names = _preferred(section)
        if names:
            by_language.setdefault(language, []).extend(names)
    if not by_language:
        return None
    own = next((code for code in (wanted, "") if code in by_language), next(iter(by_language)))
    notes = [note.text.strip() for note in concept.parts if note.name == "note"]
    first, *others = by_language.pop(own)
    return checked(
        GlossaryTerm(
            first,
            {code: names[0] for code, names in by_language.items() if code},
            variants=tuple(others),
            do_not_translate=_KEEP in notes,
            pronunciation=tuple(n.removeprefix(_SAID) for n in notes if n.startswith(_SAID)),
            language=own,
        )
    )


def _preferred(section: XmlElement) -> list[str]:
    """The terms of a language in use, admitted ones last."""
    ranked: list[tuple[bool, str]] = []
    for group in (part for part in section.parts if part.name in _TERMS):
        status = {
            note.text.strip()
            for note in group.all("termNote")
            if note.attributes.get("type") == "administrativeStatus"
        }
        status |= {note.text.strip() for note in group.all("administrativeStatus")}
        names = [" ".join(term.text.split()) for term in group.all("term")]
        if names and names[0] and not status & _OUT_OF_USE:
            ranked.append((_ADMITTED in status, names[0]))
    return [name for _, name in sorted(ranked, key=lambda one: one[0])]
