"""Minutes in another language than theirs: sentence by sentence, checked, known by its source.

A sentence keeps its citations. It keeps its tick where the translation agrees with it in numbers,
dates, units, names and negation, and both languages are ones in which all of these can be told;
otherwise it is marked. Where something does not agree, the reader is shown the source.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from greffier.plain import PlainError, from_plain
from greffier.protocol import Chapter, Minutes, MinutesItem
from greffier_server.core.annex_facts import fact_in
from greffier_server.core.corrections import SECTIONS
from greffier_server.core.document_events import TranslatedSentence
from greffier_server.core.note_checks import Notes
from greffier_server.core.state import SessionState

__all__ = [
    "CHECKED_LANGUAGES",
    "MinutesTranslation",
    "item_texts",
    "minutes_texts",
    "notes_texts",
]

CHECKED_LANGUAGES = frozenset({"en", "fr"})
"""In which every invariant can be told (see `core.invariants`)."""


@dataclass(frozen=True, slots=True)
class MinutesTranslation:
    """What is known of a session's minutes in one other language."""

    source: str
    target: str
    known: Mapping[str, TranslatedSentence] = field(default_factory=dict[str, TranslatedSentence])

    @property
    def checked(self) -> bool:
        """Whether every invariant can be told in both languages."""
        return {self.source, self.target} <= CHECKED_LANGUAGES

    def missing(self, texts: Sequence[str]) -> list[str]:
        """Return those of `texts` that are not translated, each once."""
        return [text for text in dict.fromkeys(texts) if text.strip() and text not in self.known]

    def text(self, source: str) -> str:
        """Return `source` in the other language, or itself where there is no translation."""
        sentence = self.known.get(source)
        return sentence.text if sentence is not None and sentence.text else source

    def doubted(self, item: MinutesItem) -> bool:
        """Whether the translation of a sentence is missing, or does not agree with it."""
        if self._stated(item) is not None:
            return False
        sentence = self.known.get(item.text)
        return sentence is None or not sentence.text or bool(sentence.doubts)

    def item(self, item: MinutesItem) -> MinutesItem:
        """Return a sentence in the other language, with its tick where that is due.

        What is stated of the record itself is said by its form.
        """
        told = self._stated(item)
        if told is not None:
            return replace(item, text=told)
        sound = self.checked and not self.doubted(item)
        return replace(
            item,
            text=self.text(item.text),
            due=None if item.due is None else self.text(item.due),
            verified=item.verified and sound,
        )

    def minutes(self, minutes: Minutes) -> Minutes:
        """Return minutes in the other language."""
        return replace(
            minutes,
            language=self.target,
            title=self.text(minutes.title),
            summary=self._items(minutes.summary),
            topics=self._items(minutes.topics),
            decisions=self._items(minutes.decisions),
            actions=self._items(minutes.actions),
            questions=self._items(minutes.questions),
            figures=self._items(minutes.figures),
            annex=self._items(minutes.annex),
            chapters=tuple(
                Chapter(self.text(one.title), one.from_ms, one.to_ms, self._items(one.summary))
                for one in minutes.chapters
            ),
        )

    def _stated(self, item: MinutesItem) -> str | None:
        """What is stated of the record cites nothing; a speaker may use the same words."""
        return fact_in(item.text, self.target) if item.verified and not item.cites else None

    def _items(self, items: Sequence[MinutesItem]) -> tuple[MinutesItem, ...]:
        return tuple(map(self.item, items))


def minutes_texts(minutes: Minutes) -> list[str]:
    """Return every text of minutes that a translation needs; an agenda stays as it was written."""
    items = [item for section in SECTIONS for item in getattr(minutes, section)]
    items += [item for chapter in minutes.chapters for item in chapter.summary]
    titles = [minutes.title, *(chapter.title for chapter in minutes.chapters)]
    return [*titles, *item_texts(items)]


def notes_texts(state: SessionState) -> tuple[str, list[str]]:
    """Return the language of a session's notes, and every text of them."""
    language = ""
    items: list[MinutesItem] = []
    for taken in state.notes:
        try:
            notes = from_plain(Notes, json.loads(taken.notes))
        except (ValueError, PlainError):
            continue
        language = language or notes.language
        items += [*notes.topics, *notes.decisions, *notes.actions, *notes.questions]
    return language, item_texts(items)


def item_texts(items: Sequence[MinutesItem]) -> list[str]:
    """Return what of `items` is translated: sentences, and when they are due; not facts."""
    told = [item for item in items if item.cites or fact_in(item.text, "en") is None]
    return [text for item in told for text in (item.text, item.due or "") if text.strip()]
