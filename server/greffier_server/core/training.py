"""What recognition can learn from editors: pairs of heard and meant, and terms for the glossary."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from greffier_server.core.corrections import edited, placed, shown
from greffier_server.core.events import Corrected
from greffier_server.core.state import SessionState

__all__ = ["Pair", "Proposal", "pairs", "proposals"]

_LONGEST_TERM = 5
"""Words."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A segment as it was recognised and as an editor left it."""

    segment: int
    start_ms: int
    end_ms: int
    language: str
    recognised: str
    corrected: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """A term that editors put where something else was heard."""

    term: str
    heard: str
    language: str
    count: int
    sessions: tuple[str, ...]


def pairs(state: SessionState) -> list[Pair]:
    """Return one pair for each segment whose words were corrected, in order of time."""
    before, after, sums = placed(state), shown(state), edited(state)
    return [
        Pair(
            segment.id,
            segment.start_ms,
            segment.end_ms,
            segment.language,
            segment.text,
            after.segments[segment.id].text,
        )
        for segment in before.in_order()
        if segment.id in sums.patches and after.segments[segment.id].text != segment.text
    ]


def proposals(sessions: Iterable[tuple[str, SessionState]]) -> list[Proposal]:
    """Return the terms that corrections put in, the most frequent first.

    Names and terms: at most five words, with a capital, a digit, or put in more than once. What was
    mended in case, accents or full stops alone is no term that was misheard.
    """
    seen: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for session, state in sessions:
        if not state.corrections:
            continue
        segments = placed(state).segments
        for event in state.corrections:
            segment = segments.get(event.target.segment)
            found = _term(event, segment.language if segment is not None else "")
            if found is not None:
                seen[found].append(session)
    listed = [
        Proposal(term, heard, language, len(where), tuple(dict.fromkeys(where)))
        for (term, heard, language), where in seen.items()
        if len(where) > 1 or any(char.isupper() or char.isdigit() for char in term)
    ]
    return sorted(listed, key=lambda one: (-one.count, one.term.casefold(), one.heard))


def _term(event: Corrected, language: str) -> tuple[str, str, str] | None:
    if event.target.kind != "words":
        return None
    term, heard = _bare(event.new), _bare(event.old)
    if not term or not heard or len(term.split()) > _LONGEST_TERM:
        return None
    if _letters(term.split()) == _letters(heard.split()):
        return None
    return term, heard, language


def _bare(text: str) -> str:
    return " ".join(text.split()).strip(' .,;:!?…«»"“”()')


def _letters(words: Sequence[str]) -> str:
    return "".join(char for word in words for char in word.casefold() if char.isalnum())
