"""``POST /v1/audio/transcriptions`` and ``/v1/audio/translations``: a recording in, text out."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, Final, cast

from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from greffier.protocol import Caption, ServerMessage, Started
from greffier_models.errors import EngineError
from greffier_server.core.state import SessionState, fold
from greffier_server.errors import ServerError
from greffier_server.services import Services
from greffier_server.transport.auth import Gate
from greffier_server.transport.bodies import ModelBody, OpenAIModelBody
from greffier_server.transport.frames import closing
from greffier_server.transport.openai import answers
from greffier_server.transport.openai.errors import ParameterRefused, error_body, error_response
from greffier_server.transport.openai.form import Form, ResponseFormat, read_form
from greffier_server.transport.uploads import Uploads

__all__ = ["add_openai_routes"]

logger = logging.getLogger(__name__)

_PROTOCOL: Final = "openai-http"
_ENGLISH: Final = "en"
_GONE_STATUS: Final = 499
"""Nobody reads it: the client has left (nginx's number)."""
_TRANSLATABLE: Final = frozenset(ResponseFormat) - {ResponseFormat.DIARIZED_JSON}


class NoTranslation(ServerError):
    """What was said is not in English, and this server translates nothing."""

    code = "no_language_model"
    status = 501


class NoSuchModel(ServerError):
    """A model that is not loaded."""

    code = "model_not_found"
    status = 404


class _Route(APIRoute):
    """Answers every error in OpenAI's shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def safely(request: Request) -> Response:
            try:
                return await handle(request)
            except (ServerError, EngineError) as error:
                return error_response(error)
            except Exception as error:
                logger.error("request failed", exc_info=error)
                return error_response(ServerError("the server failed; its log says where"))

        return safely


_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "model": {"type": "string"},
                        "language": {"type": "string"},
                        "prompt": {"type": "string"},
                        "response_format": {"type": "string", "enum": list(ResponseFormat)},
                        "timestamp_granularities[]": {
                            "type": "array",
                            "items": {"type": "string", "enum": ["word", "segment"]},
                        },
                        "stream": {"type": "boolean"},
                    },
                }
            }
        },
    }
}
_OBJECT: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
_TEXT: dict[str, Any] = {"schema": {"type": "string"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {**_OBJECT, "text/plain": _TEXT, "text/event-stream": _TEXT}},
    400: {"description": "A field, or the recording, cannot be used.", "content": _OBJECT},
    401: {"description": "No token, or a wrong one.", "content": _OBJECT},
    413: {"description": "The recording is too large or too long.", "content": _OBJECT},
    501: {"description": "Not a thing this server does.", "content": _OBJECT},
    503: {"description": "No room now, or not ready.", "content": _OBJECT},
}
_audio = APIRouter(prefix="/v1/audio", tags=["openai"], route_class=_Route)
_models = APIRouter(prefix="/v1/models", tags=["openai"], route_class=_Route)


def add_openai_routes(app: FastAPI) -> None:
    """Add the routes; they find `Services`, `Gate` and `Uploads` in ``app.state``."""
    app.include_router(_audio)
    app.include_router(_models)


@_audio.post(
    "/transcriptions",
    summary="Transcribe a recording (OpenAI)",
    response_class=Response,
    responses=_ANSWERS,
    openapi_extra=_FILE,
)
async def transcribe(request: Request) -> Response:
    """As OpenAI's interface of this name; the recording becomes a session."""
    return await _serve(request, None)


@_audio.post(
    "/translations",
    summary="Translate a recording into English (OpenAI)",
    response_class=Response,
    responses=_ANSWERS,
    openapi_extra=_FILE,
)
async def translate(request: Request) -> Response:
    """As OpenAI's interface of this name; the recording becomes a session."""
    return await _serve(request, _ENGLISH)


@_models.get(
    "/{model:path}",
    summary="A model (OpenAI)",
    responses={
        404: {"description": "Not loaded here.", "content": _OBJECT},
        422: {"description": "Not a name.", "content": _OBJECT},
    },
)
async def get_model(request: Request, model: str) -> OpenAIModelBody:
    """As OpenAI's interface of this name."""
    cast("Gate", request.app.state.gate).tenant(request)
    services = cast("Services", request.app.state.services)
    if not any(
        known.name == model and known.hears for known in map(ModelBody.of, services.models())
    ):
        raise NoSuchModel("no such model is loaded; GET /v1/models names those that are")
    return OpenAIModelBody(id=model)


async def _serve(request: Request, language: str | None) -> Response:
    tenant = cast("Gate", request.app.state.gate).tenant(request)
    services = cast("Services", request.app.state.services)
    uploads = cast("Uploads", request.app.state.uploads)
    async with AsyncExitStack() as stack:
        stack.enter_context(uploads.place())
        fields, form = await read_form(request, uploads)
        stack.push_async_callback(fields.close)
        if language is not None and form.response_format not in _TRANSLATABLE:
            raise ParameterRefused("translations have no speakers", param="response_format")
        start = form.start(translate_to=() if language is None else (language,))
        messages = uploads.transcribe(tenant, form.recording, start, protocol=_PROTOCOL)
        stack.push_async_callback(messages.aclose)
        started = cast("Started", await anext(messages))
        headers = {"X-Greffier-Session": started.session}
        if form.stream and language is None:
            return StreamingResponse(
                _events(stack.pop_all(), messages, form),
                media_type="text/event-stream",
                headers={**headers, "Cache-Control": "no-cache"},
            )
        if not await _all(messages, request):
            return Response(status_code=_GONE_STATUS)
        async with closing(services.store.events(tenant, started.session)) as stored:
            records = [record async for record in stored]
        state = await asyncio.to_thread(fold, records)
        if language is not None:
            _check_translated(state, language)
        answer = await asyncio.to_thread(_answer, state, form, language)
        answer.headers.update(headers)
        return answer


async def _all(messages: AsyncIterator[ServerMessage], request: Request) -> bool:
    """Wait for the last message; False when the client left before."""

    async def read() -> None:
        async for _ in messages:
            pass

    async def leave() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    reading = asyncio.create_task(read(), name="read-upload")
    leaving = asyncio.create_task(leave(), name="client-leaves")
    try:
        await asyncio.wait({reading, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            reading.result()
            return True
        logger.info("client left before its recording was transcribed")
        return False
    finally:
        for task in (reading, leaving):
            task.cancel()
        await asyncio.gather(reading, leaving, return_exceptions=True)


def _answer(state: SessionState, form: Form, language: str | None) -> Response:
    match form.response_format:
        case ResponseFormat.TEXT:
            return PlainTextResponse(answers.text_of(state, language) + "\n")
        case ResponseFormat.SRT | ResponseFormat.VTT as kind:
            return PlainTextResponse(answers.subtitles(state, kind, language))
        case ResponseFormat.VERBOSE_JSON:
            return JSONResponse(
                answers.verbose(
                    state,
                    language=language,
                    words=form.words and language is None,  # they are of the speech
                    segments=form.segments,
                )
            )
        case ResponseFormat.DIARIZED_JSON:
            return JSONResponse(answers.diarized(state))
        case ResponseFormat.JSON:
            return JSONResponse(
                answers.plain(state, model=form.model, language=language, logprobs=form.logprobs)
            )


def _check_translated(state: SessionState, language: str) -> None:
    for segment in state.in_order():
        foreign = bool(segment.text) and segment.language != language
        if foreign and language not in segment.translations:
            raise NoTranslation(
                "this server has no language model and translates nothing; "
                "its owner can configure one (language_model)"
            )


async def _events(
    stack: AsyncExitStack, messages: AsyncGenerator[ServerMessage, None], form: Form
) -> AsyncGenerator[str, None]:
    """The answer as server-sent events; what `stack` holds is let go at the end."""
    said: list[str] = []
    heard: list[dict[str, Any]] = []
    segment = ""
    speakers = form.response_format is ResponseFormat.DIARIZED_JSON
    async with stack:
        try:
            async for message in messages:
                if not isinstance(message, Caption):
                    continue
                if message.committed:
                    text = message.committed if said else message.committed.lstrip()
                    said.append(text)
                    segment += message.committed
                    words = [answers.logprob(w.text, w.probability) for w in message.words]
                    heard += words if form.logprobs else []
                    yield _event(answers.delta(text, words if form.logprobs else None))
                if message.closed and speakers and segment.strip():
                    yield _event(
                        answers.segment_event(
                            message.segment,
                            segment.strip(),
                            start_ms=message.start_ms,
                            end_ms=message.end_ms,
                            speaker=message.speaker,
                        )
                    )
                segment = "" if message.closed else segment
            yield _event(answers.done("".join(said).rstrip(), heard if form.logprobs else None))
        except (ServerError, EngineError) as error:  # the status is sent already
            yield _event({"error": error_body(error)})
        yield "data: [DONE]\n\n"


def _event(event: dict[str, Any]) -> str:
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
