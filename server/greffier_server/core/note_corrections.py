"""What people set right after notes were taken of it (pure)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from greffier.protocol import MinutesItem
from greffier_server.core.events import Corrected, NotesTaken, Recorded
from greffier_server.core.note_checks import Notes

__all__ = ["Changes", "renamed"]


@dataclass(slots=True)
class Changes:
    """Of a log, record by record."""

    _noted: dict[int, int] = field(default_factory=dict[int, int])
    """By segment, the event of its newest notes."""
    _corrected: dict[int, int] = field(default_factory=dict[int, int])
    """By segment, the last correction of its words or of who says them."""
    _named: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])
    """Events that gave a speaker a name wherever they speak: the old one, the new one."""

    def take(self, record: Recorded) -> None:
        """Take the next record."""
        match record.event:
            case NotesTaken() as taken:
                ids = taken.segments or range(taken.first_segment, taken.last_segment + 1)
                self._noted.update(dict.fromkeys(ids, record.seq))
            case Corrected(target=target) as event:
                if target.kind == "words" or (target.kind == "speaker" and target.segment):
                    self._corrected[target.segment] = record.seq
                elif target.kind == "speaker":
                    self._named.append((record.seq, event.old, event.new))
            case _:
                pass

    def touched(self, segments: Sequence[int]) -> bool:
        """Whether one of `segments` was corrected after its notes."""
        return any(
            self._corrected.get(segment, 0) > self._noted.get(segment, 0) for segment in segments
        )

    def names_since(self, segments: Sequence[int]) -> Mapping[str, str]:
        """Return the names that speakers were given after the notes of `segments`, by the old."""
        noted = max((self._noted.get(segment, 0) for segment in segments), default=0)
        given: dict[str, str] = {}
        for seq, old, new in self._named:
            if seq > noted and old and new:
                given = {key: new if name == old else name for key, name in given.items()}
                given.setdefault(old, new)
        return given


def renamed(notes: Notes, names: Mapping[str, str]) -> Notes:
    """Return `notes` with the names that people were given; numbers stay numbers in sentences."""

    def told(items: Sequence[MinutesItem]) -> tuple[MinutesItem, ...]:
        return tuple(
            replace(item, who=names.get(item.who or "", item.who), text=_told(item.text, names))
            for item in items
        )

    return replace(
        notes,
        topics=told(notes.topics),
        decisions=told(notes.decisions),
        actions=told(notes.actions),
        questions=told(notes.questions),
        unsupported=told(notes.unsupported),
    )


def _told(text: str, names: Mapping[str, str]) -> str:
    words = [old for old in names if any(char.isalpha() for char in old)]
    if not words:
        return text
    pattern = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.sub(rf"(?<!\w)(?:{pattern})(?!\w)", lambda match: names[match.group()], text)
