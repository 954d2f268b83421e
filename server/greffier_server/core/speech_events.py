"""The events of recognition: segments and their words, languages, speakers, silence."""

from dataclasses import dataclass, field
from typing import ClassVar

from greffier_models.types import Word
from greffier_server.core.later import LATER

__all__ = [
    "LanguageDetected",
    "RecognitionFinished",
    "SegmentClosed",
    "SegmentOpened",
    "SilencePassed",
    "SpeakerRevised",
    "SpeakersSettled",
    "TailRevised",
    "TextWithheld",
    "WordsCommitted",
]


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
class SilencePassed:
    """Nobody has spoken on a channel for long: all of it up to `to_ms` is decided.

    After a restart the channel is heard from here on, not from its last word.
    """

    durable: ClassVar[bool] = True
    channel: int
    to_ms: int


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
