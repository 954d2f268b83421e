"""The events of what is made of the words: translations, notes, minutes, second readings."""

from dataclasses import dataclass, field
from typing import ClassVar

from greffier.protocol import Chapter, CorrectionTarget, Doubt, Minutes
from greffier_models.types import Word
from greffier_server.core.later import LATER

__all__ = [
    "ChapterSummarised",
    "Corrected",
    "MinutesWritten",
    "NotesTaken",
    "PassageRevised",
    "SecondPassFinished",
    "SecondPassStarted",
    "SegmentTranslated",
    "TranslationRevised",
]


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
class ChapterSummarised:
    """Several stretches of notes of a long session were summed up, from which its summary is made.

    The notes before those of the chapter have theirs.
    """

    durable: ClassVar[bool] = True
    index: int
    notes: int
    """How many stretches of notes, counted from the chapter before."""
    chapter: Chapter


@dataclass(frozen=True, slots=True)
class MinutesWritten:
    """The minutes; a later one replaces the earlier. `minutes.seq` is 0: the log's seq counts."""

    durable: ClassVar[bool] = True
    minutes: Minutes


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
class Corrected:
    """An editor set something right (see `core/corrections.py`); also after the session's end."""

    durable: ClassVar[bool] = True
    who: str
    target: CorrectionTarget
    old: str
    """What stood there; the events before are as they were."""
    new: str
