"""HTTP: a session as the page of its record shows it, and the outline of its sound."""

import asyncio
import json
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, FastAPI, Query, Response
from pydantic import BaseModel, ConfigDict

from greffier.protocol import AudioFormat
from greffier_server.core.audio import decode_frames
from greffier_server.core.record import record_of
from greffier_server.errors import BadRequest
from greffier_server.pipeline.read_back import read_stretch
from greffier_server.pulse import Sample
from greffier_server.storage.journal import SessionJournal
from greffier_server.transport.kept import REFUSALS, Kept
from greffier_server.transport.parameters import Parts, SessionId, Tenant
from greffier_server.transport.refusals import NoAudio

__all__ = ["PulseBody", "WaveformBody", "add_record_routes"]

_MAX_MS = 400_000_000
_MAX_SPAN_MS = 1_800_000
_of_session = APIRouter(prefix="/v1/sessions/{session}", tags=["texts"], responses=REFUSALS)
_server = APIRouter(prefix="/v1", tags=["server"], responses=REFUSALS)


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class WaveformBody(_Body):
    """How loud a stretch of the recording is."""

    from_ms: int
    to_ms: int
    """Where it ends, or the recording."""
    peaks: tuple[int, ...]
    """The loudest sample of each part, in percent of full scale."""


class SampleBody(_Body):
    """The server at a time."""

    at_ms: int
    sessions: int
    """Live."""
    lag_ms: int | None
    """Mean, of the words committed since the sample before; null = there were none."""
    load: float
    """Processes that want a core, for each core (1 = all are busy)."""
    memory_bytes: int


class PulseBody(_Body):
    """The last hour, oldest first."""

    every_s: float
    cores: int
    memory_total_bytes: int
    samples: tuple[SampleBody, ...]

    @classmethod
    def sample(cls, one: Sample) -> SampleBody:
        """Publish a sample."""
        return SampleBody(
            at_ms=one.at_ms,
            sessions=one.sessions,
            lag_ms=one.lag_ms,
            load=one.load,
            memory_bytes=one.memory_bytes,
        )


def add_record_routes(app: FastAPI) -> None:
    """Add the routes; they find `Services` and `Gate` in ``app.state``."""
    app.include_router(_of_session)
    app.include_router(_server)


@_of_session.get(
    "/record",
    summary="The whole record",
    response_class=Response,
    responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def get_record(
    tenant: Tenant,
    parts: Parts,
    kept: Kept,
    session: SessionId,
    since: Annotated[int, Query(ge=0, le=_MAX_MS, description="Segments from this one on.")] = 0,
    skip: Annotated[
        int,
        Query(
            ge=0,
            le=_MAX_MS,
            description="Leave so many segments out; then segments alone are told.",
        ),
    ] = 0,
    limit: Annotated[
        int | None, Query(ge=1, le=10_000, description="So many segments at most.")
    ] = None,
) -> Response:
    """Words with their times and places, translations, speakers, minutes, gaps, corrections.

    `count` is how many segments there are, so that a page can ask for the first ones and then for
    the rest.
    """
    now = await kept.shelf.state(tenant, session)
    heard = parts.journal is not None and bool(await parts.journal.size_bytes(tenant, session))

    def written() -> bytes:
        body: dict[str, Any] = {
            **record_of(now.state, since=since, skip=skip, limit=limit),
            "session": session,
            "state": now.row.state,
            "created_at_ms": now.row.created_at_ms,
            "translate_to": now.row.translate_to,
            "audio": heard,
        }
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )

    return Response(await asyncio.to_thread(written), media_type="application/json")


@_of_session.get("/waveform", summary="The outline of the sound")
async def get_waveform(
    tenant: Tenant,
    parts: Parts,
    kept: Kept,
    session: SessionId,
    from_ms: Annotated[int, Query(ge=0, le=_MAX_MS, description="Start.")],
    to_ms: Annotated[int, Query(ge=0, le=_MAX_MS, description="End, half an hour later at most.")],
    points: Annotated[int, Query(ge=1, le=2_000, description="Parts.")] = 600,
) -> WaveformBody:
    """For the picture beside the text; the sound itself is under ``/audio``."""
    if not 0 < to_ms - from_ms <= _MAX_SPAN_MS:
        raise BadRequest("to_ms must lie after from_ms, by half an hour at most")
    now = await kept.shelf.state(tenant, session)
    if now.state.started is None or parts.journal is None:
        raise NoAudio("the session has no recording")
    if not await parts.journal.size_bytes(tenant, session):
        raise NoAudio("the session's recording is no longer kept")
    form = now.state.started.format
    journal = await parts.journal.open(tenant, session)
    if now.row.state == "finished":
        await journal.seal()
    end = min(to_ms * form.rate // 1000, journal.durable_bytes // form.frame_bytes)
    first = from_ms * form.rate // 1000
    if first >= end:
        raise NoAudio("the recording ends before this stretch")
    part = max(1, (to_ms - from_ms) * form.rate // 1000 // points)
    peaks = await _peaks(journal, form, first=first, end=end, part=part)
    return WaveformBody(from_ms=from_ms, to_ms=end * 1000 // form.rate, peaks=tuple(peaks))


@_server.get("/pulse", summary="Load and lag of the last hour")
async def get_pulse(_tenant: Tenant, kept: Kept) -> PulseBody:
    """Numbers only, of the whole server."""
    pulse = kept.pulse
    return PulseBody(
        every_s=pulse.every_s,
        cores=pulse.cores,
        memory_total_bytes=pulse.memory_total_bytes,
        samples=tuple(map(PulseBody.sample, pulse.samples)),
    )


async def _peaks(
    journal: SessionJournal, form: AudioFormat, *, first: int, end: int, part: int
) -> list[int]:
    """Of parts of `part` frames, read some seconds at a time."""
    peaks: list[int] = []
    step = max(1, 10 * form.rate // part) * part
    for at in range(first, end, step):
        upto = min(end, at + step)
        width = form.frame_bytes
        stretch = await read_stretch(journal, form, at * width, upto * width)
        peaks += await asyncio.to_thread(_loudest, stretch.audio, form, part)
    return peaks


def _loudest(audio: bytes, form: AudioFormat, part: int) -> list[int]:
    samples = np.abs(decode_frames(audio, form))
    return [
        min(100, round(100 * float(samples[at : at + part].max())))
        for at in range(0, len(samples), part)
    ]
