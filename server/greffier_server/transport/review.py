"""HTTP: what was withheld from a session, and the audio of any stretch of it.

Defence against invention is only as good as its errors can be seen: every withheld passage is
listed with its reason and its text, and can be heard.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Annotated

import numpy as np
from fastapi import APIRouter, FastAPI, Query
from starlette.responses import StreamingResponse

from greffier.protocol import AudioFormat
from greffier_server.core.audio import decode_frames
from greffier_server.core.state import SessionState, fold
from greffier_server.errors import BadRequest, SessionNotFound
from greffier_server.pipeline.damage import record_damage
from greffier_server.pipeline.read_back import read_stretch
from greffier_server.services import Services
from greffier_server.storage.journal import SessionJournal
from greffier_server.storage.store import SessionRow
from greffier_server.transport.bodies import ErrorBody, WithheldBody, WithheldList
from greffier_server.transport.frames import closing
from greffier_server.transport.parameters import Parts, SessionId, Tenant
from greffier_server.transport.refusals import NoAudio

__all__ = ["add_review_routes"]

_MAX_SPAN_MS = 3_600_000
_MAX_MS = (1 << 53) - 1
_AROUND_MS = 1_000
"""Heard before and after a withheld passage, to know what it was said in."""

_routes = APIRouter(
    prefix="/v1/sessions/{session}",
    tags=["review"],
    responses={
        status: {"model": ErrorBody, "description": description}
        for status, description in {
            400: "The stretch is empty or too long.",
            401: "No token was given.",
            403: "The token is not one of this server's.",
            404: "No such session, or no such audio in it.",
            422: "A parameter is out of range.",
            507: "Storage failed.",
        }.items()
    },
)


def add_review_routes(app: FastAPI) -> None:
    """Add the routes; they find `Services` and `Gate` in ``app.state``."""
    app.include_router(_routes)


@_routes.get("/withheld", summary="What was not believed")
async def get_withheld(tenant: Tenant, parts: Parts, session: SessionId) -> WithheldList:
    """Passages that the checks withheld, with their text and where to hear them."""
    _, state = await _state(parts, tenant, session)
    return WithheldList(
        withheld=tuple(
            WithheldBody(
                start_ms=passage.start_ms,
                end_ms=passage.end_ms,
                reason=passage.reason,
                text=passage.text,
                audio=f"/v1/sessions/{session}/audio"
                f"?from_ms={max(0, passage.start_ms - _AROUND_MS)}"
                f"&to_ms={passage.end_ms + _AROUND_MS}",
            )
            for passage in state.withheld
        )
    )


@_routes.get(
    "/audio",
    summary="The audio of a stretch",
    response_class=StreamingResponse,
    responses={200: {"content": {"audio/wav": {"schema": {"type": "string"}}}}},
)
async def get_audio(
    tenant: Tenant,
    parts: Parts,
    session: SessionId,
    from_ms: Annotated[int, Query(ge=0, le=_MAX_MS, description="Start.")],
    to_ms: Annotated[int, Query(ge=0, le=_MAX_MS, description="End, an hour later at most.")],
) -> StreamingResponse:
    """WAV, 16 bits, one channel, at the session's own rate; it ends where the recording ends."""
    if not 0 < to_ms - from_ms <= _MAX_SPAN_MS:
        raise BadRequest("to_ms must lie after from_ms, by an hour at most")
    row, state = await _state(parts, tenant, session)
    if state.started is None or parts.journal is None:
        raise NoAudio("the session has no recording")
    if not await parts.journal.size_bytes(tenant, session):
        raise NoAudio("the session's recording is no longer kept")
    form = state.started.format
    journal = await parts.journal.open(tenant, session)
    if row.state == "finished":  # sealed already; so that it is not held open for this reader
        await journal.seal()
    if row.state == "finished":
        await record_damage(parts.store, journal, row)
    last = journal.durable_bytes // form.frame_bytes
    first, end = from_ms * form.rate // 1000, min(last, to_ms * form.rate // 1000)
    if first >= end:
        raise NoAudio("the recording ends before this stretch")
    first_piece = await _piece(journal, form, first, min(end, first + form.rate))
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'inline; filename="{session}-{from_ms}-{to_ms}.wav"',
        "Content-Length": str(_HEADER.size + 2 * (end - first)),
    }

    async def pieces() -> AsyncIterator[bytes]:
        async for piece in _wave(journal, form, first_piece, first, end):
            yield piece
        if row.state == "finished":  # what was found damaged by reading it
            await record_damage(parts.store, journal, row)

    return StreamingResponse(pieces(), media_type="audio/wav", headers=headers)


async def _wave(
    journal: SessionJournal, form: AudioFormat, first_piece: bytes, first: int, end: int
) -> AsyncIterator[bytes]:
    """A second at a time: however long the stretch, it never lies in memory."""
    yield _header(form.rate, end - first) + first_piece
    for at in range(first + form.rate, end, form.rate):
        yield await _piece(journal, form, at, min(end, at + form.rate))


async def _piece(journal: SessionJournal, form: AudioFormat, first: int, end: int) -> bytes:
    width = form.frame_bytes
    stretch = await read_stretch(journal, form, first * width, end * width)
    return await asyncio.to_thread(_to_pcm, stretch.audio, form)


def _to_pcm(audio: bytes, form: AudioFormat) -> bytes:
    samples = decode_frames(audio, form)
    scaled = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2")
    return bytes(scaled.tobytes())


_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


def _header(rate: int, samples: int) -> bytes:
    """RIFF header of linear PCM (IBM and Microsoft, "Multimedia Programming Interface", 1991)."""
    size = 2 * samples
    return _HEADER.pack(
        b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16, b"data", size
    )


async def _state(parts: Services, tenant: str, session: str) -> tuple[SessionRow, SessionState]:
    row = await parts.store.get(tenant, session)
    if row is None:
        raise SessionNotFound("no such session")
    async with closing(parts.store.events(tenant, session)) as stored:
        records = [record async for record in stored]
    return row, await asyncio.to_thread(fold, records)
