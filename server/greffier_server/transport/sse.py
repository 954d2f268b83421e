"""HTTP: a session as server-sent events, for whoever has no WebSocket (browsers' EventSource).

The events' data are the native messages, their ids the sequence numbers (HTML Standard §9.2).
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi import Path as PathParameter
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from greffier.codec import encode
from greffier.protocol import Error, Watch
from greffier_models.errors import EngineError
from greffier_server.core.events import SessionFinished
from greffier_server.errors import MalformedMessage, ServerError
from greffier_server.storage.store import SessionStore
from greffier_server.telemetry import bind_session
from greffier_server.transport.answers import error_answer
from greffier_server.transport.bodies import ErrorBody
from greffier_server.transport.broadcast import Broadcasts, Line
from greffier_server.transport.cross_origin import cross_origin
from greffier_server.transport.frames import closing
from greffier_server.transport.greeting import check_watch
from greffier_server.transport.guest import Doorway
from greffier_server.transport.stopping import Connections

__all__ = ["EventStream", "add_sse_routes"]

logger = logging.getLogger(__name__)

_RETRY: Final = b"retry: 2000\n\n"
"""Milliseconds until a browser comes back; the first answer, so that it need not wait for one."""
_BEAT: Final = b": \n\n"
_GOODBYE_S: Final = 2.0
_MAX_SEQ: Final = (1 << 53) - 1
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold the events back
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": description}
    for status, description in {
        400: "A parameter cannot be understood.",
        401: "No token was given.",
        403: "Not this token, or a page of another site.",
        404: "No such session.",
        421: "Not a name of this server.",
        422: "A parameter is out of range.",
        503: "Too many connections, or the server stops.",
    }.items()
}
_routes = APIRouter(prefix="/v1/sessions/{session}", tags=["sessions"], responses=_REFUSALS)

Batches = AsyncGenerator[Sequence[Line], None]


def add_sse_routes(app: FastAPI) -> None:
    """Add the route; it finds `Doorway` and `Broadcasts` in ``app.state``."""
    app.include_router(_routes)


class EventStream(Response):
    """The answer: events until the session ends, the reader leaves, or the server stops.

    Args:
        batches: what the reader is told; found already, closed at the end.
        held: released at the end.
        connections: says when the server stops, also to a reader that is waited for.
        send_timeout_s: a reader that takes nothing for so long is gone.
        headers: besides the usual ones.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        batches: Batches,
        *,
        held: AsyncExitStack,
        connections: Connections,
        send_timeout_s: float,
        headers: dict[str, str],
    ) -> None:
        super().__init__(headers={**_HEADERS, **headers})
        del self.headers["content-length"]
        self._batches = batches
        self._held = held
        self._connections = connections
        self._send_timeout_s = send_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve."""
        async with self._held, closing(self._batches):
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            serving = asyncio.create_task(self._serve(send), name="sse")
            leaving = asyncio.create_task(_left(receive), name="sse-reader")
            stopping = asyncio.create_task(self._connections.stopped(), name="sse-stop")
            tasks = (serving, leaving, stopping)
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                if stopping.done():  # the reader is told so, if it reads
                    await asyncio.wait({serving, leaving}, timeout=_GOODBYE_S)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            if not serving.cancelled():
                serving.result()

    async def _serve(self, send: Send) -> None:
        try:
            await self._send(send, _RETRY)
            async for batch in self._batches:
                events = [line.event for line in batch]
                body = events[0] if len(events) == 1 else b"".join(events)
                await self._send(send, body or _BEAT)
        except TimeoutError:
            logger.info("client left", extra={"cause": "too slow to read"})
            return
        except (ServerError, EngineError) as error:
            logger.info("connection ended", extra={"code": error.code})
            after_ms = self._connections.retry_after_ms(error)
            text = encode(Error(error.code, error.message, error.retryable, after_ms))
            # A browser keeps to the last `retry`; `_RETRY` of the next connection sets it back.
            # It knows no chance, so that ours spreads them.
            later = (
                f"retry: {after_ms + secrets.randbelow(after_ms // 2 + 1)}\n" if after_ms else ""
            )
            await self._send(send, f"{later}data: {text}\n\n".encode())
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, body: bytes) -> None:
        async with asyncio.timeout(self._send_timeout_s):
            await send({"type": "http.response.body", "body": body, "more_body": True})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@_routes.get(
    "/live",
    summary="A session, live, as server-sent events",
    response_class=Response,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        204: {"description": "The reader has seen the last event: it need not come back."},
    },
)
async def get_live(
    request: Request,
    session: Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Id.")],
    after_seq: Annotated[int, Query(ge=0, le=_MAX_SEQ, description="Events after this one.")] = 0,
    languages: Annotated[
        str | None,
        Query(max_length=512, description="Translations into these only, with commas between."),
    ] = None,
) -> Response:
    """History after `after_seq` (or the header ``Last-Event-ID``), then live, to ``finished``."""
    cast("Doorway", request.app.state.doorway).gate.check_origin(request)
    chosen = None if languages is None else tuple(filter(None, languages.split(",")))
    try:
        return await _answer(request, Watch(session, after_seq, chosen))
    except ServerError as error:
        headers = cross_origin(request)
        if not headers:
            raise
        # A browser comes back for ever to what it may not read.
        return error_answer(
            error.code,
            error.message,
            status=error.status,
            retryable=error.retryable,
            headers=headers,
        )


async def _answer(request: Request, asked: Watch) -> Response:
    doorway = cast("Doorway", request.app.state.doorway)
    broadcasts = cast("Broadcasts", request.app.state.broadcasts)
    tenant, session = doorway.gate.tenant(request), asked.session
    seen = _last_event_id(request)
    watch = asked if seen is None else replace(asked, after_seq=seen)
    check_watch(watch)
    headers = cross_origin(request)
    async with AsyncExitStack() as stack:
        stack.enter_context(doorway.connections.place())
        doorway.check_room()
        bind_session(session)
        if seen is not None and await _over(doorway.services.store, tenant, session, seen=seen):
            return Response(status_code=204, headers=headers)
        broadcast = await stack.enter_async_context(broadcasts.join(tenant, session))
        batches = broadcast.batches(after_seq=watch.after_seq, languages=watch.languages)
        await anext(batches)  # the session is found, or its absence is the answer
        active = doorway.services.metrics.connections_active.labels("viewer")
        stack.enter_context(active.track_inprogress())
        return EventStream(
            batches,
            held=stack.pop_all(),
            connections=doorway.connections,
            send_timeout_s=doorway.limits.send_timeout_s,
            headers=headers,
        )
    raise AssertionError  # no context of the stack swallows errors


def _last_event_id(request: HTTPConnection) -> int | None:
    given = request.headers.get("last-event-id")
    if not given:
        return None
    if not (given.isascii() and given.isdecimal()) or int(given[:20]) > _MAX_SEQ:
        raise MalformedMessage("Last-Event-ID: is not the id of an event of this server's")
    return int(given)


async def _over(store: SessionStore, tenant: str, session: str, *, seen: int) -> bool:
    """Whether `finished` is among the events a reader has seen. Browsers come back after it, too.

    What a second pass adds later is not told.
    """
    row = await store.get(tenant, session)
    if row is None or row.state != "finished" or seen > row.last_seq:
        return False
    async with closing(store.events(tenant, session, after=seen)) as records:
        async for record in records:
            if isinstance(record.event, SessionFinished):
                return False
    return True
