"""From labelled speech to the labels of segments: whoever speaks most of a segment's words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from greffier_server.core.events import (
    Event,
    SegmentClosed,
    SegmentOpened,
    SpeakerRevised,
    WordsCommitted,
)
from greffier_server.core.speakers import Piece

__all__ = ["SegmentLabels"]

_LEAST_MS = 240
"""Labelled speech under a segment's words that it takes to name its speaker."""
_OPEN_LEAST_MS = 800
"""The same while the segment is open: its first word may be the end of another's turn."""
_FORGOTTEN_MS = 1_800_000


@dataclass(slots=True)
class _Spoken:
    label: str | None
    closed: bool = False
    spans: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    @property
    def end_ms(self) -> int:
        """End of the last word; 0 before any."""
        return self.spans[-1][1] if self.spans else 0


class SegmentLabels:
    """Keeps the words of recent segments and says whose label has changed."""

    def __init__(self) -> None:
        self._segments: dict[int, _Spoken] = {}
        self._touched: set[int] = set()

    def add(self, event: Event) -> None:
        """Take the next event of the session."""
        if isinstance(event, SegmentOpened):
            self._segments[event.segment] = _Spoken(event.speaker)
            return
        if not isinstance(event, WordsCommitted | SegmentClosed | SpeakerRevised):
            return
        known = self._segments.get(event.segment)
        if known is None:
            return
        match event:
            case WordsCommitted(words=words):
                known.spans += [(word.start_ms, word.end_ms) for word in words]
                self._touched.add(event.segment)
                self._forget(known.end_ms)
            case SegmentClosed():
                known.closed = True
                self._touched.add(event.segment)
            case SpeakerRevised(speaker=speaker):
                known.label = speaker

    def revisions(
        self, pieces: Iterable[Piece], *, changed_from_ms: int | None = None
    ) -> list[SpeakerRevised]:
        """Return the segments whose speaker is another than what was last said.

        A segment keeps its label while its speech has none: what is not known changes nothing.
        The events returned are to be given to `add` once they are recorded.

        Args:
            pieces: labelled speech in order of time.
            changed_from_ms: speech from here on is new or has other labels than at the last call.
        """
        considered = {
            number: segment
            for number, segment in self._segments.items()
            if number in self._touched
            or (changed_from_ms is not None and segment.end_ms > changed_from_ms)
        }
        self._touched.clear()
        shares = _shares(considered, pieces)
        return [
            SpeakerRevised(number, label)
            for number in sorted(shares)
            if (label := self._named(number, shares[number])) is not None
        ]

    def _named(self, number: int, speech: Mapping[str, int]) -> str | None:
        segment = self._segments[number]
        label = max(sorted(speech), key=lambda name: (speech[name], name == segment.label))
        needed_ms = _LEAST_MS if segment.closed else _OPEN_LEAST_MS
        return label if speech[label] >= needed_ms and label != segment.label else None

    def _forget(self, now_ms: int) -> None:
        """Speech of long ago is labelled for good."""
        while self._segments:
            number, oldest = next(iter(self._segments.items()))
            if not oldest.closed or oldest.end_ms >= now_ms - _FORGOTTEN_MS:
                return
            del self._segments[number]


def _shares(segments: Mapping[int, _Spoken], pieces: Iterable[Piece]) -> dict[int, dict[str, int]]:
    """Milliseconds of each label under the words of each segment."""
    spans = sorted(
        (from_ms, to_ms, number)
        for number, segment in segments.items()
        for from_ms, to_ms in segment.spans
    )
    shares: dict[int, dict[str, int]] = {}
    first = 0
    for piece in pieces:
        while first < len(spans) and spans[first][1] <= piece.from_ms:
            first += 1
        index = first
        while piece.label is not None and index < len(spans) and spans[index][0] < piece.to_ms:
            from_ms, to_ms, number = spans[index]
            both_ms = min(to_ms, piece.to_ms) - max(from_ms, piece.from_ms)
            if both_ms > 0:
                speech = shares.setdefault(number, {})
                speech[piece.label] = speech.get(piece.label, 0) + both_ms
            index += 1
    return shares
