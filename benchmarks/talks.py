"""Long talks as a recogniser would have written them: transcripts of real meetings, or scripts.

A folder of transcripts holds one JSON file a meeting: ``transcript``, a list of ``{start, end,
speaker, text}`` in seconds (the AMI corpus, for one). They are put one behind the other, and from
the start again where they are too short. Without a folder the scripted meetings of this directory
are repeated, each time with other numbers, so that no sentence is said twice alike.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from greffier_models.types import Word
from greffier_server.core.events import Event, SegmentClosed, SegmentOpened, WordsCommitted

__all__ = ["Turn", "load_talk", "scripted_talk", "segment_events"]

_MEETINGS = Path(__file__).with_name("minutes_meetings.json")
_WORD_MS = 380
_PAUSE_MS = 600
_LONGEST_WORDS = 30
"""A recogniser closes a segment at the end of a sentence; longer turns are cut there."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one segment holds."""

    speaker: str
    text: str
    start_ms: int
    end_ms: int


def load_talk(folder: Path) -> Iterator[Turn]:
    """Yield the segments of all transcripts of `folder`, without end.

    Raises:
        ValueError: there is none.
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise ValueError(f"no transcript (*.json) in {folder}")
    offset_ms = 0
    while True:
        for path in files:
            meeting = json.loads(path.read_text(encoding="utf-8"))
            last_ms = 0
            for said in meeting["transcript"]:
                start_ms, end_ms = round(said["start"] * 1000), round(said["end"] * 1000)
                start_ms = max(start_ms, last_ms)  # people talk at once; a channel has one order
                end_ms = max(end_ms, start_ms + 200)
                yield from _cut(
                    said["speaker"], said["text"], offset_ms + start_ms, end_ms - start_ms
                )
                last_ms = end_ms
            offset_ms += last_ms + _PAUSE_MS


def scripted_talk(language: str) -> Iterator[Turn]:
    """Yield the scripted meeting in `language` over and over, the numbers raised each time."""
    meetings = json.loads(_MEETINGS.read_text(encoding="utf-8"))
    turns = [turn for each in meetings if each["language"] == language for turn in each["turns"]]
    clock_ms = round_ = 0
    while True:
        round_ += 1
        for speaker, text in turns:
            said = f"{text[:-1]}, {round_}{text[-1]}" if round_ > 1 else text
            length_ms = _WORD_MS * len(said.split())
            yield Turn(speaker, said, clock_ms, clock_ms + length_ms)
            clock_ms += length_ms + _PAUSE_MS


def segment_events(number: int, turn: Turn, language: str) -> list[Event]:
    """The events of one closed segment, its words spread evenly over its time."""
    parts = turn.text.split()
    step = (turn.end_ms - turn.start_ms) / max(1, len(parts))
    words = tuple(
        Word(
            f" {part}",
            turn.start_ms + round(at * step),
            turn.start_ms + round((at + 1) * step),
            0.9,
        )
        for at, part in enumerate(parts)
    )
    return [
        SegmentOpened(number, turn.start_ms, language, turn.speaker),
        WordsCommitted(number, words),
        SegmentClosed(number, turn.start_ms, turn.end_ms),
    ]


def _cut(speaker: str, text: str, start_ms: int, length_ms: int) -> Iterator[Turn]:
    """Yield a long turn in parts that end with a sentence, each with its share of the time."""
    parts: list[list[str]] = [[]]
    for sentence in re.split(r"(?<=[.?!])\s+", text.strip()):
        words = sentence.split()
        if parts[-1] and len(parts[-1]) + len(words) > _LONGEST_WORDS:
            parts.append([])
        parts[-1] += words
    total = sum(map(len, parts))
    done = 0
    for words in parts:
        if words:
            from_ms = start_ms + length_ms * done // total
            done += len(words)
            yield Turn(speaker, " ".join(words), from_ms, start_ms + length_ms * done // total)
