"""Makes the documents of a session: composes one kind and draws it in one format."""

from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

from greffier_server.core.languages import canonical
from greffier_server.core.minutes import main_language
from greffier_server.core.state import SessionState
from greffier_server.documents.cleaning import clean_line
from greffier_server.documents.html import to_html
from greffier_server.documents.kinds import DocumentFormat, Kind
from greffier_server.documents.markdown import to_markdown, to_text
from greffier_server.documents.markup import read_markup
from greffier_server.documents.material import Material, log_rows, values_for
from greffier_server.documents.pages import Document
from greffier_server.documents.radio_csv import to_csv
from greffier_server.documents.settings import DocumentSettings
from greffier_server.documents.templating import TemplateFailed, render, template_folders
from greffier_server.documents.typography import typeset
from greffier_server.documents.words import Words, read_words
from greffier_server.errors import BadRequest, SettingsInvalid

__all__ = ["MAX_MARKING_CHARS", "Order", "Press"]

MAX_MARKING_CHARS = 80


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for."""

    kind: Kind
    form: DocumentFormat
    language: str | None = None
    """Of the document; that of the minutes, or of the speech, when absent."""
    marking: str = ""
    """The tenant's own when empty."""
    every_minutes: int = 10
    """Length of a digest's stretches."""
    sources: bool = False
    """With the passages that are cited."""


class Press:
    """Makes documents; pure work that takes its time: call it in a thread.

    Args:
        settings: templates, fonts, and what stands on each tenant's pages.
    """

    def __init__(self, settings: DocumentSettings) -> None:
        self._settings = settings
        self._zone = ZoneInfo(settings.timezone) if settings.timezone else None

    def make(
        self, order: Order, state: SessionState, *, tenant: str, title: str, began_at_ms: int
    ) -> bytes:
        """Return the document as a file.

        Raises:
            BadRequest: there is no such document of this kind.
            SettingsInvalid: the tenant's template or words cannot be used.
        """
        material = Material(state, clean_line(title), began_at_ms, self._zone)
        if order.form is DocumentFormat.CSV:
            if order.kind is not Kind.MAIN_COURANTE:
                raise BadRequest("format=csv is for kind=main-courante")
            language = self._language(order, state)
            words = self._words(tenant, language)
            return to_csv(log_rows(material), words, language=language).encode()
        return _draw(self.compose(order, material, tenant), order.form, self._settings.fonts_dir)

    def compose(self, order: Order, material: Material, tenant: str) -> Document:
        """Return the document, not yet drawn; errors as in `make`."""
        language = self._language(order, material.state)
        words = self._words(tenant, language)
        values = values_for(
            order.kind,
            material,
            words,
            language=language,
            every_minutes=order.every_minutes,
            sources=order.sources,
        )
        folders = template_folders(self._settings.templates_dir, tenant, language)
        try:
            markup = render(order.kind, values, folders)
        except TemplateFailed as failed:
            raise SettingsInvalid(str(failed)) from None
        own = self._settings
        document = Document(
            title=values["title"] or _name(order.kind, words),
            language=language,
            blocks=read_markup(markup),
            marking=clean_line(order.marking)[:MAX_MARKING_CHARS]
            or clean_line(own.markings.get(tenant, "")),
            header=clean_line(own.headers.get(tenant, "")),
            footer=clean_line(own.footers.get(tenant, "")),
            words=words,
        )
        return replace(typeset(document), marking=document.marking)

    def words(self, tenant: str, language: str) -> Words:
        """Return the fixed words of a tenant's documents.

        Raises:
            SettingsInvalid: the tenant's file of words cannot be used.
        """
        return self._words(tenant, language)

    def draw(self, document: Document, form: DocumentFormat) -> bytes:
        """Return a document as a file."""
        return _draw(document, form, self._settings.fonts_dir)

    @property
    def zone(self) -> ZoneInfo | None:
        """Of dates and times; None = the machine's."""
        return self._zone

    def _language(self, order: Order, state: SessionState) -> str:
        written = state.minutes.language if state.minutes is not None else ""
        spoken = written or main_language(state)
        asked = canonical(order.language) or order.language if order.language else spoken
        if order.kind.needs_minutes and written and asked != written:
            raise BadRequest(
                f"the minutes of this session are in {written}: ask for that language, or name "
                "another one in minutes_language when a session starts"
            )
        return asked

    def _words(self, tenant: str, language: str) -> Words:
        folders = template_folders(self._settings.templates_dir, tenant, language)
        try:
            return read_words(language, folders[1::2])
        except ValueError as error:
            raise SettingsInvalid(f"words of documents: {error}") from None


def _name(kind: Kind, words: Words) -> str:
    return {
        Kind.COMPTE_RENDU: words.report,
        Kind.PROCES_VERBAL: words.proceedings,
        Kind.RELEVE_DE_DECISIONS: words.decisions_list,
        Kind.MAIN_COURANTE: words.radio_log,
        Kind.SITREP: words.sitrep,
        Kind.SUMMARY: words.plain_summary,
        Kind.DIGEST: words.digest,
        Kind.EMAIL: words.email,
        Kind.TRANSCRIPT: words.transcript,
    }[kind]


def _draw(document: Document, form: DocumentFormat, fonts_dir: Path | None) -> bytes:
    match form:
        case DocumentFormat.MD:
            return to_markdown(document).encode()
        case DocumentFormat.TXT | DocumentFormat.CSV:
            return to_text(document).encode()
        case DocumentFormat.HTML:
            return to_html(document).encode()
        case DocumentFormat.DOCX:
            from greffier_server.documents.docx import to_docx

            return to_docx(document)
        case DocumentFormat.PDF:
            from greffier_server.documents.pdf import to_pdf

            return to_pdf(document, fonts_dir=fonts_dir)
