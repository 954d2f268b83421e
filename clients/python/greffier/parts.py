"""A recording that became several sessions of the server, told as one (pure)."""

from dataclasses import dataclass, replace

from greffier.protocol import (
    Ack,
    Caption,
    Error,
    Gap,
    Minutes,
    MinutesItem,
    ServerMessage,
    Speaker,
    Started,
    Translation,
    Withheld,
)

__all__ = ["Placement"]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a session lies in its recording; each part counts time, segments and events from 0."""

    ms: int = 0
    segments: int = 0
    seq: int = 0

    def place(self, message: ServerMessage) -> ServerMessage:
        """Return `message` with times, segments and `seq` of the whole recording."""
        if self == Placement():
            return message
        match message:
            case Caption():
                words = tuple(
                    replace(word, start_ms=word.start_ms + self.ms, end_ms=word.end_ms + self.ms)
                    for word in message.words
                )
                message = replace(
                    message,
                    segment=message.segment + self.segments,
                    start_ms=message.start_ms + self.ms,
                    end_ms=message.end_ms + self.ms,
                    words=words,
                )
            case Speaker() | Translation():
                message = replace(message, segment=message.segment + self.segments)
            case Gap():
                message = replace(
                    message, from_ms=message.from_ms + self.ms, to_ms=message.to_ms + self.ms
                )
            case Withheld():
                message = replace(
                    message, start_ms=message.start_ms + self.ms, end_ms=message.end_ms + self.ms
                )
            case Minutes():
                message = replace(
                    message,
                    summary=self._cited(message.summary),
                    topics=self._cited(message.topics),
                    decisions=self._cited(message.decisions),
                    actions=self._cited(message.actions),
                    questions=self._cited(message.questions),
                    figures=self._cited(message.figures),
                    annex=self._cited(message.annex),
                )
            case _:
                pass
        if isinstance(message, (Ack, Error, Started)):
            return message
        return replace(message, seq=message.seq + self.seq)

    def _cited(self, items: tuple[MinutesItem, ...]) -> tuple[MinutesItem, ...]:
        return tuple(
            replace(item, cites=tuple(cite + self.segments for cite in item.cites))
            for item in items
        )
