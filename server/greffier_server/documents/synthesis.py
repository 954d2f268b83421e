"""The report of several sessions as a document; each sentence names its session and its time."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from greffier.protocol import MinutesItem
from greffier_server.core.state import SessionState
from greffier_server.core.synthesis import Synthesis, place_of
from greffier_server.documents.cleaning import clean_line
from greffier_server.documents.dates import written_date
from greffier_server.documents.kinds import DocumentFormat
from greffier_server.documents.material import Material, clock
from greffier_server.documents.press import Press
from greffier_server.documents.words import Words

__all__ = ["draw_synthesis"]

_TEMPLATE = "synthesis"


def draw_synthesis(
    press: Press, synthesis: Synthesis, form: DocumentFormat, *, tenant: str, marking: str = ""
) -> bytes:
    """Return the report as a file; takes its time: call it in a thread.

    Raises:
        SettingsInvalid: the tenant's template or words cannot be used.
    """
    words = press.words(tenant, synthesis.language)
    values = _values(synthesis, words, press.zone)
    title = clean_line(synthesis.title) or words.synthesis
    document = press.lay_out(_TEMPLATE, values, words, tenant=tenant, title=title, marking=marking)
    return press.draw(document, form)


def _values(synthesis: Synthesis, words: Words, zone: ZoneInfo | None) -> dict[str, Any]:
    def told(items: Sequence[MinutesItem]) -> list[dict[str, Any]]:
        return [_item(item, synthesis, words) for item in items]

    return {
        "w": words,
        "language": synthesis.language,
        "title": clean_line(synthesis.title),
        "sessions": [
            {
                "number": number,
                "title": clean_line(part.title),
                "date": written_date(
                    Material(SessionState(), "", part.began_at_ms, zone).at(0), synthesis.language
                ),
            }
            for number, part in enumerate(synthesis.parts, start=1)
        ],
        "summary": told(synthesis.summary),
        "decisions": told([change.item for change in synthesis.decisions]),
        "changed": [
            {
                "now": _item(change.item, synthesis, words),
                "before": told(change.before),
            }
            for change in synthesis.decisions
            if change.before
        ],
        "actions": told(synthesis.actions),
        "questions": told(synthesis.questions),
        "course": [
            {"number": number, "title": clean_line(chapter.title), "items": told(chapter.summary)}
            for number, chapter in enumerate(synthesis.course, start=1)
        ],
        "failures": [clean_line(code) for code in synthesis.failures],
    }


def _item(item: MinutesItem, synthesis: Synthesis, words: Words) -> dict[str, Any]:
    cites = [cite for cite in item.cites if cite in synthesis.segments]
    text: Markup = escape(clean_line(item.text))
    verified = item.verified and bool(cites)
    if not verified:
        text += Markup(" <mark>[{}]</mark>").format(words.unverified)
    due = clean_line(item.due or "")
    return {
        "text": text,
        "who": clean_line(item.who or ""),
        "due": due,
        "told_due": bool(due) and due.casefold() in item.text.casefold(),
        "status": {"open": words.open, "done": words.done}.get(item.status or "", ""),
        "verified": verified,
        "places": [
            f"{place_of(cite)[0] + 1} · {clock(synthesis.segments[cite].start_ms)}"
            for cite in cites
        ],
    }
