"""The events of a session: frozen, past tense, versioned by their fields' defaults.

A session *is* its log. Durable events get the next `seq`, are hashed into the chain and stored
before anyone sees them; volatile ones (`durable = False`) are what a live viewer sees of text that
may still change: they borrow the last durable `seq` and are never stored.

`channel` counts from 1 where every channel is a speaker of its own; 0 is all channels, mixed down.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar

from greffier.protocol import (
    AudioFormat,
    AudioProfile,
    ChannelUse,
    Chapter,
    Continuation,
    CorrectionTarget,
    Doubt,
    GlossaryTerm,
    Minutes,
    QualityLevel,
)
from greffier_models.types import Word

__all__ = [
    "LATER",
    "AudioAnchored",
    "ChapterSummarised",
    "ClientAttached",
    "ClientDetached",
    "Corrected",
    "DecisionsTimed",
    "Event",
    "GapFound",
    "InputEnded",
    "LanguageDetected",
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


LATER: Mapping[str, bool] = MappingProxyType({"later": True})
"""Mark of a field that older logs do not have: while it has its default it is not written, so that
their records, and the hashes over them, stay what they were."""


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """Always the first event; holds what the session was asked to do."""

    durable: ClassVar[bool] = True
    format: AudioFormat
    language: str
    translate_to: tuple[str, ...] = ()
    glossary: tuple[GlossaryTerm, ...] = ()
    title: str = ""
    minutes: bool = True
    minutes_language: str | None = None
    channels: ChannelUse = field(default="mix", metadata=LATER)
    speakers: tuple[str, ...] = field(default=(), metadata=LATER)
    profile: AudioProfile | None = field(default=None, metadata=LATER)
    """Kind of audio; None = the server's setting."""
    spooled: bool = field(default=False, metadata=LATER)
    """The client keeps the audio on its disk: a long grace time."""
    continues: Continuation | None = field(default=None, metadata=LATER)
    """The session whose recording this one goes on with."""
    recorded: bool = field(default=False, metadata=LATER)
    """The audio is a whole recording, decoded in whole windows."""


@dataclass(frozen=True, slots=True)
class ClientAttached:
    """A speaking client took the session (again)."""

    durable: ClassVar[bool] = True
    from_sample: int = 0


@dataclass(frozen=True, slots=True)
class ClientDetached:
    """The speaking client went away without finishing."""

    durable: ClassVar[bool] = True
    cause: str


@dataclass(frozen=True, slots=True)
class LanguageDetected:
    """The language of the speech from `from_ms` on."""

    durable: ClassVar[bool] = True
    language: str
    probability: float
    from_ms: int
    channel: int = field(default=0, metadata=LATER)


@dataclass(frozen=True, slots=True)
class SegmentOpened:
    """Speech began: a sentence, or a stretch between pauses."""

    durable: ClassVar[bool] = True
    segment: int
    start_ms: int
    language: str
    speaker: str | None = None
    channel: int = field(default=0, metadata=LATER)


@dataclass(frozen=True, slots=True)
class WordsCommitted:
    """Words added to a segment for good, and the tail seen behind them at that moment."""

    durable: ClassVar[bool] = True
    segment: int
    words: tuple[Word, ...]
    tail: str = ""
    lag_ms: int = 0
    paced: tuple[tuple[int, ...], ...] = field(default=(), metadata=LATER)
    """As in `DecisionsTimed`, of the segment's channel."""


@dataclass(frozen=True, slots=True)
class TailRevised:
    """Words seen in the segment that may still change; replaces the tail before it."""

    durable: ClassVar[bool] = False
    segment: int
    tail: str
    start_ms: int
    end_ms: int
    language: str = ""
    lag_ms: int = 0
    speaker: str | None = None
    channel: int = 0


@dataclass(frozen=True, slots=True)
class SegmentClosed:
    """Nothing will be added to the segment."""

    durable: ClassVar[bool] = True
    segment: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class TextWithheld:
    """Text that the recogniser gave and the checks did not trust. `text` stays in the record."""

    durable: ClassVar[bool] = True
    start_ms: int
    end_ms: int
    reason: str
    text: str = ""
    channel: int = field(default=0, metadata=LATER)


@dataclass(frozen=True, slots=True)
class GapFound:
    """Audio that never arrived, or could not be decoded."""

    durable: ClassVar[bool] = True
    from_ms: int
    to_ms: int
    cause: str
    channel: int = field(default=0, metadata=LATER)


@dataclass(frozen=True, slots=True)
class SilencePassed:
    """Nobody has spoken on a channel for long: all of it up to `to_ms` is decided.

    After a restart the channel is heard from here on, not from its last word.
    """

    durable: ClassVar[bool] = True
    channel: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class QualityChanged:
    """A step up or down the ladder."""

    durable: ClassVar[bool] = True
    level: QualityLevel


@dataclass(frozen=True, slots=True)
class InputEnded:
    """No more audio will come; `reason` is finish, vanished, timeout, limit or deleted."""

    durable: ClassVar[bool] = True
    reason: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class RecognitionFinished:
    """All audio is decoded and every segment closed; only downstream work is left."""

    durable: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SpeakerRevised:
    """Who speaks the segment, as voices are told apart by now; replaces what was said before."""

    durable: ClassVar[bool] = True
    segment: int
    speaker: str | None


@dataclass(frozen=True, slots=True)
class SpeakersSettled:
    """All speech has been looked at: the speakers of segments will not change any more."""

    durable: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SegmentTranslated:
    """Translated text added to a segment for good; `closed` = the whole segment is translated."""

    durable: ClassVar[bool] = True
    segment: int
    language: str
    text: str
    closed: bool = True
    doubts: tuple[Doubt, ...] = field(default=(), metadata=LATER)
    """Where it may be wrong, of the whole segment; told with its last part."""
    failure: str = field(default="", metadata=LATER)
    """Code of the error that left the segment without a translation."""
    words: int = field(default=0, metadata=LATER)
    """Leading words of the segment that are translated by now; counted in parts of one alone."""


@dataclass(frozen=True, slots=True)
class TranslationRevised:
    """Translated text of a segment that may still change."""

    durable: ClassVar[bool] = False
    segment: int
    language: str
    tail: str


@dataclass(frozen=True, slots=True)
class NotesTaken:
    """Rolling notes over a stretch of closed segments, from which the minutes are made."""

    durable: ClassVar[bool] = True
    index: int
    first_segment: int
    last_segment: int
    notes: str
    """JSON of the minutes' shape, over this stretch only."""
    segments: tuple[int, ...] = field(default=(), metadata=LATER)
    """Exactly those of the stretch: one between the first and the last may still have been open.
    Empty in older logs: all of them."""


@dataclass(frozen=True, slots=True)
class MinutesWritten:
    """The minutes; a later one replaces the earlier. `minutes.seq` is 0: the log's seq counts."""

    durable: ClassVar[bool] = True
    minutes: Minutes


@dataclass(frozen=True, slots=True)
class StageFailed:
    """A stage could not do a piece of its work; the others go on."""

    durable: ClassVar[bool] = True
    stage: str
    code: str
    message: str
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class SessionFinished:
    """The last event of the session itself; only a second pass may follow, and what it redoes."""

    durable: ClassVar[bool] = True
    reason: str


@dataclass(frozen=True, slots=True)
class SecondPassStarted:
    """The whole recording was read again; what follows replaces any earlier pass."""

    durable: ClassVar[bool] = True
    language: str
    """As the session was asked for: a code, or ``auto``."""
    beam_size: int


@dataclass(frozen=True, slots=True)
class PassageRevised:
    """What the second pass reads where a live segment is, when it is not the same text.

    A segment number that the live session never gave: speech where the live text has nothing.
    """

    durable: ClassVar[bool] = True
    segment: int
    start_ms: int
    end_ms: int
    language: str
    words: tuple[Word, ...]
    """None: the second pass hears nothing there; the live text stands, unconfirmed."""


@dataclass(frozen=True, slots=True)
class SecondPassFinished:
    """All of the recording is read; before this event, no revision counts."""

    durable: ClassVar[bool] = True
    words: int
    """In the second reading."""
    changed: int
    """Live segments whose words or language differ."""
    added: int
    """Passages where the live text has nothing."""
    unconfirmed: int
    """Live segments that were not heard again."""


@dataclass(frozen=True, slots=True)
class RecognitionBegun:
    """What recognition rests on besides the audio, at its start and at each restart.

    It is recorded with the first event that rests on it. What comes before it in the log is what
    recognition was begun with.
    """

    durable: ClassVar[bool] = True
    engine: str
    """Implementation and version of the speech model."""
    model: str
    digest: str
    """SHA-256 of the weights, hexadecimal; empty where there are none."""
    compute: str
    """Compute type and device."""
    policy: str
    """Name of the streaming policy, with all its `dials`."""
    dials: dict[str, int | float]
    speech: dict[str, int | float]
    """Thresholds of voice activity."""
    expected_languages: tuple[str, ...]
    from_byte: int
    """The audio is heard from here on; a channel of which more is decided, from later."""
    versions: dict[str, str]
    """Of the packages that take part, and the processor."""


@dataclass(frozen=True, slots=True)
class DecisionsTimed:
    """What the clock decided, and not the audio, since the last such event of the channel.

    A change of pace is recorded with the first event that can rest on it: mostly in `paced` of
    `WordsCommitted`, here where no words are committed.
    """

    durable: ClassVar[bool] = True
    channel: int
    paced: tuple[tuple[int, ...], ...] = ()
    """Audio heard (ms), hop asked for by the load (ms), step of the ladder (0 is the best)."""
    given_up: tuple[tuple[int, ...], ...] = ()
    """Audio heard (ms), which of the requests then (from 0) the engine never answered, and why: 0 =
    it failed to the last attempt, 1 = the request ended its process and was set aside."""


@dataclass(frozen=True, slots=True)
class AudioAnchored:
    """A stretch of the journalled audio joins the hash chain (see `core/chain.py`).

    Anchors follow each other; what lies between two of them could not be read any more when it was
    to be anchored.
    """

    durable: ClassVar[bool] = True
    from_byte: int
    to_byte: int
    digest: str
    """SHA-256 (hexadecimal) over the digest before, the place, and the bytes of the stretch."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """An editor set something right (see `core/corrections.py`); also after the session's end."""

    durable: ClassVar[bool] = True
    who: str
    target: CorrectionTarget
    old: str
    """What stood there; the events before are as they were."""
    new: str


@dataclass(frozen=True, slots=True)
class WatchHandedOver:
    """A radio watch passed from one operator to the next, with a note; also after the end."""

    durable: ClassVar[bool] = True
    who: str
    relieved_by: str
    from_at_ms: int
    """Wall clock, milliseconds since the epoch."""
    to_at_ms: int
    note: str


@dataclass(frozen=True, slots=True)
class ChapterSummarised:
    """Several stretches of notes of a long session were summed up, from which its summary is made.

    The notes before those of the chapter have theirs.
    """

    durable: ClassVar[bool] = True
    index: int
    notes: int
    """How many stretches of notes, counted from the chapter before."""
    chapter: Chapter


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
