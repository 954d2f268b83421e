"""HTTP: sessions and what was written of them."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path, Query, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from greffier_server.core import captions
from greffier_server.core.captions_ass import to_ass
from greffier_server.core.captions_ttml import to_ttml
from greffier_server.core.corrections import shown
from greffier_server.core.records import encode_record
from greffier_server.core.revisions import revised
from greffier_server.core.state import SessionState, fold
from greffier_server.documents.kinds import DocumentFormat
from greffier_server.errors import SessionNotFound
from greffier_server.services import Services
from greffier_server.storage.store import SessionRow
from greffier_server.transport.bodies import (
    SecondPassBody,
    SessionBody,
    SessionList,
)
from greffier_server.transport.condition import add_condition_routes
from greffier_server.transport.exports import (
    DOCUMENT_CONTENT,
    Asked,
    document_answer,
    minutes_as_json,
    minutes_translation,
    to_be_asked,
)
from greffier_server.transport.frames import closing
from greffier_server.transport.parameters import REFUSALS, Parts, SessionId, Tenant
from greffier_server.transport.refusals import (
    NoMinutes,
    NoSecondPass,
    NoSecondReader,
    NotTranslated,
)
from greffier_server.transport.second_pass import second_pass_of

__all__ = ["CaptionFormat", "MinutesFormat", "Parts", "SessionId", "Tenant", "add_http_routes"]


class CaptionFormat(StrEnum):
    """How captions are written."""

    SRT = "srt"
    VTT = "vtt"
    TXT = "txt"
    JSON = "json"
    ASS = "ass"
    TTML = "ttml"


class Revision(StrEnum):
    """Which reading of the recording."""

    LIVE = "live"
    SECOND = "second"


class MinutesFormat(StrEnum):
    """How minutes are written."""

    JSON = "json"
    MD = "md"
    TXT = "txt"
    HTML = "html"
    DOCX = "docx"
    PDF = "pdf"
    CSV = "csv"


_WRITERS: dict[CaptionFormat, tuple[str, Callable[[SessionState, str | None], str]]] = {
    CaptionFormat.SRT: ("application/x-subrip", captions.to_srt),
    CaptionFormat.VTT: ("text/vtt", captions.to_vtt),
    CaptionFormat.TXT: ("text/plain", captions.to_txt),
    CaptionFormat.ASS: ("text/x-ssa", to_ass),
    CaptionFormat.TTML: ("application/ttml+xml", to_ttml),
}
_MAX_PAGE = 200
_MAX_EVENTS = 10_000
_MAX_SEQ = (1 << 53) - 1
Language = Annotated[
    str, Path(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$", description="Language code.")
]
Seq = Annotated[int, Query(ge=0, le=_MAX_SEQ, description="Events after this one.")]
Format = Annotated[CaptionFormat, Query(alias="format", description="How it is written.")]
_TEXTS: dict[str, Any] = {
    media: {"schema": {"type": "string"}} for media, _ in _WRITERS.values()
} | {"application/json": {"schema": {"type": "object"}}}


def add_http_routes(app: FastAPI) -> None:
    """Add every route; they find `Services` and `Gate` in ``app.state``."""
    app.include_router(_sessions)
    app.include_router(_texts)
    add_condition_routes(app)


_sessions = APIRouter(prefix="/v1/sessions", tags=["sessions"], responses=REFUSALS)
_texts = APIRouter(prefix="/v1/sessions/{session}", tags=["texts"], responses=REFUSALS)


@_sessions.get("", summary="List sessions")
async def list_sessions(
    tenant: Tenant,
    parts: Parts,
    limit: Annotated[int, Query(ge=1, le=_MAX_PAGE, description="Sessions on a page.")] = 50,
    before_ms: Annotated[
        int | None, Query(ge=0, le=_MAX_SEQ, description="Created before (ms since the epoch).")
    ] = None,
) -> SessionList:
    """Newest first; go on with `next_before_ms`."""
    rows = await parts.store.list(tenant, limit=limit, before_ms=before_ms)
    last = rows[-1].created_at_ms if len(rows) >= limit else None
    return SessionList(sessions=tuple(map(SessionBody.of, rows)), next_before_ms=last)


@_sessions.get("/{session}", summary="One session")
async def get_session(tenant: Tenant, parts: Parts, session: SessionId) -> SessionBody:
    """State, languages and length."""
    return SessionBody.of(await _row(parts, tenant, session))


@_sessions.delete("/{session}", status_code=204, summary="Delete a session")
async def delete_session(tenant: Tenant, parts: Parts, session: SessionId) -> None:
    """End it if it is live, then delete its events and its audio."""
    await parts.desk.delete(tenant, session)


@_texts.get(
    "/captions",
    summary="What was said",
    response_class=Response,
    responses={200: {"content": _TEXTS}},
)
async def get_captions(
    tenant: Tenant,
    parts: Parts,
    session: SessionId,
    kind: Format = CaptionFormat.VTT,
    revision: Annotated[
        Revision | None, Query(description="Which reading; the second where there is one.")
    ] = None,
    corrections: Annotated[
        bool, Query(description="As editors have corrected it; else as it was recognised.")
    ] = True,
) -> Response:
    """Committed text so far, as subtitles, text or data."""
    _, state = await _state(parts, tenant, session)
    second = state.second_pass is not None and state.second_pass.finished is not None
    if revision is Revision.SECOND and not second:
        raise NoSecondPass("the session was not read a second time, or not yet")
    if revision is Revision.LIVE:
        second = False
    if corrections:
        state = await asyncio.to_thread(shown, state, second=second)
    elif second:
        state = await asyncio.to_thread(revised, state)
    if kind is CaptionFormat.JSON:
        written = await asyncio.to_thread(captions.to_json, state)
        return JSONResponse({**written, "revision": "second" if second else "live"})
    return await _written(state, None, kind)


@_texts.get(
    "/translations/{language}",
    summary="What was said, in another language",
    response_class=Response,
    responses={200: {"content": _TEXTS}},
)
async def get_translation(
    tenant: Tenant,
    parts: Parts,
    session: SessionId,
    language: Language,
    kind: Format = CaptionFormat.VTT,
) -> Response:
    """Translated text so far, as subtitles, text or data."""
    row, state = await _state(parts, tenant, session)
    translated = any(language in segment.translations for segment in state.segments.values())
    if not translated and language not in row.translate_to:
        raise NotTranslated(
            "the session is not translated into this language; "
            "name it in translate_to when the session starts"
        )
    state = await asyncio.to_thread(shown, state, second=False)
    if kind is CaptionFormat.JSON:
        return JSONResponse(_translation(state, language))
    return await _written(state, language, kind)


@_texts.get(
    "/minutes",
    summary="The minutes",
    response_class=Response,
    responses={200: {"content": DOCUMENT_CONTENT}},
)
async def get_minutes(
    request: Request,
    tenant: Tenant,
    parts: Parts,
    session: SessionId,
    kind: Annotated[
        MinutesFormat, Query(alias="format", description="How they are written.")
    ] = MinutesFormat.JSON,
    asked: Asked = to_be_asked,
) -> Response:
    """Each sentence with the segments it rests on; as a document of any kind and format."""
    row, state = await _state(parts, tenant, session)
    order = None if kind is MinutesFormat.JSON else asked.order(DocumentFormat(kind.value))
    if state.minutes is None and (order is None or order.kind.needs_minutes):
        done = row.state == "finished"
        raise NoMinutes(
            "the session has no minutes" if done else "the minutes are written when it has ended"
        )
    if order is not None:
        return await document_answer(request, order, row, state)
    seen = await asyncio.to_thread(shown, state)
    translation = await minutes_translation(request, row, seen, asked.language)
    return JSONResponse(await asyncio.to_thread(minutes_as_json, seen, translation))


@_texts.post("/second-pass", status_code=202, summary="Read the recording again")
async def ask_second_pass(
    tenant: Tenant,
    parts: Parts,
    session: SessionId,
    minutes: Annotated[bool, Query(description="Write the minutes anew from it.")] = False,
) -> SecondPassBody:
    """Queued; begun when no session is live. Ask with GET what became of it."""
    if parts.second_pass is None:
        raise NoSecondReader("this server makes no second passes")
    await parts.second_pass.ask(tenant, session, minutes=minutes)
    return SecondPassBody(session=session, state="queued")


@_texts.get("/second-pass", summary="What became of the second pass")
async def get_second_pass(tenant: Tenant, parts: Parts, session: SessionId) -> SecondPassBody:
    """The newest outcome on record."""
    await _row(parts, tenant, session)
    async with closing(parts.store.events(tenant, session)) as records:
        return await second_pass_of(session, records)


@_texts.get(
    "/events",
    summary="The event log",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
async def get_events(
    tenant: Tenant,
    parts: Parts,
    session: SessionId,
    after: Seq = 0,
    limit: Annotated[int, Query(ge=1, le=_MAX_EVENTS, description="Events at most.")] = _MAX_EVENTS,
) -> StreamingResponse:
    """Stored events, one canonical JSON object a line, as the hash chain is computed over them."""
    await _row(parts, tenant, session)
    lines = _event_lines(parts, tenant, session, after=after, limit=limit)
    first = await anext(lines, "")  # what cannot be read is said before the answer has begun
    return StreamingResponse(_behind(first, lines), media_type="application/x-ndjson")


async def _row(parts: Services, tenant: str, session: str) -> SessionRow:
    row = await parts.store.get(tenant, session)
    if row is None:
        raise SessionNotFound("no such session")
    return row


async def _state(parts: Services, tenant: str, session: str) -> tuple[SessionRow, SessionState]:
    row = await _row(parts, tenant, session)
    async with closing(parts.store.events(tenant, session)) as stored:
        records = [record async for record in stored]
    return row, await asyncio.to_thread(fold, records)


async def _event_lines(
    parts: Services, tenant: str, session: str, *, after: int, limit: int
) -> AsyncGenerator[str, None]:
    async with closing(parts.store.events(tenant, session, after=after)) as records:
        async for record in records:
            yield encode_record(record) + "\n"
            limit -= 1
            if limit == 0:
                return


async def _behind(first: str, lines: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    async with closing(lines):
        yield first
        async for line in lines:
            yield line


async def _written(state: SessionState, language: str | None, kind: CaptionFormat) -> Response:
    media_type, write = _WRITERS[kind]
    text = await asyncio.to_thread(write, state, language)
    return PlainTextResponse(text, media_type=media_type)


def _translation(state: SessionState, language: str) -> dict[str, Any]:
    segments = [
        {
            "id": segment.id,
            "start": segment.start_ms / 1000,
            "end": segment.end_ms / 1000,
            "text": translated.text.strip(),
            "closed": translated.closed,
        }
        for segment in state.in_order()
        if (translated := segment.translations.get(language)) is not None
    ]
    return {"language": language, "segments": segments}
