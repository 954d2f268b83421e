"""The events of documents: attached to a session, taken back; and of minutes put into languages."""

from dataclasses import dataclass, field
from typing import ClassVar

from greffier.protocol import Doubt, GlossaryTerm

__all__ = [
    "AgendaItem",
    "DocumentAttached",
    "DocumentDetached",
    "MinutesTranslated",
    "Paragraph",
    "TranslatedSentence",
]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of a document and its place."""

    number: int
    """From 1, through the whole document."""
    page: int
    """From 1; 0 = the format has no pages."""
    text: str
    role: str = ""
    """``heading`` or ``item`` (of a list) where the format tells."""


@dataclass(frozen=True, slots=True)
class AgendaItem:
    """A point of an agenda, as its document has it."""

    number: str
    """As written (``3``, ``II``, ``a``), or counted where the document numbers none."""
    title: str
    page: int
    paragraph: int
    detail: str = ""
    """What the document says under the point, its beginning; it helps to find where it was talked
    of, and is not shown."""


@dataclass(frozen=True, slots=True)
class DocumentAttached:
    """Somebody gave the session a document; its text is on record with it."""

    durable: ClassVar[bool] = True
    number: int
    """Of the document in its session, from 1."""
    who: str
    """May be empty: a client gave it as it opened the session."""
    name: str
    """Of the file."""
    digest: str
    """SHA-256 of the file, hexadecimal; the file itself is not kept."""
    size_bytes: int
    pages: int
    """0 = the format has no pages."""
    language: str
    """Empty where it does not show."""
    paragraphs: tuple[Paragraph, ...]
    terms: tuple[GlossaryTerm, ...] = ()
    """Names and abbreviations found in it."""
    agenda: tuple[AgendaItem, ...] = ()
    """Its points, where it is an agenda."""


@dataclass(frozen=True, slots=True)
class DocumentDetached:
    """A document was taken back: nothing comes of it from then on."""

    durable: ClassVar[bool] = True
    number: int
    who: str


@dataclass(frozen=True, slots=True)
class TranslatedSentence:
    """A sentence of minutes in another language."""

    source: str
    text: str
    """Empty where no translation came that can be shown."""
    doubts: tuple[Doubt, ...] = field(default=())
    """What of it does not agree with the source."""


@dataclass(frozen=True, slots=True)
class MinutesTranslated:
    """Sentences of the minutes were put into another language; each is known by its source."""

    durable: ClassVar[bool] = True
    source: str
    """Language of the minutes."""
    language: str
    sentences: tuple[TranslatedSentence, ...]
