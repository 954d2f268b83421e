"""Several sessions in one report: what was decided in the end, and what became of actions (pure).

Nothing new is written here but by the summary: every sentence is one of a session's minutes, with
its citations, and two of them are one where they say the same. A decision about the same matter
with another number, date or sense takes the place of the earlier one, which stays beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from greffier.protocol import Chapter, Minutes, MinutesItem
from greffier_server.core.action_status import with_status
from greffier_server.core.claims import content_stems
from greffier_server.core.invariant_words import MONTHS, WEEKDAYS
from greffier_server.core.invariants import facts
from greffier_server.core.minutes import main_language, spoken_segments
from greffier_server.core.note_checks import check_notes
from greffier_server.core.state import Segment, SessionState
from greffier_server.core.verification import verified_minutes

__all__ = [
    "MAX_SESSIONS",
    "Change",
    "Part",
    "Synthesis",
    "chapters_of",
    "joined",
    "own_minutes",
    "place_of",
    "synthesised",
]

MAX_SESSIONS = 20
_STEP = 1_000_000
"""Segments of the n-th session are numbered from n times so much."""
_SAME_MATTER = 0.6
"""Share of the shorter sentence's words from which two are about one thing."""
_LEAST_SHARED = 2


@dataclass(frozen=True, slots=True)
class Part:
    """A session of the report, as readers see it."""

    session: str
    title: str
    began_at_ms: int
    """Wall clock, milliseconds since the epoch."""
    state: SessionState
    minutes: Minutes
    """In the language of the report."""


@dataclass(frozen=True, slots=True)
class Change:
    """A decision, and those that it took the place of."""

    item: MinutesItem
    before: tuple[MinutesItem, ...] = ()
    """Oldest first."""


@dataclass(frozen=True, slots=True)
class Synthesis:
    """The report; citations count segments through all sessions (see `place_of`)."""

    language: str
    title: str
    parts: tuple[Part, ...]
    segments: Mapping[int, Segment] = field(default_factory=dict[int, Segment])
    summary: tuple[MinutesItem, ...] = ()
    decisions: tuple[Change, ...] = ()
    actions: tuple[MinutesItem, ...] = ()
    questions: tuple[MinutesItem, ...] = ()
    course: tuple[Chapter, ...] = ()
    """One for each session."""
    failures: tuple[str, ...] = ()
    """Codes of what the language model could not do."""


def place_of(cite: int) -> tuple[int, int]:
    """Return which session, from 0, and which of its segments a citation means."""
    return cite // _STEP - 1, cite % _STEP


def own_minutes(state: SessionState) -> Minutes:
    """Return a session's minutes as its text bears them out now; by the rules where it has none."""
    if state.minutes is not None:
        return verified_minutes(state.minutes, state)
    language = main_language(state)
    notes = check_notes((), spoken_segments(state), language)
    return Minutes(
        0,
        language,
        state.started.title if state.started is not None else "",
        topics=notes.topics,
        decisions=notes.decisions,
        actions=with_status(notes.actions, spoken_segments(state), language),
        questions=notes.questions,
    )


def joined(parts: Sequence[Part]) -> SessionState:
    """Return all sessions as one, the second behind the first."""
    segments: dict[int, Segment] = {}
    for place, part in enumerate(parts):
        for segment in spoken_segments(part.state):
            number = _numbered(place, segment.id)
            segments[number] = replace(segment, id=number)
    return SessionState(segments=segments)


def chapters_of(parts: Sequence[Part]) -> list[Chapter]:
    """Return what the summary is made from: of each session its summary, then its decisions."""
    chapters: list[Chapter] = []
    for place, part in enumerate(parts):
        minutes = part.minutes
        chosen = [*(minutes.summary or minutes.topics[:3]), *minutes.decisions]
        distinct: list[MinutesItem] = []
        for item in chosen:
            if all(item.text != known.text for known in distinct):
                distinct.append(item)
        ends = [segment.end_ms for segment in part.state.segments.values()]
        chapters.append(Chapter(part.title, 0, max(ends, default=0), _told(distinct, place)))
    return chapters


def synthesised(
    parts: Sequence[Part],
    state: SessionState,
    *,
    language: str,
    title: str,
    summary: Sequence[MinutesItem] = (),
    failures: Sequence[str] = (),
) -> Synthesis:
    """Put the report together.

    Args:
        parts: the sessions, in order of time.
        state: of all of them (see `joined`).
        language: of their minutes here.
        title: of the report.
        summary: by the model, checked.
        failures: of the model.
    """
    decisions = _decisions(parts, language)
    told = [change.item for change in decisions]
    return Synthesis(
        language,
        title,
        tuple(parts),
        state.segments,
        tuple(summary) or tuple(told[:4]),
        tuple(decisions),
        tuple(_actions(parts, state, language)),
        tuple(_questions(parts, told, language)),
        tuple(
            replace(chapter, summary=_told(part.minutes.summary or part.minutes.topics[:3], place))
            for place, (chapter, part) in enumerate(zip(chapters_of(parts), parts, strict=True))
        ),
        tuple(dict.fromkeys(failures)),
    )


def _decisions(parts: Sequence[Part], language: str) -> list[Change]:
    changes: list[Change] = []
    for place, part in enumerate(parts):
        for item in _told(part.minutes.decisions, place):
            earlier = _earlier(item, [change.item for change in changes], place, language)
            if earlier is None:
                changes.append(Change(item))
                continue
            known = changes.pop(earlier)
            if _says_the_same(known.item, item, language):
                cites = tuple(sorted({*known.item.cites, *item.cites}))
                # The wording of the first stays: its tick is of its own words and citations.
                changes.append(replace(known, item=replace(known.item, cites=cites)))
            else:
                changes.append(Change(item, (*known.before, known.item)))
    return sorted(changes, key=lambda change: change.item.cites)


def _earlier(
    item: MinutesItem, known: Sequence[MinutesItem], place: int, language: str
) -> int | None:
    """Return which of `known`, of sessions before, is about the same."""
    best, most = None, 0.0
    for at, other in enumerate(known):
        if other.cites and place_of(other.cites[-1])[0] >= place:
            continue
        share = _shared(item.text, other.text, language)
        if share >= _SAME_MATTER and share > most:
            best, most = at, share
    return best


def _actions(parts: Sequence[Part], state: SessionState, language: str) -> list[MinutesItem]:
    actions: list[MinutesItem] = []
    for place, part in enumerate(parts):
        for item in _told(part.minutes.actions, place):
            earlier = _earlier(item, actions, place, language)
            if earlier is not None and _one_person(actions[earlier], item):
                known = actions.pop(earlier)
                item = replace(
                    item,
                    who=item.who or known.who,
                    due=item.due or known.due,
                    status="done" if "done" in (known.status, item.status) else item.status,
                    cites=tuple(sorted({*known.cites, *item.cites})),
                    verified=item.verified and known.verified,
                )
            actions.append(item)
    spoken = sorted(state.segments.values(), key=lambda s: (place_of(s.id)[0], s.start_ms, s.id))
    later = with_status(actions, spoken, language)
    return [new if new.status == "done" else item for item, new in zip(actions, later, strict=True)]


def _one_person(one: MinutesItem, other: MinutesItem) -> bool:
    return not one.who or not other.who or one.who.casefold() == other.who.casefold()


def _questions(
    parts: Sequence[Part], decisions: Sequence[MinutesItem], language: str
) -> list[MinutesItem]:
    """Return what is open in the end: no later session decided it."""
    left: list[MinutesItem] = []
    for place, part in enumerate(parts):
        for item in _told(part.minutes.questions, place):
            settled = any(
                decision.cites
                and place_of(decision.cites[-1])[0] > place
                and _shared(item.text, decision.text, language) >= _SAME_MATTER
                for decision in decisions
            )
            known = _earlier(item, left, place, language)
            if not settled and known is None:
                left.append(item)
    return left


def _told(items: Sequence[MinutesItem], place: int) -> tuple[MinutesItem, ...]:
    return tuple(
        replace(item, cites=tuple(_numbered(place, cite) for cite in item.cites)) for item in items
    )


def _numbered(place: int, segment: int) -> int:
    return (place + 1) * _STEP + segment


def _matter(text: str, language: str) -> frozenset[str]:
    """What a sentence is about: its words without dates, which are what changes."""
    return content_stems(text, language) - _DATES


def _shared(one: str, other: str, language: str) -> float:
    first, second = _matter(one, language), _matter(other, language)
    shared = len(first & second)
    smaller = min(len(first), len(second))
    return shared / smaller if shared >= _LEAST_SHARED else 0.0


def _says_the_same(one: MinutesItem, other: MinutesItem, language: str) -> bool:
    first, second = facts(one.text, language), facts(other.text, language)
    return (
        set(first.numbers) == set(second.numbers)
        and first.months == second.months
        and first.weekdays == second.weekdays
        and first.negated == second.negated
        and _shared(one.text, other.text, language) >= 0.75
    )


_DATES = content_stems(
    " ".join(word for table in (*MONTHS.values(), *WEEKDAYS.values()) for word in table),
    "",
)
