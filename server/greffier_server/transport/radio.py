"""HTTP: the radio log of several nets, as data and as CSV, and the notes of its watches."""

import asyncio
from typing import Annotated, Literal, cast

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from greffier_server.archive import Archive
from greffier_server.core.events import WatchHandedOver
from greffier_server.core.radio import Transmission, to_csv, transmissions
from greffier_server.core.radio_choice import Choice, Shown
from greffier_server.documents.kinds import MEDIA_TYPES, DocumentFormat
from greffier_server.documents.press import Press
from greffier_server.documents.radio_sheet import Sheet, SheetNet
from greffier_server.documents.settings import DocumentSettings
from greffier_server.errors import BadRequest
from greffier_server.pipeline.shelf import Shelved
from greffier_server.transport.exports import DOCUMENT_CONTENT
from greffier_server.transport.kept import REFUSALS, Kept, SameSite, watchwords
from greffier_server.transport.parameters import Tenant

__all__ = ["RadioBody", "add_radio_routes"]

_MAX = (1 << 53) - 1
_MOST_NETS = 12
_PATTERN = r"^[A-Za-z0-9_-]{1,64}(,[A-Za-z0-9_-]{1,64})*$"
_routes = APIRouter(prefix="/v1/radio", tags=["radio"], responses=REFUSALS)

Sessions = Annotated[
    str, Query(max_length=1_000, pattern=_PATTERN, description="Sessions, parted by commas.")
]


def _choice(
    from_at_ms: Annotated[
        int, Query(ge=0, le=_MAX, description="Received then or later, UTC epoch.")
    ] = 0,
    to_at_ms: Annotated[int | None, Query(ge=0, le=_MAX, description="Received before.")] = None,
    show: Annotated[Shown, Query(description="Alerts alone, or what has no action yet.")] = "all",
    text: Annotated[str, Query(max_length=200, description="Lines that hold it.")] = "",
) -> Choice:
    return Choice(from_at_ms, to_at_ms, show, text)


Chosen = Annotated[Choice, Depends(_choice)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class AlertBody(_Body):
    """A distress call or a watchword."""

    level: Literal["distress", "urgency", "safety", "watchword"]
    word: str
    start: int
    """In the message, in code points."""
    end: int


class TransmissionBody(_Body):
    """A line of the log."""

    session: str
    number: int
    segments: tuple[int, ...]
    received_at_ms: int
    """Milliseconds since the epoch, UTC."""
    start_ms: int
    end_ms: int
    sent_by: str
    addressed_to: str
    message: str
    confidence: float
    alerts: tuple[AlertBody, ...]
    action: str
    acknowledged: str
    """Who has answered the alert, and how; empty = nobody."""
    closed: bool


class NetBody(_Body):
    """A session as a net."""

    session: str
    title: str
    state: str
    begun_at_ms: int
    count: int


class HandoverBody(_Body):
    """The note of a watch."""

    session: str
    seq: int
    at_ms: int
    who: str
    relieved_by: str
    from_at_ms: int
    to_at_ms: int
    note: str


class RadioBody(_Body):
    """The log."""

    cursor: str
    """Give it back to hear only whether anything has changed."""
    changed: bool
    nets: tuple[NetBody, ...]
    transmissions: tuple[TransmissionBody, ...]
    """In order of time; empty where nothing has changed."""
    handovers: tuple[HandoverBody, ...]


class HandoverRequest(_Body):
    """A watch ends."""

    sessions: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")], ...] = Field(
        min_length=1, max_length=_MOST_NETS
    )
    who: str = Field(max_length=80)
    relieved_by: str = Field(max_length=80)
    from_at_ms: int = Field(ge=0, le=_MAX)
    to_at_ms: int = Field(ge=0, le=_MAX)
    note: str = Field(max_length=20_000)


def add_radio_routes(app: FastAPI) -> None:
    """Add the routes; they find `Services` and `Gate` in ``app.state``."""
    app.include_router(_routes)


@_routes.get("", summary="The radio log")
async def get_radio(
    request: Request,
    tenant: Tenant,
    kept: Kept,
    sessions: Sessions,
    cursor: Annotated[str, Query(max_length=1_000, description="Of the last answer.")] = "",
) -> RadioBody:
    """Transmissions of several nets, live or past, with calls of distress found in them."""
    nets = await _nets(kept, tenant, sessions)
    now = "-".join(str(net.state.seq) for net in nets)
    changed = now != cursor
    lines: list[TransmissionBody] = []
    counts: list[int] = []
    words = watchwords(request, tenant)
    for net in nets if changed else []:
        found = await asyncio.to_thread(transmissions, net.state, words)
        counts.append(len(found))
        lines += [_line(net, one) for one in found]
    lines.sort(key=lambda line: (line.received_at_ms, line.session, line.number))
    return RadioBody(
        cursor=now,
        changed=changed,
        nets=tuple(
            NetBody(
                session=net.row.session,
                title=net.row.title,
                state=net.row.state,
                begun_at_ms=net.row.created_at_ms,
                count=count,
            )
            for net, count in zip(nets if changed else [], counts, strict=True)
        ),
        transmissions=tuple(lines),
        handovers=tuple(_handovers(nets)) if changed else (),
    )


@_routes.get(
    "/csv",
    summary="The radio log as CSV",
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def get_radio_csv(
    request: Request, tenant: Tenant, kept: Kept, sessions: Sessions, choice: Chosen
) -> Response:
    """One line for each transmission; no cell is a formula to a spreadsheet."""
    nets = await _nets(kept, tenant, sessions)
    words = watchwords(request, tenant)
    logs: list[tuple[str, int, list[Transmission]]] = []
    for net in nets:
        title, begun_at_ms = net.row.title or net.row.session, net.row.created_at_ms
        found = await asyncio.to_thread(transmissions, net.state, words)
        kept_lines = [
            one
            for one in found
            if choice.keeps(one, received_at_ms=begun_at_ms + one.start_ms, net=title)
        ]
        logs.append((title, begun_at_ms, kept_lines))
    return Response(
        to_csv(logs),
        media_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="radio-log.csv"'},
    )


@_routes.post("/handovers", status_code=201, summary="Hand a watch over", dependencies=[SameSite])
async def post_handover(tenant: Tenant, kept: Kept, asked: HandoverRequest) -> HandoverBody:
    """The note is recorded with each of the nets; the answer is that of the first."""
    names = list(dict.fromkeys(asked.sessions))
    for name in names:  # all are there, or none gets the note
        await kept.shelf.state(tenant, name)
    noted = WatchHandedOver(
        asked.who, asked.relieved_by, asked.from_at_ms, asked.to_at_ms, asked.note
    )
    records = [await kept.editor.hand_over(tenant, name, noted) for name in names]
    event = records[0].event
    assert isinstance(event, WatchHandedOver)  # noqa: S101 - what `hand_over` records
    return _handover(names[0], records[0].seq, records[0].at_ms, event)


@_routes.get(
    "/document",
    summary="The radio log as a document",
    response_class=Response,
    responses={200: {"content": DOCUMENT_CONTENT}},
)
async def get_radio_document(
    request: Request,
    tenant: Tenant,
    kept: Kept,
    sessions: Sessions,
    choice: Chosen,
    form: Annotated[
        DocumentFormat, Query(alias="format", description="Any but csv, which is `/v1/radio/csv`.")
    ] = DocumentFormat.PDF,
    language: Annotated[Literal["fr", "en"], Query(description="Of what is not spoken.")] = "fr",
) -> Response:
    """The transmissions of several nets in one table, with actions and hand-over notes."""
    if form is DocumentFormat.CSV:
        raise BadRequest("the log as CSV is at /v1/radio/csv")
    nets = await _nets(kept, tenant, sessions)
    words = watchwords(request, tenant)
    press = cast("Press", request.app.state.press)
    settings = cast("DocumentSettings", request.app.state.documents)

    def made() -> bytes:
        sheet = Sheet(
            nets=tuple(
                SheetNet(
                    net.row.title or net.row.session,
                    net.row.created_at_ms,
                    transmissions(net.state, words),
                )
                for net in nets
            ),
            handovers=tuple(_notes(nets)),
            choice=choice,
            language=language,
            zone=press.zone,
        )
        sheet_words = press.words(tenant, language)
        return press.draw(sheet.document(sheet_words, settings, tenant), form)

    headers = {
        # A page that somebody's words stand in: no scripts, no requests, no place of ours.
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
        "Content-Disposition": f'attachment; filename="radio-log.{form.value}"',
    }
    return Response(await asyncio.to_thread(made), media_type=MEDIA_TYPES[form], headers=headers)


async def _nets(kept: Archive, tenant: str, sessions: str) -> list[Shelved]:
    """Return the sessions that are named, each once.

    Raises:
        BadRequest: there are too many.
        SessionNotFound: one of them is not there.
    """
    names = list(dict.fromkeys(sessions.split(",")))
    if len(names) > _MOST_NETS:
        raise BadRequest(f"at most {_MOST_NETS} nets at once")
    return [await kept.shelf.state(tenant, name) for name in names]


def _line(net: Shelved, one: Transmission) -> TransmissionBody:
    return TransmissionBody(
        session=net.row.session,
        number=one.number,
        segments=one.segments,
        received_at_ms=net.row.created_at_ms + one.start_ms,
        start_ms=one.start_ms,
        end_ms=one.end_ms,
        sent_by=one.sent_by,
        addressed_to=one.addressed_to,
        message=one.message,
        confidence=one.confidence,
        alerts=tuple(
            AlertBody(level=alert.level, word=alert.word, start=alert.start, end=alert.end)
            for alert in one.alerts
        ),
        action=one.action,
        acknowledged=one.acknowledged,
        closed=one.closed,
    )


def _notes(nets: list[Shelved]) -> list[WatchHandedOver]:
    """Each note once, by the time its watch began."""
    notes = {record.event for net in nets for record in net.edits}
    found = [note for note in notes if isinstance(note, WatchHandedOver)]
    return sorted(found, key=lambda note: (note.from_at_ms, note.to_at_ms, note.note))


def _handovers(nets: list[Shelved]) -> list[HandoverBody]:
    """Each note once, although every net of the watch has it."""
    found: dict[WatchHandedOver, HandoverBody] = {}
    for net in nets:
        for record in net.edits:
            if isinstance(record.event, WatchHandedOver):
                body = _handover(net.row.session, record.seq, record.at_ms, record.event)
                found.setdefault(record.event, body)
    return sorted(found.values(), key=lambda note: note.at_ms)


def _handover(session: str, seq: int, at_ms: int, event: WatchHandedOver) -> HandoverBody:
    return HandoverBody(
        session=session,
        seq=seq,
        at_ms=at_ms,
        who=event.who,
        relieved_by=event.relieved_by,
        from_at_ms=event.from_at_ms,
        to_at_ms=event.to_at_ms,
        note=event.note,
    )
