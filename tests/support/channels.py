"""Recordings whose channels are speakers, and what a log must hold of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from greffier_models.types import Word
from greffier_server.core.events import (
    Recorded,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    WordsCommitted,
)
from tests.support.recordings import Recording

__all__ = ["Conversation", "check_segments", "conversation_of", "words_by_speaker"]


@dataclass(frozen=True, slots=True)
class Conversation:
    """One recording a channel; their words differ."""

    channels: tuple[Recording, ...]

    @property
    def duration_ms(self) -> int:
        return max(recording.duration_ms for recording in self.channels)

    @property
    def audio(self) -> bytes:
        """Interleaved ``pcm_s16le`` at 16 kHz."""
        columns = [
            replace(recording, duration_ms=self.duration_ms).pcm for recording in self.channels
        ]
        return np.stack(columns, axis=1).astype("<i2").tobytes()

    def texts(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Words of those who say any."""
        said = {name: recording.texts for name, recording in zip(names, self.channels, strict=True)}
        return {name: texts for name, texts in said.items() if texts}


def conversation_of(*channels: Recording) -> Conversation:
    """Give each channel's words a letter of their own, so that nobody's can be another's."""
    renamed: list[Recording] = []
    for letter, recording in zip("abcdefgh", channels, strict=False):
        words = [replace(word, text=word.text.replace("w", letter)) for word in recording.words]
        renamed.append(replace(recording, words=tuple(words)))
    return Conversation(tuple(renamed))


def words_by_speaker(records: Iterable[Recorded]) -> dict[str, list[Word]]:
    """Committed words by the speaker of their segment, in the order of the log."""
    speakers: dict[int, str] = {}
    said: dict[str, list[Word]] = {}
    for record in records:
        match record.event:
            case SegmentOpened(segment=segment, speaker=speaker):
                assert speaker
                speakers[segment] = speaker
            case WordsCommitted(segment=segment, words=words):
                said.setdefault(speakers[segment], []).extend(words)
            case _:
                pass
    return said


def check_segments(records: Iterable[Recorded]) -> None:
    """Every segment is opened once, filled from the left, closed once and then left alone.

    Those of one channel follow each other; those of two may overlap.
    """
    opened: dict[int, SegmentOpened] = {}
    closed: set[int] = set()
    now: dict[int, int] = {}
    reached_ms: dict[int, int] = {}
    for record in records:
        match record.event:
            case SegmentOpened(segment=segment, channel=channel) as event:
                assert segment not in opened
                assert now.get(channel) in (None, *closed), "the one before is open still"
                assert segment > now.get(channel, 0)
                assert event.start_ms >= reached_ms.get(channel, 0)
                opened[segment] = event
                now[channel] = segment
            case WordsCommitted(segment=segment, words=words):
                channel = opened[segment].channel
                assert segment == now[channel]
                assert segment not in closed
                assert words
                for word in words:
                    assert word.start_ms >= reached_ms.get(channel, 0)
                    reached_ms[channel] = word.end_ms
            case SegmentClosed(segment=segment, start_ms=start_ms, end_ms=end_ms):
                event = opened[segment]
                assert segment not in closed
                assert start_ms == event.start_ms
                assert end_ms == reached_ms[event.channel]
                closed.add(segment)
            case SegmentTranslated(segment=segment):
                assert segment in closed
            case _:
                pass
    assert closed == set(opened)
