"""What was said, as a fold over a session's messages (no I/O).

`Transcript` is fed with messages in order and can be read at any time. `to_object` gives the JSON
object that ``greffier transcribe --format json`` writes; recording and live session have the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NotRequired, TypedDict

from greffier.losses import Loss, joined
from greffier.patches import Patch, patched, pieces
from greffier.plain import to_plain
from greffier.protocol import (
    Caption,
    CaptionWord,
    Correction,
    Error,
    Finished,
    Gap,
    Minutes,
    Quality,
    ServerMessage,
    Speaker,
    Translation,
    Withheld,
)

__all__ = [
    "GapObject",
    "Segment",
    "SegmentObject",
    "TranscribedObject",
    "Transcript",
    "TranslatedText",
    "TranslationObject",
    "WordObject",
]


class WordObject(TypedDict):
    """A word; times in seconds."""

    text: str
    start: float
    end: float
    probability: float


class SegmentObject(TypedDict):
    """A segment; times in seconds."""

    id: int
    start: float
    end: float
    text: str
    speaker: str | None
    language: str
    words: list[WordObject]


class TranslationObject(TypedDict):
    """A segment in another language; `id` is the segment's, times in seconds."""

    id: int
    start: float
    end: float
    text: str


class GapObject(TypedDict):
    """A stretch of which there is no audio; times in seconds."""

    start: float
    end: float
    cause: str
    speaker: str | None
    """Only this speaker's channel is concerned."""
    lost: NotRequired[float]
    """Seconds lost between the two; all of them when absent."""


class TranscribedObject(TypedDict):
    """A whole recording."""

    text: str
    language: str
    duration: float
    segments: list[SegmentObject]
    translations: dict[str, list[TranslationObject]]
    minutes: dict[str, Any] | None
    gaps: NotRequired[list[GapObject]]


@dataclass(frozen=True, slots=True)
class TranslatedText:
    """A segment in one other language."""

    text: str = ""
    tail: str = ""
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """A sentence or a stretch between pauses, as far as it is known."""

    id: int
    start_ms: int
    end_ms: int
    text: str = ""
    """Committed, and corrected; keeps the leading space of its first word."""
    tail: str = ""
    words: tuple[CaptionWord, ...] = ()
    """As they were recognised."""
    language: str = ""
    speaker: str | None = None
    closed: bool = False
    translations: dict[str, TranslatedText] = field(default_factory=dict[str, TranslatedText])


class Transcript:
    """Everything a session has said so far."""

    def __init__(self, messages: Iterable[ServerMessage] = ()) -> None:
        self.segments: dict[int, Segment] = {}
        """By id, in order of appearance."""
        self.gaps: list[Gap] = []
        self.withheld: list[Withheld] = []
        self.errors: list[Error] = []
        self.quality = "full"
        self.minutes: Minutes | None = None
        self.corrections: list[Correction] = []
        """What editors set right, in order; names and texts here have it already."""
        self._patches: dict[int, tuple[Patch, ...]] = {}
        self._voices: dict[int, str | None] = {}
        self._names: dict[str, str] = {}
        self._own_names: dict[int, str] = {}
        self.finished: Finished | None = None
        self.lag_ms = 0
        """Of the newest caption."""
        for message in messages:
            self.add(message)

    @property
    def language(self) -> str:
        """The language most of the text is in."""
        letters: dict[str, int] = {}
        for segment in self.segments.values():
            letters[segment.language] = letters.get(segment.language, 0) + len(segment.text)
        return max(letters, key=lambda code: letters[code], default="")

    @property
    def languages(self) -> list[str]:
        """Languages there are translations into, sorted."""
        return sorted({code for s in self.segments.values() for code in s.translations})

    @property
    def end_ms(self) -> int:
        """End of the last segment."""
        return max((segment.end_ms for segment in self.segments.values()), default=0)

    def add(self, message: ServerMessage) -> None:
        """Take the next message."""
        match message:
            case Caption():
                self._caption(message)
            case Speaker():
                self._speaker(message)
            case Translation():
                self._translation(message)
            case Gap():
                self.gaps.append(message)
            case Withheld():
                self.withheld.append(message)
            case Error():
                self.errors.append(message)
            case Quality(level=level):
                self.quality = level
            case Minutes():
                self.minutes = message
            case Correction():
                self.corrections.append(message)
                self._correction(message)
            case Finished():
                self.finished = message
            case _:
                pass

    def to_object(self, *, duration_ms: int | None = None) -> TranscribedObject:
        """Return the JSON object; `duration_ms` is the recording's, else the last segment's end."""
        spoken = [segment for segment in self.segments.values() if segment.text.strip()]
        spoken.sort(key=lambda segment: (segment.start_ms, segment.id))  # channels may overlap
        minutes = None
        if self.minutes is not None:
            minutes = to_plain(self.minutes)
            del minutes["seq"]
        return {
            "text": " ".join(segment.text.strip() for segment in spoken),
            "language": self.language,
            "duration": _seconds(self.end_ms if duration_ms is None else duration_ms),
            "segments": [_segment_object(segment) for segment in spoken],
            "translations": {
                language: [
                    {
                        "id": segment.id,
                        "start": _seconds(segment.start_ms),
                        "end": _seconds(segment.end_ms),
                        "text": segment.translations[language].text.strip(),
                    }
                    for segment in spoken
                    if segment.translations.get(language, TranslatedText()).text.strip()
                ]
                for language in self.languages
            },
            "minutes": minutes,
            "gaps": [
                _gap_object(loss)
                for loss in joined(
                    (gap.from_ms, gap.to_ms, gap.cause, gap.speaker) for gap in self.gaps
                )
            ],
        }

    def _caption(self, caption: Caption) -> None:
        self.lag_ms = caption.lag_ms
        known = self.segments.get(caption.segment)
        if known is None:
            known = Segment(caption.segment, start_ms=caption.start_ms, end_ms=caption.end_ms)
        words = known.words + caption.words
        text = known.text + caption.committed
        if patches := self._patches.get(caption.segment):
            text = "".join(piece.text for piece in pieces(words, patches))
        voice = caption.speaker or self._voices.get(caption.segment)
        self.segments[caption.segment] = replace(
            known,
            start_ms=min(known.start_ms, caption.start_ms),
            end_ms=max(known.end_ms, caption.end_ms),
            text=text,
            tail="" if caption.closed else caption.tail,
            words=words,
            language=caption.language or known.language,
            speaker=self._named(caption.segment, voice),
            closed=known.closed or caption.closed,
        )

    def _speaker(self, message: Speaker) -> None:
        known = self.segments.get(message.segment)
        if known is not None:
            name = self._named(message.segment, message.speaker)
            self.segments[message.segment] = replace(known, speaker=name)

    def _named(self, segment: int, voice: str | None) -> str | None:
        """Return the name that a segment's speaker was given last."""
        self._voices[segment] = voice
        own = self._own_names.get(segment)
        return own or self._names.get(voice or "", voice or "") or None

    def _correction(self, message: Correction) -> None:
        target = message.target
        known = self.segments.get(target.segment)
        match target.kind:
            case "words" if known is not None and target.reading == 0:
                patch = Patch(target.first, target.end, message.new)
                patches = patched(self._patches.get(known.id, ()), patch)
                self._patches[known.id] = patches
                text = "".join(piece.text for piece in pieces(known.words, patches))
                self.segments[known.id] = replace(known, text=text)
            case "translation" if known is not None:
                translated = TranslatedText(message.new, closed=True)
                translations = {**known.translations, target.language: translated}
                self.segments[known.id] = replace(known, translations=translations)
            case "speaker":
                if target.segment:
                    self._own_names[target.segment] = message.new
                else:
                    self._names[target.speaker] = message.new
                for segment in list(self.segments.values()):
                    name = self._named(segment.id, self._voices.get(segment.id))
                    self.segments[segment.id] = replace(segment, speaker=name)
            case _:  # of the minutes and of the radio log: `corrections` has them
                pass

    def _translation(self, message: Translation) -> None:
        known = self.segments.get(message.segment)
        if known is None:  # a viewer that joined behind the segment's captions
            return
        before = known.translations.get(message.language, TranslatedText())
        after = TranslatedText(
            text=before.text + message.committed,
            tail="" if message.closed else message.tail,
            closed=before.closed or message.closed,
        )
        translations = {**known.translations, message.language: after}
        self.segments[message.segment] = replace(known, translations=translations)


def _gap_object(loss: Loss[str | None]) -> GapObject:
    written: GapObject = {
        "start": _seconds(loss.from_ms),
        "end": _seconds(loss.to_ms),
        "cause": loss.cause,
        "speaker": loss.whose,
    }
    if not loss.whole:
        written["lost"] = _seconds(loss.lost_ms)
    return written


def _segment_object(segment: Segment) -> SegmentObject:
    return {
        "id": segment.id,
        "start": _seconds(segment.start_ms),
        "end": _seconds(segment.end_ms),
        "text": segment.text.strip(),
        "speaker": segment.speaker,
        "language": segment.language,
        "words": [
            {
                "text": word.text,
                "start": _seconds(word.start_ms),
                "end": _seconds(word.end_ms),
                "probability": word.probability,
            }
            for word in segment.words
        ],
    }


def _seconds(ms: int) -> float:
    return round(ms / 1000, 3)
