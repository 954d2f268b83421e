"""What outlets are told of a session: from its records, in order; pure, with a little state.

Feed every record from the first one: a segment's text is gathered from its commits.
"""

from dataclasses import dataclass
from typing import Any

from greffier.plain import to_plain
from greffier.protocol import Caption, Finished, Minutes, Speaker, Translation
from greffier_server.core.events import InputEnded, Recorded
from greffier_server.outlets.settings import NoticeKind
from greffier_server.transport.wire import WireMapping

__all__ = ["Notice", "Notices"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell; committed text only."""

    kind: NoticeKind
    tenant: str
    session: str
    seq: int
    at_ms: int
    language: str
    """Of the text; empty where there is none."""
    body: dict[str, Any]
    """What is said of it, JSON-ready."""

    @property
    def id(self) -> str:
        """The same however often it is sent."""
        return f"{self.session}:{self.seq}"

    def document(self) -> dict[str, Any]:
        """What is sent."""
        return {
            "type": self.kind,
            "id": self.id,
            "session": self.session,
            "seq": self.seq,
            "at_ms": self.at_ms,
            **self.body,
        }


class Notices:
    """Makes notices of one session's records."""

    def __init__(self) -> None:
        self._mapping = WireMapping()
        self._texts: dict[int, str] = {}
        self._speakers: dict[int, str | None] = {}
        self._translated: dict[tuple[int, str], str] = {}
        self._duration_ms = 0
        self._languages: set[str] = set()

    def take(self, record: Recorded) -> tuple[Notice, ...]:
        """Return what `record` gives rise to: up to two notices, of different kinds."""
        if isinstance(record.event, InputEnded):
            self._duration_ms = record.event.duration_ms
        return tuple(
            Notice(kind, record.tenant, record.session, record.seq, record.at_ms, language, body)
            for message in self._mapping.messages(record)
            for kind, language, body in self._of(message)
        )

    def _of(self, message: object) -> list[tuple[NoticeKind, str, dict[str, Any]]]:
        match message:
            case Caption(committed=committed) if committed:
                return self._committed(message)
            case Caption(closed=True):
                return self._closed(message)
            case Speaker(segment=segment, speaker=speaker):
                self._speakers[segment] = speaker
            case Translation(committed=committed) if committed or message.closed:
                return self._translation(message)
            case Minutes(language=language):
                return [("minutes", language, {"minutes": to_plain(message)})]
            case Finished(reason=reason):
                body = {
                    "reason": reason,
                    "duration_ms": self._duration_ms,
                    "languages": sorted(self._languages),
                }
                return [("finished", "", body)]
            case _:
                pass
        return []

    def _committed(self, caption: Caption) -> list[tuple[NoticeKind, str, dict[str, Any]]]:
        self._texts[caption.segment] = self._texts.get(caption.segment, "") + caption.committed
        self._languages.add(caption.language)
        body = _segment(caption, caption.speaker, self._texts[caption.segment])
        return [("caption", caption.language, {**body, "added": caption.committed})]

    def _closed(self, caption: Caption) -> list[tuple[NoticeKind, str, dict[str, Any]]]:
        text = self._texts.pop(caption.segment, "")
        speaker = self._speakers.get(caption.segment, caption.speaker)
        if not text.strip():
            return []
        return [("segment", caption.language, _segment(caption, speaker, text))]

    def _translation(self, message: Translation) -> list[tuple[NoticeKind, str, dict[str, Any]]]:
        key = (message.segment, message.language)
        self._translated[key] = self._translated.get(key, "") + message.committed
        self._languages.add(message.language)
        if not message.closed:
            return []
        text = self._translated.pop(key)
        body = {"segment": message.segment, "language": message.language, "text": text.strip()}
        return [("translation", message.language, body)]


def _segment(caption: Caption, speaker: str | None, text: str) -> dict[str, Any]:
    return {
        "segment": caption.segment,
        "start_ms": caption.start_ms,
        "end_ms": caption.end_ms,
        "language": caption.language,
        "speaker": speaker,
        "text": text.strip(),
    }
