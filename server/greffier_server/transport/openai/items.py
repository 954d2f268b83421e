"""From native messages to the events of an OpenAI realtime conversation; pure, with a little state.

An item is what was said between two pauses (a segment of the session), or, where the client commits
by itself, what was said in a whole session. Text is told as it is committed, so that deltas only
ever add to each other, and ``completed`` repeats their sum.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from greffier.protocol import Caption, Error, Finished, ServerMessage, Speaker
from greffier_server.transport.openai.answers import logprob

__all__ = ["Chain", "Item", "Items"]

_TRANSCRIPTION = "conversation.item.input_audio_transcription"


@dataclass(slots=True)
class Item:
    """A part of the conversation."""

    id: str
    start_ms: int = 0
    end_ms: int = 0
    text: str = ""
    logprobs: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    speaker: str | None = None
    committed: bool = False


@dataclass(slots=True)
class Chain:
    """What all items of a connection share.

    Args:
        earlier: the shape before ``session.type``.
        logprobs: the client wants them.
    """

    earlier: bool = False
    logprobs: bool = False
    last_id: str | None = None
    """Of the newest item that was committed."""
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _events: Iterator[int] = field(default_factory=lambda: count(1))

    def item(self) -> Item:
        """Return a new item."""
        return Item(f"item_{next(self._numbers):06}")

    def event(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Return an event of the server."""
        return {"type": kind, "event_id": f"event_{next(self._events):06}", **fields}

    def commit(self, item: Item) -> Iterator[dict[str, Any]]:
        """Its audio is complete: it takes its place in the conversation."""
        item.committed = True
        before, self.last_id = self.last_id, item.id
        place = {"previous_item_id": before}
        yield self.event("input_audio_buffer.committed", item_id=item.id, **place)
        shown = {
            "id": item.id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        if self.earlier:
            yield self.event("conversation.item.created", item=shown, **place)
            return
        yield self.event("conversation.item.added", item=shown, **place)
        yield self.event("conversation.item.done", item=shown, **place)

    def add(self, item: Item, caption: Caption) -> Iterator[dict[str, Any]]:
        """Text was committed."""
        text = caption.committed if item.text else caption.committed.lstrip()
        item.text += text
        words = [logprob(word.text, word.probability) for word in caption.words]
        item.logprobs += words if self.logprobs else []
        if text:
            yield self.event(
                f"{_TRANSCRIPTION}.delta",
                item_id=item.id,
                content_index=0,
                delta=text,
                **({"logprobs": words} if self.logprobs else {}),
            )

    def complete(self, item: Item) -> Iterator[dict[str, Any]]:
        """All of its text is known."""
        place = {"item_id": item.id, "content_index": 0}
        text = item.text.rstrip()
        if item.speaker is not None and text:
            yield self.event(
                f"{_TRANSCRIPTION}.segment",
                **place,
                id=f"seg_{item.id}",
                start=item.start_ms / 1000,
                end=item.end_ms / 1000,
                speaker=item.speaker,
                text=text,
            )
        yield self.event(
            f"{_TRANSCRIPTION}.completed",
            **place,
            transcript=text,
            usage={"type": "duration", "seconds": max(0, item.end_ms - item.start_ms) / 1000},
            **({"logprobs": item.logprobs} if self.logprobs else {}),
        )

    def failed(self, item: Item, code: str, message: str) -> dict[str, Any]:
        """Its text cannot be had."""
        return self.event(
            f"{_TRANSCRIPTION}.failed",
            item_id=item.id,
            content_index=0,
            error={"type": "server_error", "code": code, "message": message, "param": None},
        )


class Items:
    """The items of one session.

    Args:
        chain: of the connection.
        manual: the session is one item, which the client commits.
        offset_ms: audio of the connection before this session.
    """

    def __init__(self, chain: Chain, *, manual: bool, offset_ms: int) -> None:
        self._chain = chain
        self._manual = manual
        self._offset_ms = offset_ms
        self._open: dict[int, Item] = {}
        self._whole = chain.item() if manual else None
        self._asked = False
        self._answered = False
        self._dropped = False

    def commit(self, *, end_ms: int) -> Iterator[dict[str, Any]]:
        """The client says that the audio of this session ends, `end_ms` after its beginning."""
        self._asked = True
        if self._whole is not None:
            self._whole.start_ms = self._offset_ms
            self._whole.end_ms = self._offset_ms + end_ms
            yield from self._chain.commit(self._whole)

    def drop(self) -> None:
        """The client does not want to hear of this session any more."""
        self._dropped = True

    def events(self, message: ServerMessage) -> Iterator[dict[str, Any]]:
        """Yield what a native message means."""
        if self._dropped:
            return
        match message:
            case Caption() if self._whole is not None:
                yield from self._chain.add(self._whole, message)
            case Caption():
                yield from self._heard(message)
            case Speaker() if (item := self._open.get(message.segment)) is not None:
                item.speaker = message.speaker
            case Error():
                error = {"type": "server_error", "code": message.code, "message": message.message}
                yield self._chain.event("error", error={**error, "param": None, "event_id": None})
            case Finished():
                yield from self._end()
            case _:
                pass

    def fail(self, code: str, message: str) -> Iterator[dict[str, Any]]:
        """The session ended early: items that are open get no more text."""
        if self._dropped:
            return
        if self._whole is not None and self._whole.committed:
            yield self._chain.failed(self._whole, code, message)
        for item in self._open.values():
            yield from self._chain.commit(item)
            yield self._chain.failed(item, code, message)
        self._open.clear()

    def _heard(self, caption: Caption) -> Iterator[dict[str, Any]]:
        item = self._open.get(caption.segment)
        if item is None:
            if caption.closed or not (caption.committed or caption.tail):
                return
            item = self._open[caption.segment] = self._chain.item()
            item.start_ms = self._offset_ms + caption.start_ms
            yield self._chain.event(
                "input_audio_buffer.speech_started",
                item_id=item.id,
                audio_start_ms=item.start_ms,
            )
        item.end_ms = self._offset_ms + caption.end_ms
        item.speaker = caption.speaker or item.speaker
        yield from self._chain.add(item, caption)
        if caption.closed:
            del self._open[caption.segment]
            yield self._chain.event(
                "input_audio_buffer.speech_stopped", item_id=item.id, audio_end_ms=item.end_ms
            )
            yield from self._chain.commit(item)
            yield from self._chain.complete(item)
            self._answered = self._asked

    def _end(self) -> Iterator[dict[str, Any]]:
        """Everything was said."""
        if self._whole is not None:
            if not self._whole.committed:  # the server has ended the session
                yield from self._chain.commit(self._whole)
            yield from self._chain.complete(self._whole)
            return
        for segment in sorted(self._open):  # only a tail, which came to nothing
            item = self._open.pop(segment)
            yield self._chain.event(
                "input_audio_buffer.speech_stopped", item_id=item.id, audio_end_ms=item.end_ms
            )
            yield from self._chain.commit(item)
            yield from self._chain.complete(item)
            self._answered = self._asked
        if self._asked and not self._answered:  # who commits is answered
            item = self._chain.item()
            yield from self._chain.commit(item)
            yield from self._chain.complete(item)
