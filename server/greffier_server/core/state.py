"""The state of a session as a fold of its log: ``fold(records)``, or `apply` one at a time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from greffier.protocol import Minutes
from greffier_models.types import Word
from greffier_server.core.events import (
    ClientAttached,
    ClientDetached,
    Event,
    GapFound,
    InputEnded,
    LanguageDetected,
    MinutesWritten,
    NotesTaken,
    QualityChanged,
    RecognitionFinished,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    SessionFinished,
    SessionStarted,
    StageFailed,
    TailRevised,
    TextWithheld,
    TranslationRevised,
    WordsCommitted,
)

__all__ = ["Segment", "SessionState", "TranslatedText", "apply", "fold"]


@dataclass(frozen=True, slots=True)
class TranslatedText:
    """A segment in one other language."""

    text: str = ""
    tail: str = ""
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """A sentence or a stretch between pauses."""

    id: int
    start_ms: int
    end_ms: int
    language: str
    speaker: str | None = None
    words: tuple[Word, ...] = ()
    tail: str = ""
    closed: bool = False
    translations: Mapping[str, TranslatedText] = field(default_factory=dict[str, TranslatedText])

    @property
    def text(self) -> str:
        """Committed text, without the leading space of its first word."""
        return "".join(word.text for word in self.words).strip()


@dataclass(frozen=True, slots=True)
class SessionState:
    """Everything the log says, at one `seq`."""

    seq: int = 0
    started: SessionStarted | None = None
    language: str = ""
    """Last detected or given."""
    segments: Mapping[int, Segment] = field(default_factory=dict[int, Segment])
    gaps: tuple[GapFound, ...] = ()
    withheld: tuple[TextWithheld, ...] = ()
    failures: tuple[StageFailed, ...] = ()
    notes: tuple[NotesTaken, ...] = ()
    quality: str = "full"
    minutes: Minutes | None = None
    ended: InputEnded | None = None
    recognised: bool = False
    """`RecognitionFinished` was seen."""
    finished: SessionFinished | None = None

    @property
    def text(self) -> str:
        """All committed text, one segment a line."""
        return "\n".join(segment.text for segment in self.segments.values() if segment.text)


def fold(records: Iterable[Recorded], state: SessionState | None = None) -> SessionState:
    """Apply `records` in order to `state` (the empty one when absent)."""
    result = state or SessionState()
    for record in records:
        result = replace(apply(result, record.event), seq=record.seq)
    return result


def apply(state: SessionState, event: Event) -> SessionState:
    """Return the state after `event`."""
    match event:
        case SessionStarted():
            language = "" if event.language == "auto" else event.language
            return replace(state, started=event, language=language)
        case LanguageDetected():
            return replace(state, language=event.language)
        case (
            SegmentOpened()
            | WordsCommitted()
            | TailRevised()
            | SegmentClosed()
            | SegmentTranslated()
            | TranslationRevised()
        ):
            return _apply_text(state, event)
        case TextWithheld():
            return replace(state, withheld=(*state.withheld, event))
        case GapFound():
            return replace(state, gaps=(*state.gaps, event))
        case QualityChanged():
            return replace(state, quality=event.level)
        case InputEnded():
            return replace(state, ended=event)
        case RecognitionFinished():
            return replace(state, recognised=True)
        case NotesTaken():
            return replace(state, notes=(*state.notes, event))
        case MinutesWritten():
            return replace(state, minutes=event.minutes)
        case StageFailed():
            return replace(state, failures=(*state.failures, event))
        case SessionFinished():
            return replace(state, finished=event)
        case ClientAttached() | ClientDetached():
            return state
        case _:
            assert_never(event)


_TextEvent = (
    SegmentOpened
    | WordsCommitted
    | TailRevised
    | SegmentClosed
    | SegmentTranslated
    | TranslationRevised
)


def _apply_text(state: SessionState, event: _TextEvent) -> SessionState:
    if isinstance(event, SegmentOpened):
        segment = Segment(
            id=event.segment,
            start_ms=event.start_ms,
            end_ms=event.start_ms,
            language=event.language,
            speaker=event.speaker,
        )
    else:
        known = state.segments.get(event.segment)
        if known is None:  # a tail may be seen before the segment's first commit
            return state
        segment = _apply_to_segment(known, event)
    return replace(state, segments={**state.segments, segment.id: segment})


def _apply_to_segment(
    segment: Segment,
    event: WordsCommitted | TailRevised | SegmentClosed | SegmentTranslated | TranslationRevised,
) -> Segment:
    match event:
        case WordsCommitted(words=words, tail=tail):
            end_ms = max(segment.end_ms, words[-1].end_ms if words else 0)
            return replace(segment, words=segment.words + words, tail=tail, end_ms=end_ms)
        case TailRevised(tail=tail):
            return replace(segment, tail=tail)
        case SegmentClosed(end_ms=end_ms):
            return replace(segment, closed=True, tail="", end_ms=max(segment.end_ms, end_ms))
        case SegmentTranslated(language=language, text=text, closed=closed):
            before = segment.translations.get(language, TranslatedText())
            after = TranslatedText(text=before.text + text, tail="", closed=closed)
            return replace(segment, translations={**segment.translations, language: after})
        case TranslationRevised(language=language, tail=tail):
            before = segment.translations.get(language, TranslatedText())
            after = replace(before, tail=tail)
            return replace(segment, translations={**segment.translations, language: after})
        case _:
            assert_never(event)
