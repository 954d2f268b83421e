"""HTTP: what was said and the minutes of it as documents of several kinds and formats.

The routes are those of `http`, which knows the texts that are no documents; this is what they do
when another format is asked for.
"""

import asyncio
import re
import unicodedata
from typing import Annotated, Any, cast

from fastapi import Depends, Query, Request
from starlette.responses import Response

from greffier.plain import to_plain
from greffier_server.core.corrections import shown
from greffier_server.core.coverage import coverage
from greffier_server.core.languages import canonical
from greffier_server.core.minutes_translation import (
    MinutesTranslation,
    item_texts,
    minutes_texts,
    notes_texts,
)
from greffier_server.core.state import SessionState
from greffier_server.documents.kinds import MEDIA_TYPES, DocumentFormat, Kind
from greffier_server.documents.press import MAX_MARKING_CHARS, Order, Press
from greffier_server.errors import UnknownLanguage
from greffier_server.pipeline.minutes_translating import MinutesTranslating
from greffier_server.services import Services
from greffier_server.storage.store import SessionRow
from greffier_server.transport.model_use import places_of, while_there

__all__ = [
    "DOCUMENT_CONTENT",
    "SAFE_DOCUMENT",
    "Asked",
    "document_answer",
    "file_name",
    "minutes_as_json",
    "minutes_translation",
    "to_be_asked",
]

DOCUMENT_CONTENT: dict[str, Any] = {
    media.split(";")[0]: {"schema": {"type": "string", "format": "binary"}}
    for media in MEDIA_TYPES.values()
} | {"application/json": {"schema": {"type": "object"}}}
"""Of a route that answers with documents, for OpenAPI."""

SAFE_DOCUMENT = {
    # A page that somebody's words stand in: no scripts, no requests, no place of ours.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}


class Asked:
    """What the query says of a document, but for its format."""

    def __init__(
        self,
        kind: Annotated[
            Kind | None, Query(description="Which document; the minutes when absent.")
        ] = None,
        language: Annotated[
            str | None,
            Query(
                pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$", description="Language of the document."
            ),
        ] = None,
        marking: Annotated[
            str,
            Query(
                max_length=MAX_MARKING_CHARS,
                description="Classification marking on each page; the tenant's own when absent.",
            ),
        ] = "",
        every_minutes: Annotated[
            int, Query(ge=1, le=240, description="Length of a digest's stretches.")
        ] = 10,
        sources: Annotated[
            bool, Query(description="Add the passages that sentences rest on.")
        ] = False,
    ) -> None:
        self.kind = kind
        self.language = language
        self.marking = marking
        self.every_minutes = every_minutes
        self.sources = sources

    def order(self, form: DocumentFormat) -> Order:
        """Return it as the press takes it."""
        return Order(
            self.kind or (Kind.MAIN_COURANTE if form is DocumentFormat.CSV else Kind.COMPTE_RENDU),
            form,
            self.language,
            self.marking,
            self.every_minutes,
            self.sources,
        )


to_be_asked = Depends(Asked)


async def document_answer(
    request: Request, order: Order, row: SessionRow, state: SessionState
) -> Response:
    """Answer with the document, named after the session's title.

    Raises:
        BadRequest, SettingsInvalid.
    """
    press = cast("Press", request.app.state.press)
    # Documents quote the text that their minutes were written from.
    second = state.second_pass is not None and state.second_pass.finished is not None
    second = state.minutes_revised or (second and not state.minutes)
    quoted = await asyncio.to_thread(shown, state, second=second)
    translation = await minutes_translation(request, row, quoted, order.language, order.kind)
    made = await asyncio.to_thread(
        press.make,
        order,
        quoted,
        tenant=row.tenant,
        title=row.title,
        began_at_ms=row.created_at_ms,
        translation=translation,
    )
    name = f"{file_name(row.title or row.session)}-{order.kind.value}.{order.form.value}"
    headers = {**SAFE_DOCUMENT, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(made, media_type=MEDIA_TYPES[order.form], headers=headers)


async def minutes_translation(
    request: Request,
    row: SessionRow,
    state: SessionState,
    language: str | None,
    kind: Kind = Kind.COMPTE_RENDU,
) -> MinutesTranslation | None:
    """Return what a document has in another language than its minutes; None = it needs nothing.

    What is missing is translated now, and kept with the session.

    Raises:
        UnknownLanguage, LanguageModelOff, QuestionRunning, EngineError, ServerError.
    """
    if language is None or kind is Kind.TRANSCRIPT:
        return None
    target = canonical(language)
    if target is None:
        raise UnknownLanguage("language is not a language code this server knows")
    if kind is Kind.DIGEST or state.minutes is None:
        source, texts = await asyncio.to_thread(notes_texts, state)
    elif kind is Kind.MAIN_COURANTE:
        source = state.minutes.language
        texts = item_texts([*state.minutes.actions, *state.minutes.decisions, *state.minutes.annex])
    else:
        source, texts = state.minutes.language, minutes_texts(state.minutes)
    services = cast("Services", request.app.state.services)
    if not texts or source == target or services.archive is None:
        return None
    translating = MinutesTranslating(
        services.generator, services.archive.editor, places=places_of(request)
    )
    work = translating.complete(row.tenant, row.session, state, texts, source=source, target=target)
    return await while_there(request, work)


def minutes_as_json(
    state: SessionState, translation: MinutesTranslation | None = None
) -> dict[str, Any]:
    """Return the minutes as data, with what they do not tell of."""
    assert state.minutes is not None  # noqa: S101 - the route has looked
    found = coverage(state.minutes, state)
    minutes, told = state.minutes, dict[str, Any]()
    if translation is not None:
        minutes = translation.minutes(minutes)
        told["translation"] = {
            "source": translation.source,
            "sentences": [
                to_plain(translation.known[text])
                for text in dict.fromkeys(minutes_texts(state.minutes))
                if text in translation.known
            ],
        }
    return {
        **cast("dict[str, Any]", to_plain(minutes)),
        **told,
        "dated": state.minutes_dated,
        "coverage": {
            "share": found.share,
            "spoken_ms": found.spoken_ms,
            "cited_ms": found.cited_ms,
            "uncited": [to_plain(passage) for passage in found.uncited],
        },
    }


def file_name(title: str) -> str:
    """Return a name that every file system and every header takes."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-").lower()[:60] or "session"
