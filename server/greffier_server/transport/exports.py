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
from greffier_server.core.state import SessionState
from greffier_server.documents.kinds import MEDIA_TYPES, DocumentFormat, Kind
from greffier_server.documents.press import MAX_MARKING_CHARS, Order, Press
from greffier_server.storage.store import SessionRow

__all__ = ["DOCUMENT_CONTENT", "Asked", "document_answer", "minutes_as_json", "to_be_asked"]

DOCUMENT_CONTENT: dict[str, Any] = {
    media.split(";")[0]: {"schema": {"type": "string", "format": "binary"}}
    for media in MEDIA_TYPES.values()
} | {"application/json": {"schema": {"type": "object"}}}
"""Of a route that answers with documents, for OpenAPI."""

_SAFE = {
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

    def make() -> bytes:
        # Documents quote the text that their minutes were written from.
        second = state.second_pass is not None and state.second_pass.finished is not None
        second = state.minutes_revised or (second and not state.minutes)
        quoted = shown(state, second=second)
        return press.make(
            order, quoted, tenant=row.tenant, title=row.title, began_at_ms=row.created_at_ms
        )

    made = await asyncio.to_thread(make)
    name = f"{_file_name(row.title or row.session)}-{order.kind.value}.{order.form.value}"
    headers = {**_SAFE, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(made, media_type=MEDIA_TYPES[order.form], headers=headers)


def minutes_as_json(state: SessionState) -> dict[str, Any]:
    """Return the minutes as data, with what they do not tell of."""
    assert state.minutes is not None  # noqa: S101 - the route has looked
    found = coverage(state.minutes, state)
    return {
        **cast("dict[str, Any]", to_plain(state.minutes)),
        "coverage": {
            "share": found.share,
            "spoken_ms": found.spoken_ms,
            "cited_ms": found.cited_ms,
            "uncited": [to_plain(passage) for passage in found.uncited],
        },
    }


def _file_name(title: str) -> str:
    """Return a name that every file system and every header takes."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-").lower()[:60] or "session"
