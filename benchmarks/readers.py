"""What a reader of minutes sees as true, and whether it may stand so (pure).

Looked at from outside: the documents of every kind are drawn as text, and each sentence of the
minutes that no citation bears out must carry the mark *not verified* wherever it stands. The rules
that gave the ticks are not asked about ticks alone: a ticked sentence must cite speech, and be word
for word in it or pass the checks anew.
"""

import re
from collections.abc import Sequence

from greffier.protocol import Minutes, MinutesItem
from greffier_server.core.claims import evidence_of, judge
from greffier_server.core.second_reading import is_quotation
from greffier_server.core.state import SessionState
from greffier_server.documents.kinds import DocumentFormat, Kind
from greffier_server.documents.press import Order, Press
from greffier_server.documents.settings import DocumentSettings
from greffier_server.documents.words import words_of

__all__ = ["claiming_items", "unmarked"]


def claiming_items(minutes: Minutes) -> list[MinutesItem]:
    """Return every sentence that says something of the talk (the annex tells of the record)."""
    sections: Sequence[Sequence[MinutesItem]] = (
        minutes.summary,
        minutes.topics,
        minutes.decisions,
        minutes.actions,
        minutes.questions,
        minutes.figures,
        *(chapter.summary for chapter in minutes.chapters),
    )
    return [item for section in sections for item in section]


def unmarked(state: SessionState, settings: DocumentSettings | None = None) -> list[str]:
    """Return the sentences without a verified citation that a reader gets unmarked, each once.

    Args:
        state: a session with its minutes.
        settings: with templates of one's own, if any.
    """
    minutes = state.minutes
    if minutes is None:
        return []
    items = claiming_items(minutes)
    ticked = {_normal(item.text) for item in items if item.verified}
    said = _normal(" ".join(segment.text for segment in state.segments.values()))
    doubtful = {
        told: item.text
        for item in (*items, *minutes.annex)
        if not item.verified
        and (told := _normal(item.text))
        and told not in ticked
        and not _whole(told, said)  # a log shows what was said as it was said
    }
    found = {item.text for item in items if item.verified and not _borne_out(item, state, minutes)}
    mark = _normal(words_of(minutes.language).unverified)
    press = Press(settings or DocumentSettings(timezone="UTC"))
    for kind in Kind:
        for line in _lines(press, state, kind, minutes.language):
            for told, text in doubtful.items():
                if _whole(told, line.replace(f"{told} {mark}", "")):
                    found.add(text)
    return sorted(found)


def _borne_out(item: MinutesItem, state: SessionState, minutes: Minutes) -> bool:
    cites = [cite for cite in item.cites if cite in state.segments]
    if not cites:
        return False
    if is_quotation(item, state.segments, minutes.language):
        return True
    verdict = judge(
        item.text,
        language=minutes.language,
        cites=cites,
        evidence={key: evidence_of(state.segments[key], minutes.language) for key in cites},
        people=_people(state),
    )
    return verdict.outcome == "verified"


def _people(state: SessionState) -> frozenset[str]:
    names = [segment.speaker or "" for segment in state.segments.values()]
    return frozenset(word.lower() for name in names for word in re.findall(r"[^\W\d_]+", name))


def _lines(press: Press, state: SessionState, kind: Kind, language: str) -> list[str]:
    """The document's lines; a transcript holds speech, not sentences about it."""
    if kind is Kind.TRANSCRIPT:
        return []
    order = Order(kind, DocumentFormat.TXT, language)
    drawn = press.make(order, state, tenant="benchmark", title="", began_at_ms=0)
    return [_normal(line) for line in drawn.decode().splitlines()]


def _whole(told: str, line: str) -> bool:
    return bool(told) and f" {told} " in f" {line} "


def _normal(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip().casefold()
