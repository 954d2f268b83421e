"""HTTP: whether a session is as it was written, its signed bundle, and the key that signs."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Literal

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, ConfigDict
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from greffier_server.bundle.checking import check_session
from greffier_server.bundle.signing import SigningKey
from greffier_server.bundle.writing import Bundle, open_bundle
from greffier_server.pipeline.clock import SystemClock
from greffier_server.services import Services
from greffier_server.transport.bodies import ErrorBody
from greffier_server.transport.parameters import Parts, SessionId, Tenant
from greffier_server.transport.refusals import NoSigningKey

__all__ = ["add_bundle_routes"]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class FindingBody(_Body):
    """Something that is not as it was written, or a note."""

    code: str
    """Stable; programs decide by it."""
    message: str
    seq: int | None
    """Number of the event."""
    from_ms: int | None
    to_ms: int | None
    """Place in the recording."""


class WriterBody(_Body):
    """An engine that wrote events."""

    engine: str
    """``engine:model@digest:settings``."""
    first_seq: int
    last_seq: int
    records: int


class VerificationBody(_Body):
    """What was checked and found."""

    verdict: Literal["intact", "not intact", "cannot be checked"]
    reason: str
    tenant: str
    session: str
    records: int
    head: str
    """SHA-256 of the last event."""
    anchors: int
    audio_bytes: int
    audio_ms: int
    engines: tuple[WriterBody, ...]
    findings: tuple[FindingBody, ...]
    notes: tuple[FindingBody, ...]


_routes = APIRouter(
    prefix="/v1",
    tags=["proof"],
    responses={
        status: {"model": ErrorBody, "description": description}
        for status, description in {
            401: "No token was given.",
            403: "The token is not one of this server's.",
            404: "No such session.",
            409: "The session goes on.",
            422: "No session can have this id.",
            501: "This server signs nothing.",
            507: "Storage failed.",
        }.items()
    },
)


def add_bundle_routes(app: FastAPI) -> None:
    """Add the routes; they find `Services` and `Gate` in ``app.state``."""
    app.include_router(_routes)


@_routes.get(
    "/sessions/{session}/bundle",
    summary="All of a session, signed",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {"schema": {"type": "string"}}}}},
)
async def get_bundle(tenant: Tenant, parts: Parts, session: SessionId) -> StreamingResponse:
    """ZIP archive of a finished session: events, recording, texts, and what proves them."""
    bundle = await open_bundle(
        parts.store,
        parts.journal,
        tenant,
        session,
        key=_key(parts),
        now_ms=SystemClock().now_ms(),
    )
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{bundle.name}"',
    }
    return StreamingResponse(_pieces(bundle), media_type="application/zip", headers=headers)


@_routes.get("/sessions/{session}/verification", summary="Is it as it was written")
async def get_verification(tenant: Tenant, parts: Parts, session: SessionId) -> VerificationBody:
    """Every record and every byte of audio against the hash chain; reads all of the recording.

    It is the server's own word. Proof to others is a bundle, checked where they are.
    """
    known = None if parts.heads is None else await parts.heads.known(tenant, session)
    report = await check_session(parts.store, parts.journal, tenant, session, known=known)
    return VerificationBody.model_validate(report.plain())


@_routes.get(
    "/signing-key",
    summary="The public key",
    response_class=Response,
    responses={200: {"content": {"application/x-pem-file": {"schema": {"type": "string"}}}}},
)
async def get_signing_key(_tenant: Tenant, parts: Parts) -> Response:
    """PEM; its fingerprint is in the header ``X-Fingerprint``."""
    key = _key(parts)
    return PlainTextResponse(
        key.public_pem,
        media_type="application/x-pem-file",
        headers={"X-Fingerprint": key.fingerprint},
    )


def _key(parts: Services) -> SigningKey:
    if parts.signing_key is None:
        raise NoSigningKey("this server signs nothing: it was started without a key")
    return parts.signing_key


async def _pieces(bundle: Bundle) -> AsyncGenerator[bytes, None]:
    async with aclosing(bundle.pieces()) as pieces:
        async for piece in pieces:
            if piece:
                yield piece
