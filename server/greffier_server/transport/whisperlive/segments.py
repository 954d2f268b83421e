"""From recorded events to WhisperLive's lists of segments; pure.

Each message repeats the last segments. The sample client keeps a completed one only if it starts
where the last one ended or later, and never looks at it again: completed segments are never cut
anew here, and times never go back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from greffier_models.types import Word
from greffier_server.core.events import (
    LanguageDetected,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    StageFailed,
    TailRevised,
    TranslationRevised,
    WordsCommitted,
)
from greffier_server.transport.whisperlive.asked import Greeting

__all__ = ["SegmentsMapping"]

Message = dict[str, Any]


@dataclass(slots=True)
class _Open:
    start_ms: int
    words: list[Word] = field(default_factory=list[Word])
    tail: str = ""
    end_ms: int = 0
    speaker: str | None = None

    @property
    def text(self) -> str:
        return "".join(word.text for word in self.words) + self.tail


@dataclass(slots=True)
class _Track:
    """The segments of one text: what is said, or its translation."""

    completed: list[Message] = field(default_factory=list[Message])
    end_ms: int = 0
    changed: bool = False

    def complete(self, segment: Message, end_ms: int, *, keep: int) -> None:
        self.completed.append(segment)
        del self.completed[:-keep]
        self.end_ms = max(self.end_ms, end_ms)
        self.changed = True


class SegmentsMapping:
    """Maps one session's records in order.

    Args:
        asked: by the client.
    """

    def __init__(self, asked: Greeting) -> None:
        self._asked = asked
        self._open: dict[int, _Open] = {}
        self._spoken = _Track()
        self._translated: dict[str, _Track] = {}
        self._pending: dict[tuple[int, str], str] = {}
        self._shown_tail: dict[str, tuple[int, str]] = {}
        self._times: dict[int, tuple[int, int]] = {}
        self._untranslated: set[tuple[int, str]] = set()

    @property
    def translated(self) -> bool:
        """No closed segment waits for its translation."""
        return not self._untranslated

    def messages(self, batch: Sequence[Recorded]) -> list[Message]:
        """Return what the client is sent for records that came at once."""
        said: list[Message] = []
        for record in batch:
            self._take(record, said)
        uid = {"uid": self._asked.uid}
        if self._asked.translate:
            track = self._translated.get("en")
            if track is not None and track.changed:
                said.append({**uid, "segments": self._listed_translation("en", track)})
        elif self._spoken.changed:
            said.append({**uid, "segments": self._listed()})
        target = self._asked.target_language
        track = self._translated.get(target) if target is not None else None
        if target is not None and track is not None and track.changed:
            listed = self._listed_translation(target, track)
            said.append({**uid, "translated_segments": listed})
        self._spoken.changed = False
        for each in self._translated.values():
            each.changed = False
        # The sample client looks at the last segment of a list: there is always one.
        return [one for one in said if [] not in one.values()]

    def _take(self, record: Recorded, said: list[Message]) -> None:
        match record.event:
            case LanguageDetected() as event if self._asked.language == "auto":
                found = {"language": event.language, "language_prob": event.probability}
                said.append({"uid": self._asked.uid, **found})
            case SegmentOpened() as event:
                known = self._open.setdefault(event.segment, _Open(event.start_ms))
                known.start_ms, known.speaker = event.start_ms, event.speaker
            case WordsCommitted(words=words) as event if words:
                known = self._open.setdefault(event.segment, _Open(words[0].start_ms))
                known.words += words
                known.tail = event.tail
                known.end_ms = max(known.end_ms, words[-1].end_ms)
                self._spoken.changed = True
            case TailRevised() as event:
                known = self._open.setdefault(event.segment, _Open(event.start_ms))
                known.tail = event.tail
                if event.tail:
                    known.end_ms = max(known.end_ms, event.end_ms)
                elif not known.words:
                    del self._open[event.segment]
                self._spoken.changed = True
            case SegmentClosed() as event:
                self._close(event)
            case SegmentTranslated() as event:
                self._translate(event)
            case StageFailed() as event if self._asked.start.translate_to:
                if event.stage.startswith("translate"):
                    warning = {"status": "WARNING", "message": event.message}
                    said.append({"uid": self._asked.uid, **warning})
            case TranslationRevised() as event:
                self._shown_tail[event.language] = (event.segment, event.tail)
                self._track(event.language).changed = True
            case _:
                pass

    def _close(self, event: SegmentClosed) -> None:
        known = self._open.pop(event.segment, None) or _Open(event.start_ms)
        known.tail = ""
        end_ms = max(event.end_ms, known.end_ms if not known.words else known.words[-1].end_ms)
        self._times[event.segment] = (event.start_ms, end_ms)
        for language in self._asked.start.translate_to:
            if (event.segment, language) not in self._untranslated:
                self._untranslated.add((event.segment, language))
        if known.text.strip():
            start_ms = max(event.start_ms, self._spoken.end_ms)
            segment = self._segment(known, start_ms, max(end_ms, start_ms), completed=True)
            self._spoken.complete(segment, end_ms, keep=self._asked.last_segments)

    def _translate(self, event: SegmentTranslated) -> None:
        key = (event.segment, event.language)
        text = self._pending.get(key, "") + event.text
        track = self._track(event.language)
        track.changed = True
        if not event.closed:
            self._pending[key] = text
            return
        self._pending.pop(key, None)
        self._untranslated.discard(key)
        if self._shown_tail.get(event.language, (0, ""))[0] == event.segment:
            self._shown_tail.pop(event.language)
        start_ms, end_ms = self._times.get(event.segment, (track.end_ms, track.end_ms))
        start_ms = max(start_ms, track.end_ms)
        if text.strip():
            segment = _segment(start_ms, max(start_ms, end_ms), text, completed=True)
            track.complete(segment, end_ms, keep=self._asked.last_segments)

    def _track(self, language: str) -> _Track:
        return self._translated.setdefault(language, _Track())

    def _listed(self) -> list[Message]:
        listed = list(self._spoken.completed)
        at_ms = self._spoken.end_ms
        for known in self._open.values():
            if known.text.strip():
                start_ms = max(known.start_ms, at_ms)
                at_ms = max(known.end_ms, start_ms)
                listed.append(self._segment(known, start_ms, at_ms, completed=False))
        return listed

    def _listed_translation(self, language: str, track: _Track) -> list[Message]:
        listed = list(track.completed)
        segment, tail = self._shown_tail.get(language, (0, ""))
        text = self._pending.get((segment, language), "") + tail
        if text.strip():
            start_ms, end_ms = self._times.get(segment, (track.end_ms, track.end_ms))
            start_ms = max(start_ms, track.end_ms)
            listed.append(_segment(start_ms, max(start_ms, end_ms), text, completed=False))
        return listed

    def _segment(self, known: _Open, start_ms: int, end_ms: int, *, completed: bool) -> Message:
        segment = _segment(start_ms, end_ms, known.text, completed=completed)
        if known.speaker is not None:
            segment["speaker"] = known.speaker
        if self._asked.word_times:
            segment["words"] = [
                {
                    "word": word.text,
                    "start": f"{word.start_ms / 1_000:.3f}",
                    "end": f"{word.end_ms / 1_000:.3f}",
                    "probability": round(word.probability, 4),
                }
                for word in known.words
            ]
        return segment


def _segment(start_ms: int, end_ms: int, text: str, *, completed: bool) -> Message:
    return {
        "start": f"{start_ms / 1_000:.3f}",
        "end": f"{end_ms / 1_000:.3f}",
        "text": text,
        "completed": completed,
    }
