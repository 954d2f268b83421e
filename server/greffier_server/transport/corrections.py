"""HTTP: corrections of a session, and what recognition can learn from them."""

import asyncio
import json
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any, cast

from fastapi import APIRouter, FastAPI, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from greffier.protocol import CorrectionKind, CorrectionTarget
from greffier_server.core.events import Corrected, Recorded
from greffier_server.core.state import SessionState
from greffier_server.core.training import (
    ProposalKind,
    minutes_pairs,
    pairs,
    proposals,
    speaker_pairs,
    translation_pairs,
)
from greffier_server.pipeline.editing import Change, CorrectionConflict
from greffier_server.transport.kept import REFUSALS, Kept, SameSite
from greffier_server.transport.parameters import Parts, SessionId, Tenant
from greffier_server.transport.stopping import Connections

__all__ = ["CorrectionBody", "TargetBody", "add_correction_routes"]

_MAX = (1 << 53) - 1
_TEXT = 2_000
_PROPOSAL_SESSIONS = 50
_of_session = APIRouter(prefix="/v1/sessions/{session}", tags=["corrections"], responses=REFUSALS)
_of_tenant = APIRouter(prefix="/v1/corrections", tags=["corrections"], responses=REFUSALS)

Number = Annotated[int, Field(ge=0, le=_MAX)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class TargetBody(_Body):
    """What is set right; which fields count, `kind` says."""

    kind: CorrectionKind
    segment: Number = 0
    """0 with ``speaker``: wherever this speaker speaks."""
    first: Number = 0
    """First word, from 0, in the words as they were recognised."""
    end: Number = 0
    """Behind the last word."""
    reading: Number = 0
    """Whose words: 0 = the live text's. Told by the server, not taken from you."""
    language: str = Field(default="", max_length=16)
    """Of the translation."""
    speaker: str = Field(default="", max_length=200)
    """As recognition named the speaker."""
    minutes: Number = 0
    """Which minutes of the session. Told by the server, not taken from you."""
    section: str = Field(default="", max_length=40)
    """Of the minutes."""
    item: Number = 0
    """Of the section, from 0."""


class CorrectionRequest(_Body):
    """A correction."""

    who: str = Field(max_length=80)
    """Name of the editor."""
    target: TargetBody
    old: str = Field(max_length=4 * _TEXT)
    """What you saw there; when something else stands there by now, nothing is changed."""
    new: str = Field(max_length=_TEXT)
    """What is right; empty words are struck out."""


class CorrectionBody(_Body):
    """A correction on record."""

    seq: int
    at_ms: int
    """Milliseconds since the epoch, UTC."""
    who: str
    target: TargetBody
    old: str
    new: str

    @classmethod
    def of(cls, record: Recorded, event: Corrected) -> "CorrectionBody":
        """Publish an event."""
        target = TargetBody(
            **{name: getattr(event.target, name) for name in CorrectionTarget.__slots__}
        )
        return cls(
            seq=record.seq,
            at_ms=record.at_ms,
            who=event.who,
            target=target,
            old=event.old,
            new=event.new,
        )


class CorrectionList(_Body):
    """Corrections, oldest first."""

    corrections: tuple[CorrectionBody, ...]


class ProposalBody(_Body):
    """A term for the glossary."""

    term: str
    heard: str
    """What stood in its place; empty of a speaker's name."""
    language: str
    count: int
    sessions: tuple[str, ...]
    kind: ProposalKind = "words"
    """What was set right."""


class ProposalList(_Body):
    """Terms that editors put in, the most frequent first."""

    proposals: tuple[ProposalBody, ...]


class TrainingKind(StrEnum):
    """What training pairs are of."""

    WORDS = "words"
    TRANSLATION = "translation"
    SPEAKER = "speaker"
    MINUTES = "minutes"
    ALL = "all"


def add_correction_routes(app: FastAPI) -> None:
    """Add the routes; they find `Services` and `Gate` in ``app.state``."""
    app.include_router(_of_session)
    app.include_router(_of_tenant)


@_of_session.post(
    "/corrections",
    status_code=201,
    summary="Set something right",
    response_model=CorrectionBody,
    dependencies=[SameSite],
)
async def post_correction(
    tenant: Tenant, kept: Kept, session: SessionId, asked: CorrectionRequest
) -> CorrectionBody | Response:
    """Words, a speaker's name, a translation, a sentence of the minutes; live or finished.

    409 ``correction_conflict`` when something else than `old` stands there: `present` says what.
    """
    target = CorrectionTarget(**asked.target.model_dump())
    change = Change(who=asked.who, target=target, old=asked.old, new=asked.new)
    try:
        record = await kept.editor.correct(tenant, session, change)
    except CorrectionConflict as conflict:
        body = {"code": conflict.code, "message": conflict.message, "retryable": True}
        return JSONResponse({**body, "present": conflict.present}, status_code=conflict.status)
    event = record.event
    assert isinstance(event, Corrected)  # noqa: S101 - what `correct` records
    return CorrectionBody.of(record, event)


@_of_session.get("/corrections", summary="What was set right")
async def get_corrections(
    request: Request,
    tenant: Tenant,
    kept: Kept,
    session: SessionId,
    after: Annotated[int, Query(ge=0, le=_MAX, description="Those after this event.")] = 0,
    wait_s: Annotated[
        float, Query(ge=0, le=25, description="Wait for one so long, where there is none.")
    ] = 0.0,
) -> CorrectionList:
    """Who set what right, and when."""
    waiting = asyncio.create_task(
        kept.editor.edits(tenant, session, after=after, wait_s=wait_s), name="corrections"
    )
    stopped = asyncio.create_task(cast("Connections", request.app.state.connections).stopped())
    try:  # a server that stops lets nobody wait
        await asyncio.wait((waiting, stopped), return_when=asyncio.FIRST_COMPLETED)
        records = await waiting if waiting.done() else ()
    finally:
        for task in (waiting, stopped):
            task.cancel()
        await asyncio.gather(waiting, stopped, return_exceptions=True)
    found = [
        CorrectionBody.of(record, record.event)
        for record in records
        if isinstance(record.event, Corrected)
    ]
    return CorrectionList(corrections=tuple(found))


@_of_session.get(
    "/training",
    summary="Training pairs",
    response_class=Response,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
async def get_training(
    tenant: Tenant,
    kept: Kept,
    session: SessionId,
    kind: Annotated[
        TrainingKind, Query(description="Of what: ``words`` come with their audio stretch.")
    ] = TrainingKind.WORDS,
) -> Response:
    """What stood there and what an editor put in its place, one JSON object a line."""
    now = await kept.shelf.state(tenant, session)
    rows = await asyncio.to_thread(_training, session, now.state, kind)
    return Response(
        "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows),
        media_type="application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="{session}-training.jsonl"'},
    )


@_of_tenant.get("/proposals", summary="Terms for the glossary")
async def get_proposals(
    tenant: Tenant,
    parts: Parts,
    kept: Kept,
    session: Annotated[
        str | None,
        Query(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Of this session alone."),
    ] = None,
    kind: Annotated[
        TrainingKind, Query(description="From which corrections; ``words``: what was misheard.")
    ] = TrainingKind.WORDS,
) -> ProposalList:
    """What editors put in the place of something else, in one session or in the newest ones."""
    names = [session] if session is not None else []
    if session is None:
        rows = await parts.store.list(tenant, limit=_PROPOSAL_SESSIONS)
        names = [row.session for row in rows]
    # One after the other: what is folded is not all to be in memory at once.
    found = [(name, (await kept.shelf.state(tenant, name)).state) for name in names]
    listed = await asyncio.to_thread(proposals, found)
    return ProposalList(
        proposals=tuple(
            ProposalBody(
                term=one.term,
                heard=one.heard,
                language=one.language,
                count=one.count,
                sessions=one.sessions,
                kind=one.kind,
            )
            for one in listed
            if kind is TrainingKind.ALL or kind.value == one.kind
        )
    )


def _training(session: str, state: SessionState, kind: TrainingKind) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    every = kind is TrainingKind.ALL
    if every or kind is TrainingKind.WORDS:
        rows += [{"kind": "words", **asdict(pair)} for pair in pairs(state)]
    if every or kind is TrainingKind.TRANSLATION:
        rows += [{"kind": "translation", **asdict(pair)} for pair in translation_pairs(state)]
    if every or kind is TrainingKind.SPEAKER:
        rows += [{"kind": "speaker", **asdict(pair)} for pair in speaker_pairs(state)]
    if every or kind is TrainingKind.MINUTES:
        rows += [{"kind": "minutes", **asdict(pair)} for pair in minutes_pairs(state)]
    return [{"session": session, **_audio(session, row), **row} for row in rows]


def _audio(session: str, row: dict[str, Any]) -> dict[str, str]:
    """Where the stretch can be heard, of a row that has one."""
    if not row.get("end_ms"):
        return {}
    stretch = f"from_ms={row['start_ms']}&to_ms={row['end_ms']}"
    return {"audio": f"/v1/sessions/{session}/audio?{stretch}"}
