"""Committed words to segments: a segment is a sentence, or a stretch between pauses."""

from collections.abc import Iterator, Sequence
from itertools import count

from greffier_models.types import Word
from greffier_server.core.events import (
    Event,
    SegmentClosed,
    SegmentOpened,
    TailRevised,
    WordsCommitted,
)
from greffier_server.core.sentences import clause_end, sentence_end

__all__ = ["Segmenter"]

_SHORT_MS = 1_000
"""A sentence this short waits for the next one, unless a pause comes."""
_LONG_MS = 12_000
"""From here a clause is end enough."""
_LONGEST_MS = 20_000
_SILENCE_MS = 1_500
"""A silence that closes a segment without a full stop."""

_CLOSING = " .,!?;:…»”)"
"""Marks that begin no sentence."""


class Segmenter:
    """Turns a policy's outcomes into the events of segments.

    Args:
        next_segment: number of the next segment, or of `open_segment`.
        open_segment: words of a segment that was open at a restart; it goes on.
        language: of `open_segment`.
        numbers: of all later segments, shared by the channels of a session; a segment takes its
            number when something of it is first shown. Absent: they follow `next_segment`.
        channel: whose words these are; 0 = all channels, mixed down.
        speaker: who speaks there, where that is known.
    """

    def __init__(
        self,
        *,
        next_segment: int = 1,
        open_segment: Sequence[Word] = (),
        language: str = "",
        numbers: Iterator[int] | None = None,
        channel: int = 0,
        speaker: str | None = None,
    ) -> None:
        self._words: list[Word] = list(open_segment)
        self._is_open = bool(open_segment)
        self._number = next_segment if open_segment else None
        self._numbers = numbers or count(next_segment + bool(open_segment))
        self._channel = channel
        self._speaker = speaker
        self._last_ms = open_segment[-1].end_ms if open_segment else 0
        self._language = language

    def commit(self, words: Sequence[Word], *, language: str, lag_ms: int) -> list[Event]:
        """Add committed words."""
        events: list[Event] = []
        for word in words:
            if self._is_open and (
                language != self._language or word.start_ms - self._words[-1].end_ms > _SILENCE_MS
            ):
                events += self._close()
            if not self._is_open:
                if not word.text.strip(_CLOSING):
                    continue  # the full stop of a segment that a pause has closed
                self._is_open = True
                self._language = language
                opened = SegmentOpened(
                    self._own_number(), word.start_ms, language, self._speaker, self._channel
                )
                events.append(opened)
            self._words.append(word)
            self._last_ms = max(self._last_ms, word.end_ms)
            events.append(WordsCommitted(self._own_number(), (word,), lag_ms=lag_ms))
            events += self._split(word)
        return _merged(events)

    def tail(self, words: Sequence[Word], *, language: str, lag_ms: int) -> list[Event]:
        """What is seen behind the committed words; also when it is empty (it erases).

        Nothing where there is nothing to erase: the end of a segment has erased its tail.
        """
        if not words and self._number is None:
            return []
        start = words[0].start_ms if words else self._last_ms
        end = words[-1].end_ms if words else self._last_ms
        text = "".join(word.text for word in words)
        return [
            TailRevised(
                self._own_number(),
                text,
                start,
                end,
                language=language,
                lag_ms=lag_ms,
                speaker=self._speaker,
                channel=self._channel,
            )
        ]

    def silence(self, now_ms: int) -> list[Event]:
        """Speech has paused and everything before `now_ms` is decided."""
        if not self._is_open:
            return []
        if _whole(self._words, self._language) or now_ms - self._words[-1].end_ms >= _SILENCE_MS:
            return self._close()
        return []

    def finish(self) -> list[Event]:
        """Close what is open."""
        return self._close() if self._is_open else []

    def _split(self, word: Word) -> list[Event]:
        length_ms = word.end_ms - self._words[0].start_ms
        if length_ms >= _SHORT_MS and _whole(self._words, self._language):
            return self._close()
        clause = clause_end(self._words, self._language) == len(self._words)
        if length_ms >= _LONGEST_MS or (length_ms >= _LONG_MS and clause):
            return self._close()
        return []

    def _close(self) -> list[Event]:
        start_ms, end_ms = self._words[0].start_ms, self._words[-1].end_ms
        closed = SegmentClosed(self._own_number(), start_ms, end_ms)
        self._words = []
        self._is_open = False
        self._number = None
        return [closed]

    def _own_number(self) -> int:
        """Number of the segment that is open, or will be next."""
        if self._number is None:
            self._number = next(self._numbers)
        return self._number


def _whole(words: Sequence[Word], language: str) -> bool:
    """Whether `words` are one or more complete sentences, and nothing else."""
    rest = words
    while rest and (count := sentence_end(rest, language)):
        rest = rest[count:]
    return not rest


def _merged(events: Sequence[Event]) -> list[Event]:
    """Join neighbouring commits of one segment into one event."""
    merged: list[Event] = []
    for event in events:
        last = merged[-1] if merged else None
        if (
            isinstance(event, WordsCommitted)
            and isinstance(last, WordsCommitted)
            and last.segment == event.segment
        ):
            merged[-1] = WordsCommitted(
                event.segment, last.words + event.words, lag_ms=event.lag_ms
            )
        else:
            merged.append(event)
    return merged
