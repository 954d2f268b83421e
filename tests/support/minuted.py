"""Scripted meetings whose minutes are written, by the rules alone."""

from dataclasses import replace
from functools import cache

from greffier.protocol import Minutes, MinutesItem
from greffier_server.core.events import Event, MinutesWritten
from greffier_server.core.minutes import Summary, write_minutes
from greffier_server.core.note_checks import check_notes
from greffier_server.core.state import SessionState, apply
from greffier_server.documents.kinds import DocumentFormat, Kind
from greffier_server.documents.press import Order, Press
from greffier_server.documents.settings import DocumentSettings
from tests.support.meetings import Said, spoken, started

__all__ = ["BEGAN_MS", "made", "meeting", "minuted", "state_of"]

BEGAN_MS = 1_764_928_800_000
"""5 December 2025, 10:00 UTC."""


def state_of(*events: Event) -> SessionState:
    """Fold events."""
    state = SessionState()
    for event in events:
        state = apply(state, event)
    return state


@cache
def meeting(scene: str = "meeting-fr", language: str = "fr") -> SessionState:
    """A scene with its minutes."""
    state = state_of(started(title="Comité"), *spoken(scene))
    notes = check_notes((), list(state.segments.values()), language)
    return apply(state, MinutesWritten(write_minutes(state, notes, Summary(), language=language)))


def minuted(
    said: list[Said], *, language: str = "fr", title: str = "", **sections: tuple[MinutesItem, ...]
) -> SessionState:
    """A talk with the minutes given."""
    minutes = replace(Minutes(0, language, title), **sections)
    return state_of(started(title=title), *spoken(said), MinutesWritten(minutes))


def made(
    state: SessionState,
    form: DocumentFormat,
    kind: Kind = Kind.COMPTE_RENDU,
    *,
    title: str = "Comité",
    settings: DocumentSettings | None = None,
    marking: str = "",
    language: str | None = None,
    every_minutes: int = 10,
    sources: bool = False,
) -> bytes:
    """A document of `state` for the tenant ``ministry``."""
    order = Order(kind, form, language, marking, every_minutes, sources)
    press = Press(settings or DocumentSettings(timezone="Europe/Paris"))
    return press.make(order, state, tenant="ministry", title=title, began_at_ms=BEGAN_MS)
