"""What part of the talk the sentences of minutes rest on, and which passages none tells of."""

from collections.abc import Iterable
from dataclasses import dataclass

from greffier.protocol import Minutes, MinutesItem
from greffier_server.core.speech_acts import speech_act
from greffier_server.core.state import Segment, SessionState

__all__ = ["Coverage", "Passage", "coverage"]


@dataclass(frozen=True, slots=True)
class Passage:
    """Speech in a row that no sentence cites."""

    from_ms: int
    to_ms: int
    segments: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the speech is cited."""

    spoken_ms: int
    cited_ms: int
    uncited: tuple[Passage, ...]
    """In order of time; greetings and thanks are left out."""

    @property
    def share(self) -> int:
        """Per cent of the time of speech that is cited, rounded down."""
        return 100 * self.cited_ms // self.spoken_ms if self.spoken_ms else 100


def coverage(minutes: Minutes, state: SessionState) -> Coverage:
    """Compare what `minutes` cite with all that was said."""
    cited = {cite for item in _sentences(minutes) for cite in item.cites}
    spoken = [s for s in state.in_order() if s.closed and s.text]
    passages: list[Passage] = []
    open_now: list[Segment] = []
    for segment in spoken:
        if segment.id in cited:
            passages += _closed(open_now)
            open_now = []
        elif not speech_act(segment.text, segment.language).courtesy:
            open_now.append(segment)
    passages += _closed(open_now)
    return Coverage(
        spoken_ms=sum(s.end_ms - s.start_ms for s in spoken),
        cited_ms=sum(s.end_ms - s.start_ms for s in spoken if s.id in cited),
        uncited=tuple(passages),
    )


def _sentences(minutes: Minutes) -> Iterable[MinutesItem]:
    yield from minutes.summary
    yield from minutes.topics
    yield from minutes.decisions
    yield from minutes.actions
    yield from minutes.questions
    yield from minutes.figures
    for chapter in minutes.chapters:
        yield from chapter.summary


def _closed(segments: list[Segment]) -> list[Passage]:
    if not segments:
        return []
    ids = tuple(segment.id for segment in segments)
    return [Passage(segments[0].start_ms, max(s.end_ms for s in segments), ids)]
