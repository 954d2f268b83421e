"""Scripted meetings as the event logs that a recogniser would have written."""

from collections.abc import Sequence
from typing import Any

from greffier.protocol import AudioFormat
from greffier_models.types import Word
from greffier_server.core.events import (
    Event,
    InputEnded,
    RecognitionFinished,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    SessionStarted,
    WordsCommitted,
)
from greffier_server.core.sentences import split_sentences
from greffier_server.pipeline.clock import ManualClock
from greffier_server.pipeline.log import EventLog
from tests.support.scenes import load_scene

__all__ = ["Said", "new_log", "spoken", "started", "words_of"]

Said = tuple[str | None, str, str]
"""Speaker, language, sentence."""


def words_of(text: str, start_ms: int = 0, end_ms: int | None = None) -> tuple[Word, ...]:
    """Words as a recogniser gives them, spread evenly over their time (0.3 s each by default)."""
    parts = text.split()
    last_ms = start_ms + 300 * len(parts) if end_ms is None else end_ms
    step = (last_ms - start_ms) / max(1, len(parts))
    return tuple(
        Word(" " + part, start_ms + round(i * step), start_ms + round((i + 1) * step), 0.9)
        for i, part in enumerate(parts)
    )


def started(**asked: Any) -> SessionStarted:
    """The first event of a session."""
    return SessionStarted(format=AudioFormat(), language=asked.pop("language", "auto"), **asked)


def spoken(turns: Sequence[Said] | str, *, finished: bool = True) -> list[Event]:
    """The events of recognition: one segment a sentence; `turns` may name a scene."""
    timed: list[tuple[str | None, str, tuple[Word, ...]]] = []
    if isinstance(turns, str):
        timed = [
            (turn.speaker, turn.language, sentence)
            for turn in load_scene(turns).turns
            for sentence in split_sentences(
                words_of(turn.text, turn.start_ms, turn.end_ms), turn.language
            )
        ]
    else:
        clock = 0
        for speaker, language, text in turns:
            words = words_of(text, clock)
            clock = (words[-1].end_ms if words else clock) + 200
            timed.append((speaker, language, words))
    events: list[Event] = []
    for number, (speaker, language, words) in enumerate(timed, start=1):
        start_ms = words[0].start_ms if words else 0
        end_ms = words[-1].end_ms if words else 0
        events.append(SegmentOpened(number, start_ms, language, speaker))
        events.append(WordsCommitted(number, words))
        events.append(SegmentClosed(number, start_ms, end_ms))
    if finished:
        end_ms = timed[-1][2][-1].end_ms if timed else 0
        events += [InputEnded("finish", end_ms), RecognitionFinished()]
    return events


def new_log(history: Sequence[Recorded] = ()) -> EventLog:
    """A log that keeps nothing."""

    async def keep(records: Sequence[Recorded]) -> None:
        del records

    return EventLog("tenant", "session", clock=ManualClock(), sink=keep, history=history)
