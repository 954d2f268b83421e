"""The state of a session as a fold of its log: ``fold(records)``, or `apply` one at a time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from greffier.protocol import Minutes
from greffier_models.types import Word
from greffier_server.core.document_events import TranslatedSentence
from greffier_server.core.events import (
    AudioAnchored,
    ChapterSummarised,
    ClientAttached,
    ClientDetached,
    Corrected,
    DecisionsTimed,
    DocumentAttached,
    DocumentDetached,
    Event,
    GapFound,
    InputEnded,
    LanguageDetected,
    MinutesTranslated,
    MinutesWritten,
    NotesTaken,
    PassageRevised,
    QualityChanged,
    RecognitionBegun,
    RecognitionFinished,
    Recorded,
    SecondPassFinished,
    SecondPassStarted,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    SessionFinished,
    SessionStarted,
    SilencePassed,
    SpeakerRevised,
    SpeakersSettled,
    StageFailed,
    TailRevised,
    TextWithheld,
    TranslationRevised,
    WatchHandedOver,
    WordsCommitted,
)

__all__ = ["SecondReading", "Segment", "SessionState", "TranslatedText", "apply", "fold"]


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
    channel: int = 0
    translations: Mapping[str, TranslatedText] = field(default_factory=dict[str, TranslatedText])
    confirmed: bool = True
    """False in a revised text (`core/revisions.py`) where the second pass hears nothing."""

    @property
    def text(self) -> str:
        """Committed text, without the leading space of its first word."""
        return "".join(word.text for word in self.words).strip()


@dataclass(frozen=True, slots=True)
class SecondReading:
    """The newest second pass; it counts once it is finished (see `core/revisions.py`)."""

    started: SecondPassStarted
    revisions: Mapping[int, PassageRevised] = field(default_factory=dict[int, PassageRevised])
    finished: SecondPassFinished | None = None


@dataclass(frozen=True, slots=True)
class SessionState:
    """Everything the log says, at one `seq`."""

    seq: int = 0
    started: SessionStarted | None = None
    language: str = ""
    """Last detected or given (of separate channels, of whichever was last)."""
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
    silent_to_ms: Mapping[int, int] = field(default_factory=dict[int, int])
    """By channel, up to where `SilencePassed` says that all is decided."""
    finished: SessionFinished | None = None
    second_pass: SecondReading | None = None
    minutes_revised: bool = False
    """The minutes were written from the text of a second pass."""
    minutes_count: int = 0
    """How often minutes were written."""
    passes: int = 0
    """Second passes that were finished."""
    corrections: tuple[Corrected, ...] = ()
    """In order; `core/corrections.py` applies them, nothing here is changed by them."""
    pinned: Mapping[int, PassageRevised] = field(default_factory=dict[int, PassageRevised])
    """By segment, the reading that words were last corrected in, where it is a second one."""
    handovers: tuple[WatchHandedOver, ...] = ()
    documents: tuple[DocumentAttached, ...] = ()
    """Attached, and not taken back."""
    documents_count: int = 0
    """How many were ever attached."""
    minutes_dated: int = 0
    """Corrections of what was said, and documents, since the minutes were written."""
    minutes_in: Mapping[str, Mapping[str, TranslatedSentence]] = field(
        default_factory=dict[str, Mapping[str, TranslatedSentence]]
    )
    """By language, sentences of minutes by their source."""

    @property
    def text(self) -> str:
        """All committed text, one segment a line."""
        return "\n".join(segment.text for segment in self.in_order() if segment.text)

    def in_order(self) -> list[Segment]:
        """Segments by the time they begin; those of separate channels may overlap."""
        return sorted(self.segments.values(), key=lambda segment: (segment.start_ms, segment.id))


def fold(records: Iterable[Recorded], state: SessionState | None = None) -> SessionState:
    """Apply `records` in order to `state` (the empty one when absent), in time linear in both."""
    growing = _Growing(state or SessionState())
    for record in records:
        growing.add(record.event)
        growing.seq = record.seq
    return growing.state()


def apply(state: SessionState, event: Event) -> SessionState:
    """Return the state after `event`."""
    growing = _Growing(state)
    growing.add(event)
    return growing.state()


class _Growing:
    """A state while it is folded: its collections are copied once, not once an event."""

    def __init__(self, state: SessionState) -> None:
        self.seq = state.seq
        self._rest = state
        self._segments = dict(state.segments)
        self._gaps = list(state.gaps)
        self._withheld = list(state.withheld)
        self._failures = list(state.failures)
        self._notes = {_covered(taken): taken for taken in state.notes}
        self._revisions = dict(state.second_pass.revisions if state.second_pass else {})
        self._corrections = list(state.corrections)
        self._pinned = dict(state.pinned)

    def state(self) -> SessionState:
        """The state so far; nothing may be added afterwards."""
        second_pass = self._rest.second_pass
        if second_pass is not None:
            second_pass = replace(second_pass, revisions=self._revisions)
        return replace(
            self._rest,
            seq=self.seq,
            segments=self._segments,
            gaps=tuple(self._gaps),
            withheld=tuple(self._withheld),
            failures=tuple(self._failures),
            notes=tuple(self._notes.values()),
            second_pass=second_pass,
            corrections=tuple(self._corrections),
            pinned=self._pinned,
        )

    def add(self, event: Event) -> None:
        """Take the next event."""
        match event:
            case SegmentOpened():
                self._segments[event.segment] = Segment(
                    id=event.segment,
                    start_ms=event.start_ms,
                    end_ms=event.start_ms,
                    language=event.language,
                    speaker=event.speaker,
                    channel=event.channel,
                )
            case (
                WordsCommitted()
                | TailRevised()
                | SegmentClosed()
                | SpeakerRevised()
                | SegmentTranslated()
                | TranslationRevised()
            ):
                known = self._segments.get(event.segment)
                if known is not None:  # a tail may be seen before the segment's first commit
                    self._segments[event.segment] = _apply_to_segment(known, event)
            case TextWithheld():
                self._withheld.append(event)
            case GapFound():
                self._gaps.append(event)
            case NotesTaken():
                self._notes[_covered(event)] = event
            case StageFailed():
                self._failures.append(event)
            case SecondPassStarted():
                self._revisions = {}
                self._rest = replace(self._rest, second_pass=SecondReading(event))
            case PassageRevised():
                if self._rest.second_pass is not None:
                    self._revisions[event.segment] = event
            case Corrected(target=target):
                self._corrections.append(event)
                if self._rest.minutes is not None and target.kind in ("words", "speaker"):
                    self._rest = replace(self._rest, minutes_dated=self._rest.minutes_dated + 1)
                if target.kind == "words" and target.reading and target.segment in self._revisions:
                    self._pinned[target.segment] = self._revisions[target.segment]
            case _:
                self._rest = _apply_to_rest(self._rest, event)


def _apply_to_rest(
    state: SessionState,
    event: SessionStarted
    | LanguageDetected
    | SilencePassed
    | QualityChanged
    | InputEnded
    | RecognitionFinished
    | SpeakersSettled
    | MinutesWritten
    | SessionFinished
    | SecondPassFinished
    | ClientAttached
    | ClientDetached
    | RecognitionBegun
    | DecisionsTimed
    | AudioAnchored
    | WatchHandedOver
    | ChapterSummarised
    | DocumentAttached
    | DocumentDetached
    | MinutesTranslated,
) -> SessionState:
    match event:
        case SessionStarted():
            language = "" if event.language == "auto" else event.language
            return replace(state, started=event, language=language)
        case LanguageDetected():
            return replace(state, language=event.language)
        case SilencePassed(channel=channel, to_ms=to_ms):
            return replace(state, silent_to_ms={**state.silent_to_ms, channel: to_ms})
        case QualityChanged():
            return replace(state, quality=event.level)
        case InputEnded():
            return replace(state, ended=event)
        case RecognitionFinished():
            return replace(state, recognised=True)
        case MinutesWritten():
            second = state.second_pass
            revised = second is not None and second.finished is not None
            count = state.minutes_count + 1
            return replace(
                state,
                minutes=event.minutes,
                minutes_revised=revised,
                minutes_count=count,
                minutes_dated=0,
            )
        case SessionFinished():
            return replace(state, finished=event)
        case SecondPassFinished():
            if state.second_pass is None:
                return state
            reading = replace(state.second_pass, finished=event)
            return replace(state, second_pass=reading, passes=state.passes + 1)
        case WatchHandedOver():
            return replace(state, handovers=(*state.handovers, event))
        case DocumentAttached():
            kept = (*state.documents, event)
            return _with_documents(state, kept, state.documents_count + 1)
        case DocumentDetached(number=number):
            kept = tuple(one for one in state.documents if one.number != number)
            return _with_documents(state, kept, state.documents_count)
        case MinutesTranslated(language=language, sentences=sentences):
            known = {**state.minutes_in.get(language, {}), **{one.source: one for one in sentences}}
            return replace(state, minutes_in={**state.minutes_in, language: known})
        case (
            ClientAttached()
            | ClientDetached()
            | SpeakersSettled()
            | RecognitionBegun()
            | DecisionsTimed()
            | AudioAnchored()
            | ChapterSummarised()
        ):
            return state
        case _:
            assert_never(event)


def _with_documents(
    state: SessionState, documents: tuple[DocumentAttached, ...], count: int
) -> SessionState:
    dated = state.minutes_dated + (state.minutes is not None)
    return replace(state, documents=documents, documents_count=count, minutes_dated=dated)


def _covered(taken: NotesTaken) -> tuple[int, ...]:
    """What notes are over; later ones over the same replace them."""
    return taken.segments or (-1 - taken.index, taken.first_segment, taken.last_segment)


def _apply_to_segment(
    segment: Segment,
    event: WordsCommitted
    | TailRevised
    | SegmentClosed
    | SpeakerRevised
    | SegmentTranslated
    | TranslationRevised,
) -> Segment:
    match event:
        case WordsCommitted(words=words, tail=tail):
            end_ms = max(segment.end_ms, words[-1].end_ms if words else 0)
            return replace(segment, words=segment.words + words, tail=tail, end_ms=end_ms)
        case TailRevised(tail=tail):
            return replace(segment, tail=tail)
        case SegmentClosed(end_ms=end_ms):
            return replace(segment, closed=True, tail="", end_ms=max(segment.end_ms, end_ms))
        case SpeakerRevised(speaker=speaker):
            return replace(segment, speaker=speaker)
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
