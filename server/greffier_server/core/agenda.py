"""The points of an agenda, read out of the paragraphs of a document (pure; French and English).

An agenda says that it is one: in a heading, in its file's name, or because whoever attached it said
so. Its points are numbered paragraphs, items of a list, or headings. A briefing with numbered
sections is no agenda.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from greffier_server.core.document_events import AgendaItem, Paragraph
from greffier_server.core.numerals import fold
from greffier_server.core.spoken_orders import orders_the_clerk

__all__ = ["MAX_POINTS", "agenda_of", "says_agenda"]

MAX_POINTS = 40
_TITLE_CHARS = 160
_DETAIL_CHARS = 400
_LONGEST_POINT = 300
"""A longer paragraph is text, whatever it begins with."""


def says_agenda(name: str, paragraphs: Sequence[Paragraph]) -> bool:
    """Whether a document calls itself an agenda: by its file's name, or in a heading of its own."""
    words = re.sub(r"[^a-z]+", " ", fold(name.rpartition(".")[0] or name))
    if re.search(r"\b(?:agenda|ordre du jour|odj)\b", words):
        return True
    return any(_HEADING.match(fold(one.text)) for one in paragraphs)


def agenda_of(paragraphs: Sequence[Paragraph], *, certain: bool = False) -> tuple[AgendaItem, ...]:
    """Return the points of an agenda, in order.

    Args:
        paragraphs: of the document; what tells the writer of minutes what to write is left out.
        certain: the document is an agenda: where it has no heading that says so, its numbered
            paragraphs are the points, and where none is numbered its list or its headings are.
    """
    sound = [one for one in paragraphs if not orders_the_clerk(one.text)]
    start = next((at for at, one in enumerate(sound) if _HEADING.match(fold(one.text))), None)
    if start is None and not certain:
        return ()
    behind = sound if start is None else [*_behind_colon(sound[start]), *sound[start + 1 :]]
    lines = [line for one in behind for line in _lines(one)]
    points = _numbered(lines) or _listed(lines, "item") or _listed(lines, "heading")
    return tuple(points[:MAX_POINTS])


@dataclass(frozen=True, slots=True)
class _Line:
    """A paragraph, or one of several points that one paragraph holds."""

    number: str
    """Empty = it has none."""
    text: str
    paragraph: Paragraph


def _behind_colon(heading: Paragraph) -> list[Paragraph]:
    """What stands behind *Ordre du jour :* in the same paragraph."""
    _, colon, rest = heading.text.partition(":")
    return [replace(heading, text=rest.strip(), role="")] if colon and rest.strip() else []


def _lines(paragraph: Paragraph) -> list[_Line]:
    pieces = [paragraph.text]
    if len(_INLINE.findall(paragraph.text)) > 1:
        pieces = [piece for piece in _INLINE.split(paragraph.text) if piece and piece.strip(" ;,.")]
    found: list[_Line] = []
    for piece in pieces:
        match = _NUMBER.match(piece.strip())
        if match is None or len(piece) > _LONGEST_POINT:
            found.append(_Line("", piece.strip(), paragraph))
        else:
            number = match["number"] or match["ordinal"]
            found.append(_Line(number.rstrip("."), match["title"].strip(), paragraph))
    return found


def _numbered(lines: Sequence[_Line]) -> list[AgendaItem]:
    """Return the points of the first numbering: its sub-points and texts are their details."""
    points: list[AgendaItem] = []
    style = ""
    for line in lines:
        title = _title(line.text)
        kind = _style(line.number)
        if line.number and title and (not points or (kind == style and _follows(points, line))):
            if not points and not _begins(line.number):
                continue
            style = kind
            points.append(_item(line.number, title, line))
        elif points:
            if line.paragraph.role == "heading" and not line.number:
                break  # another part of the document
            points[-1] = _with_detail(points[-1], line.text)
    return points if len(points) > 1 or (points and points[0].number) else []


def _listed(lines: Sequence[_Line], role: str) -> list[AgendaItem]:
    points: list[AgendaItem] = []
    for line in lines:
        title = _title(line.text)
        if line.paragraph.role == role and title:
            points.append(_item(str(len(points) + 1), title, line))
        elif points:
            if role == "item" and line.paragraph.role == "heading":
                break
            points[-1] = _with_detail(points[-1], line.text)
    return points if len(points) > 1 else []


def _item(number: str, title: str, line: _Line) -> AgendaItem:
    return AgendaItem(number, title, line.paragraph.page, line.paragraph.number)


def _with_detail(point: AgendaItem, text: str) -> AgendaItem:
    return replace(point, detail=f"{point.detail} {text}".strip()[:_DETAIL_CHARS])


def _title(text: str) -> str:
    """The point without the time it has, and without what is said about it."""
    title = re.split(r"(?<=[^\W\d_]{3}[.;])\s", text.strip(), maxsplit=1)[0]
    before = ""
    while title != before:
        before = title
        title = _TIME.sub("", title).strip(" .;:,–—-\u00a0\u202f")
    if len(title) > _TITLE_CHARS:
        title = title[:_TITLE_CHARS].rpartition(" ")[0] + "…"
    return title if any(char.isalpha() for char in title) else ""


def _style(number: str) -> str:
    if number.isdecimal():
        return "number"
    if re.fullmatch(r"[IVX]+", number):
        return "roman"
    return "letter" if number.isalpha() and len(number) == 1 else "other"


def _begins(number: str) -> bool:
    return number in ("1", "0", "I", "a", "A") or number.startswith(("1er", "1st", "1re"))


def _follows(points: Sequence[AgendaItem], line: _Line) -> bool:
    """Whether a number comes after that of the last point: a list in a point begins anew."""
    last, own = points[-1].number, line.number
    if own.isdecimal() and last.isdecimal():
        return int(last) < int(own) <= int(last) + 3
    return own != points[0].number


_HEADING = re.compile(
    r"\W*(?:projet d[e'’] ?|draft |proposed |l['’])?"
    r"(?:ordre du jour|agenda|points? a l['’]ordre du jour|order of business|programme de la "
    r"(?:reunion|seance)|deroule de la (?:reunion|seance))\b(?![^:]{60})"
)
_NUMBER = re.compile(
    r"(?:(?:point|item|sujet|question|dossier)\s+)?(?:n[°ºo]\s*)?"
    r"(?:(?P<number>\d{1,2}(?:\.\d{1,2}){0,2}\.?|[IVX]{1,5}|[a-hA-H])\s*[.):°–—-]\s*"
    r"|(?P<ordinal>\d{1,2})\s*(?:er|re|e|ème|eme|st|nd|rd|th)?\s+(?:point|item)\s*[:.–—-]?\s*)"
    r"(?=[^\d\s])(?P<title>.+)",
    re.IGNORECASE,
)
_INLINE = re.compile(r"(?:^|(?<=[;.,])\s+)(?=\d{1,2}\s*[.)]\s+[^\W\d_])")
_TIME = re.compile(
    r"\(?\s*(?:\b(?:à|at|de|from)\s+)?\b(?:\d{1,3}\s*(?:min(?:utes?)?|mn|h)\b\.?"
    r"|\d{1,2}\s*[h:]\s*\d{2}(?:\s*(?:[-–—]|à|to)\s*\d{1,2}\s*[h:]\s*\d{2})?)\s*\)?\s*$"
    r"|^\d{1,2}\s*[h:]\s*\d{2}(?:\s*(?:[-–—]|à|to)\s*\d{1,2}\s*[h:]\s*\d{2})?\s*[:–—-]?\s*",
    re.IGNORECASE,
)
