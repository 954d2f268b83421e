"""The events of a session: frozen, past tense, versioned by their fields' defaults.

A session *is* its log. Durable events get the next `seq`, are hashed into the chain and stored
before anyone sees them; volatile ones (`durable = False`) are what a live viewer sees of text that
may still change: they borrow the last durable `seq` and are never stored.

`channel` counts from 1 where every channel is a speaker of its own; 0 is all channels, mixed down.

They are written by what they tell, in `session_events`, `speech_events`, `text_events`,
`document_events` and `evidence_events`; everybody takes them from here.
"""

from dataclasses import dataclass

from greffier_server.core.document_events import (
    DocumentAttached,
    DocumentDetached,
    MinutesTranslated,
)
from greffier_server.core.evidence_events import (
    AudioAnchored,
    DecisionsTimed,
    RecognitionBegun,
)
from greffier_server.core.later import LATER
from greffier_server.core.session_events import (
    ClientAttached,
    ClientDetached,
    GapFound,
    InputEnded,
    QualityChanged,
    SessionFinished,
    SessionStarted,
    StageFailed,
    WatchHandedOver,
)
from greffier_server.core.speech_events import (
    LanguageDetected,
    RecognitionFinished,
    SegmentClosed,
    SegmentOpened,
    SilencePassed,
    SpeakerRevised,
    SpeakersSettled,
    TailRevised,
    TextWithheld,
    WordsCommitted,
)
from greffier_server.core.text_events import (
    ChapterSummarised,
    Corrected,
    MinutesWritten,
    NotesTaken,
    PassageRevised,
    SecondPassFinished,
    SecondPassStarted,
    SegmentTranslated,
    TranslationRevised,
)

__all__ = [
    "LATER",
    "AudioAnchored",
    "ChapterSummarised",
    "ClientAttached",
    "ClientDetached",
    "Corrected",
    "DecisionsTimed",
    "DocumentAttached",
    "DocumentDetached",
    "Event",
    "GapFound",
    "InputEnded",
    "LanguageDetected",
    "MinutesTranslated",
    "MinutesWritten",
    "NotesTaken",
    "PassageRevised",
    "QualityChanged",
    "RecognitionBegun",
    "RecognitionFinished",
    "Recorded",
    "SecondPassFinished",
    "SecondPassStarted",
    "SegmentClosed",
    "SegmentOpened",
    "SegmentTranslated",
    "SessionFinished",
    "SessionStarted",
    "SilencePassed",
    "SpeakerRevised",
    "SpeakersSettled",
    "StageFailed",
    "TailRevised",
    "TextWithheld",
    "TranslationRevised",
    "WatchHandedOver",
    "WordsCommitted",
]

Event = (
    SessionStarted
    | ClientAttached
    | ClientDetached
    | LanguageDetected
    | SegmentOpened
    | WordsCommitted
    | TailRevised
    | SegmentClosed
    | TextWithheld
    | GapFound
    | SilencePassed
    | QualityChanged
    | InputEnded
    | RecognitionFinished
    | SpeakerRevised
    | SpeakersSettled
    | SegmentTranslated
    | TranslationRevised
    | NotesTaken
    | MinutesWritten
    | StageFailed
    | SessionFinished
    | SecondPassStarted
    | PassageRevised
    | SecondPassFinished
    | RecognitionBegun
    | DecisionsTimed
    | AudioAnchored
    | Corrected
    | WatchHandedOver
    | ChapterSummarised
    | DocumentAttached
    | DocumentDetached
    | MinutesTranslated
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event in its place in the log."""

    tenant: str
    session: str
    seq: int
    """1 for the first durable event, without holes; a volatile event has that of the one before."""
    at_ms: int
    """Wall clock, milliseconds since the epoch (UTC)."""
    audio_from_ms: int
    audio_to_ms: int
    """The audio this event rests on, on the session's clock."""
    prev_hash: str
    """SHA-256 (hexadecimal) of the record before; 64 zeros for the first."""
    engine: str
    """`str(EngineIdentity)` of what produced it, empty where no model did."""
    event: Event
