"""HTTP: one report of several sessions, each sentence with its session and place."""

import asyncio
from enum import StrEnum
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, FastAPI, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from greffier.protocol import MinutesItem
from greffier_server.core.synthesis import MAX_SESSIONS, Synthesis, place_of
from greffier_server.documents.kinds import MEDIA_TYPES, DocumentFormat
from greffier_server.documents.press import MAX_MARKING_CHARS, Press
from greffier_server.documents.synthesis import draw_synthesis
from greffier_server.errors import BadRequest
from greffier_server.pipeline.minutes_translating import MinutesTranslating
from greffier_server.pipeline.synthesising import Synthesising
from greffier_server.services import Services
from greffier_server.transport.exports import DOCUMENT_CONTENT, SAFE_DOCUMENT, file_name
from greffier_server.transport.kept import Kept, SameSite
from greffier_server.transport.model_use import places_of, while_there
from greffier_server.transport.parameters import Tenant
from greffier_server.transport.questions import MODEL_REFUSALS, CitationBody, asked_language

__all__ = ["SynthesisBody", "add_synthesis_routes"]

_routes = APIRouter(prefix="/v1", tags=["texts"], responses=MODEL_REFUSALS)

SessionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class SynthesisFormat(StrEnum):
    """How the report is written."""

    JSON = "json"
    MD = "md"
    TXT = "txt"
    HTML = "html"
    DOCX = "docx"
    PDF = "pdf"


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class SynthesisRequest(_Body):
    """What the report is to be of."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    sessions: tuple[SessionName, ...] = Field(min_length=2, max_length=MAX_SESSIONS)
    language: str | None = Field(default=None, max_length=16)
    """Of the report; that of the first session's minutes when absent."""
    title: str = Field(default="", max_length=200)
    marking: str = Field(default="", max_length=MAX_MARKING_CHARS)
    """Classification marking on each page; the tenant's own when empty."""


class ReportSentence(_Body):
    """A sentence and what it rests on."""

    text: str
    verified: bool
    """False: the passages bear it out in part; read them."""
    cites: tuple[CitationBody, ...]
    who: str | None = None
    due: str | None = None
    status: Literal["open", "done"] | None = None
    """Of an action, as the latest session tells."""


class DecisionBody(ReportSentence):
    """A decision as it stands in the end."""

    before: tuple[ReportSentence, ...] = ()
    """Those that it took the place of, oldest first."""


class SessionOfReport(_Body):
    """A session of the report."""

    session: str
    title: str
    began_at_ms: int
    minutes: bool
    """False: it has none, and its decisions and actions are quotations found by rule."""
    sentences: tuple[ReportSentence, ...]
    """What it was about."""


class SynthesisBody(_Body):
    """The report."""

    language: str
    title: str
    sessions: tuple[SessionOfReport, ...]
    """By when they began."""
    summary: tuple[ReportSentence, ...]
    decisions: tuple[DecisionBody, ...]
    actions: tuple[ReportSentence, ...]
    questions: tuple[ReportSentence, ...]
    """That no later session decided."""
    failures: tuple[str, ...]
    """Codes of what the language model could not do; the rest stands."""

    @classmethod
    def of(cls, made: Synthesis) -> "SynthesisBody":
        """Publish a report."""

        def told(item: MinutesItem) -> dict[str, Any]:
            return {
                "text": item.text,
                "verified": item.verified,
                "cites": tuple(
                    _citation(made, cite) for cite in item.cites if cite in made.segments
                ),
                "who": item.who,
                "due": item.due,
                "status": item.status,
            }

        def all_of(items: tuple[MinutesItem, ...]) -> tuple[ReportSentence, ...]:
            return tuple(ReportSentence(**told(item)) for item in items)

        return cls(
            language=made.language,
            title=made.title,
            sessions=tuple(
                SessionOfReport(
                    session=part.session,
                    title=part.title,
                    began_at_ms=part.began_at_ms,
                    minutes=part.state.minutes is not None,
                    sentences=all_of(chapter.summary),
                )
                for part, chapter in zip(made.parts, made.course, strict=True)
            ),
            summary=all_of(made.summary),
            decisions=tuple(
                DecisionBody(**told(change.item), before=all_of(change.before))
                for change in made.decisions
            ),
            actions=all_of(made.actions),
            questions=all_of(made.questions),
            failures=made.failures,
        )


def _citation(made: Synthesis, cite: int) -> CitationBody:
    place, number = place_of(cite)
    segment = made.segments[cite]
    return CitationBody(
        session=made.parts[place].session,
        segment=number,
        start_ms=segment.start_ms,
        end_ms=segment.end_ms,
        speaker=segment.speaker or "",
        language=segment.language,
        text=segment.text,
    )


def add_synthesis_routes(app: FastAPI) -> None:
    """Add the route; it finds `Services` and `Gate` in ``app.state``."""
    app.include_router(_routes)


@_routes.post(
    "/synthesis",
    summary="Sum up several sessions in one report",
    dependencies=[SameSite],
    response_model=SynthesisBody,
    responses={200: {"content": DOCUMENT_CONTENT}},
)
async def post_synthesis(
    request: Request,
    tenant: Tenant,
    kept: Kept,
    body: SynthesisRequest,
    form: Annotated[
        SynthesisFormat, Query(alias="format", description="How it is written.")
    ] = SynthesisFormat.JSON,
) -> Response:
    """What was decided in the end, what became of actions, what is open; nothing is kept."""
    if len(set(body.sessions)) != len(body.sessions):
        raise BadRequest("a session is named twice")
    services = cast("Services", request.app.state.services)
    places = places_of(request)
    translating = MinutesTranslating(services.generator, kept.editor, places=places)
    making = Synthesising(services.generator, kept.shelf, translating, places=places)
    work = making.make(
        tenant,
        body.sessions,
        language=asked_language(body.language),
        title=" ".join(body.title.split()),
    )
    made = await while_there(request, work)
    if made is None:  # nobody is there to read it
        return Response(status_code=499)
    if form is SynthesisFormat.JSON:
        told = await asyncio.to_thread(lambda: SynthesisBody.of(made).model_dump(mode="json"))
        return JSONResponse(told)
    drawn = DocumentFormat(form.value)
    press = cast("Press", request.app.state.press)
    content = await asyncio.to_thread(
        draw_synthesis, press, made, drawn, tenant=tenant, marking=body.marking
    )
    name = f"{file_name(made.title)}-synthesis.{form.value}"
    headers = {**SAFE_DOCUMENT, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=MEDIA_TYPES[drawn], headers=headers)
