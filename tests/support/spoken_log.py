"""Records of a session as a recogniser appends them, for adapters' tests."""

from collections.abc import Iterable

from greffier.protocol import AudioFormat
from greffier_models.types import Word
from greffier_server.core.events import (
    Event,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    TailRevised,
    WordsCommitted,
)

__all__ = ["MONO", "batch", "closed", "opened", "said", "tail"]

MONO = AudioFormat()


def words(text: str, start_ms: int, *, each_ms: int = 200, probability: float = 0.9) -> list[Word]:
    """Words of `text`, one after another."""
    found: list[Word] = []
    for index, name in enumerate(text.split()):
        at = start_ms + index * each_ms
        found.append(Word(f" {name}", at, at + each_ms, probability))
    return found


def opened(segment: int, start_ms: int, *, language: str = "fr", channel: int = 0) -> Event:
    """Speech began."""
    speaker = str(channel) if channel else None
    return SegmentOpened(segment, start_ms, language, speaker, channel)


def said(segment: int, text: str, start_ms: int) -> Event:
    """Words for good."""
    return WordsCommitted(segment, tuple(words(text, start_ms)))


def tail(segment: int, text: str, start_ms: int, end_ms: int, *, channel: int = 0) -> Event:
    """Words that may change; '' erases them."""
    return TailRevised(segment, f" {text}" if text else "", start_ms, end_ms, channel=channel)


def closed(segment: int, start_ms: int, end_ms: int) -> Event:
    """Nothing is added to the segment."""
    return SegmentClosed(segment, start_ms, end_ms)


def batch(*events: Event, first_seq: int = 1) -> list[Recorded]:
    """Records that come at once."""
    return list(_recorded(events, first_seq))


def _recorded(events: Iterable[Event], seq: int) -> Iterable[Recorded]:
    for event in events:
        yield Recorded("t", "s", seq, 0, 0, 0, "0" * 64, "", event)
        seq += 1
