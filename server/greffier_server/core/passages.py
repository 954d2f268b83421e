"""What of a session can be searched: its title, its segments in every language, its minutes."""

from dataclasses import dataclass
from typing import Literal

from greffier_server.core.corrections import SECTIONS
from greffier_server.core.state import SessionState

__all__ = ["Passage", "PassageKind", "passages_of"]

PassageKind = Literal["title", "speech", "translation", "minutes"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of text and where it stands."""

    kind: PassageKind
    segment: int
    """Of the session; of minutes, the number of the sentence."""
    language: str
    text: str
    start_ms: int = 0
    end_ms: int = 0


def passages_of(state: SessionState) -> list[Passage]:
    """Return every passage of a session as readers see it (see `core.corrections.shown`)."""
    found: list[Passage] = []
    if state.started is not None and state.started.title.strip():
        found.append(Passage("title", 0, "", state.started.title))
    for segment in state.in_order():
        if segment.text:
            place = (segment.start_ms, segment.end_ms)
            found.append(Passage("speech", segment.id, segment.language, segment.text, *place))
        for language, translated in segment.translations.items():
            text = translated.text.strip()
            if text:
                place = (segment.start_ms, segment.end_ms)
                found.append(Passage("translation", segment.id, language, text, *place))
    return [*found, *_minutes(state)]


def _minutes(state: SessionState) -> list[Passage]:
    if state.minutes is None:
        return []
    found: list[Passage] = []
    for section in SECTIONS:
        for item in getattr(state.minutes, section):
            cited = [state.segments[key] for key in item.cites if key in state.segments]
            start_ms = min((segment.start_ms for segment in cited), default=0)
            end_ms = max((segment.end_ms for segment in cited), default=0)
            place = Passage(
                "minutes", len(found) + 1, state.minutes.language, item.text, start_ms, end_ms
            )
            found.append(place)
    return found
