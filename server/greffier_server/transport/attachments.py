"""HTTP: a document summed up or translated by itself, with citations to page and paragraph."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, cast

from fastapi import APIRouter, FastAPI, Query, Request
from pydantic import BaseModel, ConfigDict

from greffier.protocol import Doubt, MinutesItem
from greffier_server.core.attached import document_language, withheld
from greffier_server.core.document_events import Paragraph
from greffier_server.documents.extraction import MAX_DOCUMENT_BYTES, DocumentTooLong, extract
from greffier_server.errors import UnknownLanguage
from greffier_server.pipeline.documents import DocumentReader, TranslatedParagraph
from greffier_server.services import Services
from greffier_server.transport.bodies import ErrorBody
from greffier_server.transport.http import Tenant
from greffier_server.transport.kept import SameSite
from greffier_server.transport.model_use import places_of, while_there
from greffier_server.transport.questions import (
    MODEL_REFUSALS,
    asked_language,
)

__all__ = ["DOCUMENT_BODY", "DocumentBody", "PlaceBody", "add_document_routes", "read_document"]

_MAX_WORK_CHARS: Final = 60_000
"""Of text in one request: a model on two cores needs some minutes for it."""
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    **MODEL_REFUSALS,
    413: {"model": ErrorBody, "description": "The document is too long."},
    422: {"model": ErrorBody, "description": "No text can be taken out of the document."},
}
_routes = APIRouter(prefix="/v1", tags=["documents"], responses=_REFUSALS)
DOCUMENT_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class PlaceBody(_Body):
    """A paragraph of the document."""

    page: int
    """From 1; 0 = the format has no pages."""
    paragraph: int
    """From 1, through the whole document."""
    text: str

    @classmethod
    def of(cls, one: Paragraph) -> "PlaceBody":
        """Publish a paragraph."""
        return cls(page=one.page, paragraph=one.number, text=one.text)


class SummarySentenceBody(_Body):
    """A sentence of the summary."""

    text: str
    verified: bool
    """False: the paragraphs bear it out in part; read them."""
    cites: tuple[PlaceBody, ...]

    @classmethod
    def of(cls, item: MinutesItem, paragraphs: Sequence[Paragraph]) -> "SummarySentenceBody":
        """Publish a sentence."""
        cites = tuple(PlaceBody.of(paragraphs[cite - 1]) for cite in item.cites)
        return cls(text=item.text, verified=item.verified, cites=cites)


class DoubtBody(_Body):
    """Something of a translation that does not agree with its source."""

    kind: str
    source: str
    target: str

    @classmethod
    def of(cls, doubt: Doubt) -> "DoubtBody":
        """Publish a doubt."""
        return cls(kind=doubt.kind, source=doubt.source, target=doubt.target)


class TranslatedBody(_Body):
    """A paragraph and its translation."""

    source: PlaceBody
    text: str
    """Empty where no translation came that can be shown."""
    doubts: tuple[DoubtBody, ...]

    @classmethod
    def of(cls, one: TranslatedParagraph) -> "TranslatedBody":
        """Publish a paragraph."""
        doubts = tuple(map(DoubtBody.of, one.doubts))
        return cls(source=PlaceBody.of(one.paragraph), text=one.text, doubts=doubts)


class DocumentBody(_Body):
    """What was made of a document."""

    task: Literal["summary", "translation"]
    source: str
    """Language of the document."""
    language: str
    pages: int
    """0 = the format has no pages."""
    paragraphs: int
    sentences: tuple[SummarySentenceBody, ...] = ()
    """Of a summary."""
    translations: tuple[TranslatedBody, ...] = ()
    """Of a translation, in order."""
    failed: tuple[int, ...] = ()
    """Paragraphs that the model could not sum up."""
    withheld: tuple[PlaceBody, ...] = ()
    """Paragraphs that tell the writer of a summary what to write; nothing was taken from them."""


def add_document_routes(app: FastAPI) -> None:
    """Add the route; it finds `Services` and `Gate` in ``app.state``."""
    app.include_router(_routes)


@_routes.post(
    "/documents",
    summary="Sum up or translate a document",
    dependencies=[SameSite],
    openapi_extra=DOCUMENT_BODY,
)
async def post_document(
    request: Request,
    tenant: Tenant,
    task: Annotated[Literal["summary", "translation"], Query(description="What to do.")],
    language: Annotated[
        str | None, Query(max_length=16, description="Of the result; the document's when absent.")
    ] = None,
    source: Annotated[
        str | None,
        Query(max_length=16, description="Of the document; found where it is French or English."),
    ] = None,
) -> DocumentBody:
    """The body is a PDF, DOCX, Markdown or text file; nothing of it is kept."""
    wanted, given = asked_language(language), asked_language(source)
    content = await read_document(request)
    services = cast("Services", request.app.state.services)
    places = places_of(request)

    async def made() -> DocumentBody:
        async with places.place(tenant):
            return await _made(services, tenant, content, task, given, wanted)

    return await while_there(request, made()) or DocumentBody(
        task=task, source="", language="", pages=0, paragraphs=0
    )


async def _made(
    services: Services,
    tenant: str,
    content: bytes,
    task: Literal["summary", "translation"],
    given: str | None,
    wanted: str | None,
) -> DocumentBody:
    paragraphs = await extract(content)
    if sum(len(one.text) for one in paragraphs) > _MAX_WORK_CHARS:
        raise DocumentTooLong(
            f"a document to sum up or translate has at most {_MAX_WORK_CHARS:,} characters of "
            "text; send it in parts"
        )
    source = given or document_language(paragraphs, "")
    if not source:
        raise UnknownLanguage("the document's language does not show; name it as source")
    target = wanted or source
    reader = DocumentReader(services.generator)
    made = DocumentBody(
        task=task,
        source=source,
        language=target,
        pages=paragraphs[-1].page,
        paragraphs=len(paragraphs),
    )
    if task == "translation":
        glossaries = services.glossaries
        terms = await glossaries.terms(tenant) if glossaries is not None else ()
        done = await reader.translate(paragraphs, source=source, language=target, glossary=terms)
        return made.model_copy(update={"translations": tuple(map(TranslatedBody.of, done))})
    summary = await reader.summarise(paragraphs, source=source, language=target)
    return made.model_copy(
        update={
            "sentences": tuple(
                SummarySentenceBody.of(item, paragraphs) for item in summary.sentences
            ),
            "failed": summary.failed,
            "withheld": tuple(map(PlaceBody.of, withheld(paragraphs))),
        }
    )


async def read_document(request: Request) -> bytes:
    """Return the body of a request.

    Raises:
        DocumentTooLong: it is larger than documents may be.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_DOCUMENT_BYTES:
            raise DocumentTooLong(f"a document has at most {MAX_DOCUMENT_BYTES >> 20} MiB")
    return bytes(body)
