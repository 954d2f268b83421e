"""HTTP: documents of a session: an agenda, a briefing; attached, listed, read, taken back."""

import asyncio
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, FastAPI, Path, Query, Request
from pydantic import BaseModel, ConfigDict

from greffier.protocol import GlossaryTerm
from greffier_server.core.attached import withheld
from greffier_server.core.events import DocumentAttached
from greffier_server.pipeline.attaching import DocumentNotFound, Offered, Purpose, attach, detach
from greffier_server.transport.attachments import DOCUMENT_BODY, PlaceBody, read_document
from greffier_server.transport.bodies import ErrorBody
from greffier_server.transport.kept import REFUSALS, Kept, SameSite
from greffier_server.transport.parameters import SessionId, Tenant

__all__ = ["AttachmentBody", "add_attachment_routes"]

_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    **REFUSALS,
    413: {"model": ErrorBody, "description": "The document is too long."},
    422: {"model": ErrorBody, "description": "No text can be taken out of the document."},
}
_READERS: Final = 2
"""Documents read at once, each by a process of its own; others wait."""
_routes = APIRouter(
    prefix="/v1/sessions/{session}/attachments", tags=["documents"], responses=_REFUSALS
)

Number = Annotated[int, Path(ge=1, le=9_999, description="Of the document in its session.")]
Who = Annotated[str, Query(max_length=80, description="Name of whoever does it.")]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class AgendaItemBody(_Body):
    """A point of an agenda."""

    number: str
    title: str
    page: int
    """From 1; 0 = the document has no pages."""
    paragraph: int


class TermBody(_Body):
    """A name or abbreviation that the document has."""

    term: str
    kept: bool
    """It stays as it is in translations."""

    @classmethod
    def of(cls, term: GlossaryTerm) -> "TermBody":
        """Publish a term."""
        return cls(term=term.term, kept=term.do_not_translate)


class AttachmentBody(_Body):
    """A document of a session."""

    number: int
    name: str
    who: str
    digest: str
    """SHA-256 of the file, hexadecimal; the file itself is not kept."""
    size_bytes: int
    pages: int
    """0 = the format has no pages."""
    paragraphs: int
    language: str
    """Empty where it does not show."""
    terms: tuple[TermBody, ...]
    """Listened for, behind the session's own glossary."""
    agenda: tuple[AgendaItemBody, ...]
    """Points that the minutes go by; none where the document is no agenda."""
    withheld: int
    """Paragraphs that tell the writer of minutes what to write: nothing is taken from them."""

    @classmethod
    def of(cls, event: DocumentAttached) -> "AttachmentBody":
        """Publish a document."""
        return cls(
            number=event.number,
            name=event.name,
            who=event.who,
            digest=event.digest,
            size_bytes=event.size_bytes,
            pages=event.pages,
            paragraphs=len(event.paragraphs),
            language=event.language,
            terms=tuple(map(TermBody.of, event.terms)),
            agenda=tuple(
                AgendaItemBody(
                    number=item.number,
                    title=item.title,
                    page=item.page,
                    paragraph=item.paragraph,
                )
                for item in event.agenda
            ),
            withheld=len(withheld(event.paragraphs)),
        )


class AttachmentText(AttachmentBody):
    """A document of a session with its text."""

    text: tuple[PlaceBody, ...]


class AttachmentList(_Body):
    """The documents of a session, in the order they came."""

    attachments: tuple[AttachmentBody, ...]


def add_attachment_routes(app: FastAPI) -> None:
    """Add the routes; they find `Services` and `Gate` in ``app.state``."""
    app.state.readers_of_documents = asyncio.Semaphore(_READERS)
    app.include_router(_routes)


@_routes.post(
    "",
    status_code=201,
    summary="Attach a document",
    dependencies=[SameSite],
    openapi_extra=DOCUMENT_BODY,
)
async def post_attachment(
    request: Request,
    tenant: Tenant,
    kept: Kept,
    session: SessionId,
    name: Annotated[str, Query(min_length=1, max_length=200, description="Of the file.")],
    who: Who = "",
    purpose: Annotated[
        Purpose, Query(description="``auto``: an agenda if its name or a heading says so.")
    ] = "auto",
) -> AttachmentBody:
    """The body is a PDF, DOCX, Markdown or text file; live or finished.

    Its text is on record with the session and goes with it; the file itself is not kept.
    """
    await kept.shelf.state(tenant, session)  # before the work, and before the body is read
    async with cast("asyncio.Semaphore", request.app.state.readers_of_documents):
        offered = Offered(await read_document(request), name, who, purpose)
        record = await attach(kept.editor, tenant, session, offered)
    assert isinstance(record.event, DocumentAttached)  # noqa: S101 - what `attach` records
    return AttachmentBody.of(record.event)


@_routes.get("", summary="The documents of a session")
async def get_attachments(tenant: Tenant, kept: Kept, session: SessionId) -> AttachmentList:
    """Those attached, without their text."""
    now = await kept.shelf.state(tenant, session)
    return AttachmentList(attachments=tuple(map(AttachmentBody.of, now.state.documents)))


@_routes.get("/{number}", summary="A document of a session")
async def get_attachment(
    tenant: Tenant, kept: Kept, session: SessionId, number: Number
) -> AttachmentText:
    """With its text, paragraph by paragraph."""
    now = await kept.shelf.state(tenant, session)
    for event in now.state.documents:
        if event.number == number:
            told = AttachmentBody.of(event)
            text = tuple(map(PlaceBody.of, event.paragraphs))
            return AttachmentText(**dict(told), text=text)
    raise DocumentNotFound("no such document is attached to the session")


@_routes.delete(
    "/{number}", status_code=204, summary="Take a document back", dependencies=[SameSite]
)
async def delete_attachment(
    tenant: Tenant, kept: Kept, session: SessionId, number: Number, who: Who = ""
) -> None:
    """Nothing comes of it from then on; its text stays in the session's log until that goes."""
    await detach(kept.editor, tenant, session, number, who=who)
