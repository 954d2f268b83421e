"""The messages of the native wire protocol, subprotocol ``greffier.v1`` (standard library only).

Binary frames carry audio, text frames carry one JSON object with a ``type``. These dataclasses are
the one definition: the codec (`greffier.codec`), the JSON Schema, the AsyncAPI document and the
client's typed events are all derived from them. Times are integer milliseconds on the session's
sample clock; ``Word.text`` keeps the leading space the recogniser gave it, so that text is always
``"".join(word.text for word in words)``.
"""

from dataclasses import dataclass, field
from typing import Literal

SUBPROTOCOL = "greffier.v1"

Encoding = Literal[
    "pcm_s16le",
    "pcm_f32le",
    "mulaw",
    "alaw",
    "pcm_s16be",
    "pcm_s24le",
    "pcm_s24be",
    "pcm_s32le",
    "pcm_s32be",
    "pcm_f32be",
    "encoded",
]
QualityLevel = Literal["full", "longer-hops", "finals-only"]
MinutesKind = Literal["compte-rendu", "summary"]
ActionStatus = Literal["open", "done"]
ChannelUse = Literal["mix", "separate"]
MissingCause = Literal["source_lost", "packet_loss", "stream_restarted", "undecodable_audio"]
AudioProfile = Literal["wide", "telephone", "radio"]
CorrectionKind = Literal["words", "speaker", "translation", "minutes", "verdict", "action", "alert"]


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How the binary frames are encoded; samples of several channels are interleaved."""

    encoding: Encoding = "pcm_s16le"
    """``encoded``: the frames are the bytes of a container, cut anywhere (Ogg, WebM, fragmented
    MP4, FLAC, MP3, AAC in ADTS, WAV). `rate` and `channels` are then those it is decoded to, in
    which `ack.samples` and `started.samples` count; after a resume a new container begins, at
    `started.samples`."""
    rate: int = 16_000
    """Samples per second and channel, 8,000 to 192,000."""
    channels: int = 1
    """1 to 8; mixed down to one, or recognised each by itself (`start.channels`)."""

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel.

        Raises:
            ValueError: a container has no frames of one size.
        """
        if self.encoding == "encoded":
            raise ValueError("encoded audio has no frames of one size")
        width = {"mulaw": 1, "alaw": 1}.get(self.encoding) or int(self.encoding[5:7]) // 8
        return width * self.channels


@dataclass(frozen=True, slots=True)
class Resume:
    """Where a client that lost its socket goes on."""

    session: str
    token: str
    from_sample: int = 0
    """First sample (of each channel, at the session's rate) that the client will send again."""
    after_seq: int = 0
    """Last event the client has seen; every later one is sent again."""
    takeover: bool = True
    """Take the session from a client that still holds it, which is told ``session_taken_over``;
    otherwise this one is refused with ``session_busy`` for as long as the other is connected."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """The recording whose first part is another session, which no longer takes audio."""

    session: str
    """The session before; the server does not check that it still exists."""
    from_ms: int = 0
    """Where this session begins on the clock of the whole recording."""


@dataclass(frozen=True, slots=True)
class GlossaryTerm:
    """A term of the session's vocabulary."""

    term: str
    translations: dict[str, str] = field(default_factory=dict[str, str])
    """Language code to the only accepted translation; equal to the term = do not translate."""
    variants: tuple[str, ...] = ()
    """Other spellings and short forms that mean the same; translated alike."""
    do_not_translate: bool = False
    """Written as it is in every language that `translations` does not name."""
    pronunciation: tuple[str, ...] = ()
    """How the term is said, spelt as a speaker would guess it (*Fisikella*)."""
    language: str = ""
    """Language of the term; when given, its translations lead back to it, too."""


# --- client to server -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """First message of a speaking client: opens a session, or goes on with one (`resume`)."""

    format: AudioFormat = AudioFormat()
    language: str = "auto"
    """ISO 639-1 code of the speech, or ``auto`` to detect and follow it."""
    translate_to: tuple[str, ...] = ()
    glossary: tuple[GlossaryTerm, ...] = ()
    title: str = ""
    minutes: bool = True
    """Write minutes at the end (when the server has a language model)."""
    minutes_language: str | None = None
    """Language of the minutes; the session's main language when absent."""
    resume: Resume | None = None
    channels: ChannelUse = "mix"
    """``separate``: each channel is a speaker, recognised by itself; ``mix``: all are one sound."""
    speakers: tuple[str, ...] = ()
    """Names of the speakers in order of the separate channels; one without a name has its number,
    from 1."""
    profile: AudioProfile | None = None
    """Kind of audio the detector of speech expects; the server's own setting when absent."""
    spooled: bool = False
    """The audio is kept on the client's disk until it is acknowledged: once some of it has come,
    the session waits for the rest for `limits.spool_grace_s` instead of `limits.grace_s`."""
    continues: Continuation | None = None
    """The rest of a recording whose session ended before all of it had come."""
    recorded: bool = False
    """The audio is a whole recording that nobody watches word by word: it is decoded in whole
    windows, more exactly and for less work, and its captions come window by window."""


@dataclass(frozen=True, slots=True)
class Watch:
    """First message of a reading client: history after `after_seq`, then live."""

    session: str
    after_seq: int = 0
    languages: tuple[str, ...] | None = None
    """Only translations into these languages; every one when absent."""


@dataclass(frozen=True, slots=True)
class Finish:
    """No more audio. The server decodes what it holds, sends the rest, ``finished``, and closes."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Samples that were sent as silence because the client never got them: they become a gap."""

    from_sample: int
    """Of each channel, at the session's rate, from the session's beginning."""
    to_sample: int
    """One past the last; sent before this message."""
    cause: MissingCause = "source_lost"
    channel: int = 0
    """Only this one of the separate channels, from 1; 0: all."""


# --- server to client -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """The session is open. Keep `session` and `token`: with them the client can resume."""

    session: str
    token: str
    seq: int
    samples: int = 0
    """Samples already durable (not 0 after a resume): send from here."""


@dataclass(frozen=True, slots=True)
class Ack:
    """Samples of each channel that are on the server's disk and will survive a crash."""

    samples: int


@dataclass(frozen=True, slots=True)
class CaptionWord:
    """A word with its place in the recording."""

    text: str
    start_ms: int
    end_ms: int
    probability: float


@dataclass(frozen=True, slots=True)
class Caption:
    """Text of a segment: `committed` is added for good, `tail` replaces the tail shown before."""

    seq: int
    segment: int
    start_ms: int
    end_ms: int
    committed: str
    tail: str
    words: tuple[CaptionWord, ...] = ()
    """The words of `committed`."""
    language: str = ""
    speaker: str | None = None
    lag_ms: int = 0
    """From the end of the newest audio received to the end of the last committed word."""
    closed: bool = False
    """The segment is complete: nothing will be added to it."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks a segment, as far as voices can be told apart by now; replaces what was said."""

    seq: int
    segment: int
    speaker: str | None


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something of a translation that does not agree with what was said."""

    kind: str
    """``number``, ``month``, ``weekday``, ``unit``, ``negation``, ``name``, ``call sign``,
    ``grid reference``, ``date-time group``, or ``term`` (of the glossary)."""
    source: str = ""
    """Its wording as it was said; empty where the translation made it up."""
    target: str = ""
    """Its wording in the translation, or what stands in its place; of a term, what should."""


@dataclass(frozen=True, slots=True)
class Translation:
    """A translated segment: `committed` is added for good, `tail` replaces the last tail."""

    seq: int
    segment: int
    language: str
    committed: str
    tail: str = ""
    closed: bool = False
    doubts: tuple[Doubt, ...] = ()
    """What may be wrong with the whole segment's translation; show the source beside it."""
    failure: str = ""
    """Why a closed segment has no translation (an error's code); empty where it has one."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Audio that never arrived, or could not be decoded."""

    seq: int
    from_ms: int
    to_ms: int
    cause: str
    speaker: str | None = None
    """Only this speaker's channel is concerned."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """Something was heard that the recogniser does not trust enough to print."""

    seq: int
    start_ms: int
    end_ms: int
    reason: str
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Quality:
    """The level of service changed (the ladder)."""

    seq: int
    level: QualityLevel


@dataclass(frozen=True, slots=True)
class MinutesItem:
    """One sentence of minutes and the segments it rests on."""

    text: str
    cites: tuple[int, ...] = ()
    verified: bool = False
    who: str | None = None
    due: str | None = None
    status: ActionStatus | None = None
    """Of an action, as far as the speech tells."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A stretch of a long session, summed up."""

    title: str
    from_ms: int
    to_ms: int
    summary: tuple[MinutesItem, ...] = ()


@dataclass(frozen=True, slots=True)
class AgendaPoint:
    """A point of an attached agenda, and where it was talked of."""

    number: str
    """As the document numbers it."""
    title: str
    document: int
    """Number of the attached document."""
    name: str
    """Of its file."""
    page: int
    """From 1; 0 = the document has no pages."""
    paragraph: int
    """From 1, through the whole document."""
    segments: tuple[int, ...] = ()
    """In which it was talked of; none = it was not addressed. What the minutes say of these
    segments belongs to the point."""


@dataclass(frozen=True, slots=True)
class Minutes:
    """The minutes of the session."""

    seq: int
    language: str
    title: str
    summary: tuple[MinutesItem, ...] = ()
    topics: tuple[MinutesItem, ...] = ()
    decisions: tuple[MinutesItem, ...] = ()
    actions: tuple[MinutesItem, ...] = ()
    questions: tuple[MinutesItem, ...] = ()
    figures: tuple[MinutesItem, ...] = ()
    annex: tuple[MinutesItem, ...] = ()
    """What the record does not hold: gaps, withheld passages, text that failed its check."""
    chapters: tuple[Chapter, ...] = ()
    """How a long session went, in order; none in a short one."""
    agenda: tuple[AgendaPoint, ...] = ()
    """The points of an agenda that was attached, in its order."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The last message of a session: everything there is has been sent."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class Error:
    """Something was refused or failed; the session goes on unless the server closes the socket."""

    code: str
    message: str
    retryable: bool = False
    retry_after_ms: int | None = None
    """When to come back, where that can be told, such as by a server that stops. Wait at least so
    long, and a part of it more that chance decides: others were told the same."""


@dataclass(frozen=True, slots=True)
class CorrectionTarget:
    """What an editor set right; which fields count, `kind` says."""

    kind: CorrectionKind
    """``words`` of a segment, name of a ``speaker``, ``translation`` of a segment, sentence of the
    ``minutes`` or what is thought of it (``verdict``), ``action`` taken upon a segment, whether an
    ``alert`` that it raised was seen."""
    segment: int = 0
    """0 with ``speaker``: wherever this speaker speaks."""
    first: int = 0
    """First word, counted from 0 in the words as they were recognised."""
    end: int = 0
    """Behind the last word."""
    reading: int = 0
    """Whose words: 0 = the live text's, n = the n-th second pass's."""
    language: str = ""
    """Of the translation."""
    speaker: str = ""
    """As recognition named the speaker."""
    minutes: int = 0
    """Which minutes of the session, from 1: they may be written anew."""
    section: str = ""
    """Of the minutes, as the fields of ``minutes`` are called."""
    item: int = 0
    """Of the section, from 0."""


@dataclass(frozen=True, slots=True)
class Correction:
    """An editor set something right; what was recognised stays on record."""

    seq: int
    at_ms: int
    """When, in milliseconds since the epoch."""
    who: str
    target: CorrectionTarget
    old: str
    new: str


ClientMessage = Start | Watch | Finish | Missing
ServerMessage = (
    Started
    | Ack
    | Caption
    | Speaker
    | Translation
    | Gap
    | Withheld
    | Quality
    | Minutes
    | Correction
    | Finished
    | Error
)
