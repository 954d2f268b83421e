"""HTTP: viewer links of a session, with the QR code that leads to one, and what a link shows."""

import re
from typing import Annotated, Any, Final, cast
from urllib.parse import urlsplit

import segno
from fastapi import APIRouter, Depends, FastAPI, Path, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator

from greffier_server.errors import BadRequest, SessionNotFound
from greffier_server.storage.links import Link
from greffier_server.transport.bodies import ErrorBody
from greffier_server.transport.parameters import Parts, SessionId, Tenant
from greffier_server.transport.viewers import ViewerLinks, link_secret

__all__ = ["add_link_routes"]

_HOUR_MS: Final = 3_600_000
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})?")
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorBody, "description": description}
    for status, description in {
        401: "No token was given.",
        403: "The token is not one of this server's, or the link is not valid.",
        404: "No such session, or no such link of it.",
        422: "A parameter is out of range.",
        507: "Storage failed.",
    }.items()
}


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class LinkRequest(_Body):
    """What a new link shall grant."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    languages: tuple[str, ...] | None = Field(default=None, max_length=32)
    """Translations that may be seen; every one when absent, the original alone when empty."""
    hours: float = Field(default=24.0, gt=0, le=24 * 366)
    """For how long."""
    origin: str = Field(default="", max_length=300)
    """Address of this server as viewers reach it, ``https://captions.example.org``; as the
    request named it when absent."""

    @field_validator("languages")
    @classmethod
    def _codes(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if not all(_LANGUAGE.fullmatch(code) for code in value or ()):
            raise ValueError("write a language as its ISO 639-1 code, such as fr")
        return value

    @field_validator("origin")
    @classmethod
    def _origin(cls, value: str) -> str:
        parts = urlsplit(value)
        whole = f"{parts.scheme}://{parts.netloc}"
        if value and (value != whole or parts.scheme not in {"http", "https"} or not parts.netloc):
            raise ValueError("write origin as https://HOST")
        return value


class LinkBody(_Body):
    """A viewer link; its address is told only when it is made."""

    id: str
    session: str
    languages: tuple[str, ...] | None
    created_at_ms: int
    expires_at_ms: int
    revoked_at_ms: int | None


class QrBody(_Body):
    """A QR code as one path of SVG, in a square with the quiet zone around it (ISO/IEC 18004)."""

    size: int
    """Of the square, in modules."""
    path: str
    """``d`` of the path; each module is one unit."""


class NewLink(LinkBody):
    """A link just made."""

    url: str
    """Whoever has it may watch."""
    qr: QrBody


class LinkList(_Body):
    """The links of a session, newest first."""

    links: tuple[LinkBody, ...]


class ViewBody(_Body):
    """What a link shows."""

    session: str
    title: str
    state: str
    language: str
    translate_to: tuple[str, ...]
    """Those that the link grants."""
    created_at_ms: int
    duration_ms: int
    expires_at_ms: int
    """Of the link."""


def _links(request: Request) -> ViewerLinks:
    return cast("ViewerLinks", request.app.state.viewer_links)


Links = Annotated[ViewerLinks, Depends(_links)]
LinkId = Annotated[str, Path(pattern=r"^[0-9a-f]{1,64}$", description="Id of the link.")]
_routes = APIRouter(prefix="/v1/sessions/{session}/links", tags=["links"], responses=_REFUSALS)
_view = APIRouter(prefix="/v1", tags=["links"], responses=_REFUSALS)


def add_link_routes(app: FastAPI) -> None:
    """Add the routes; they find `Services`, `Gate` and `ViewerLinks` in ``app.state``."""
    app.include_router(_routes)
    app.include_router(_view)


@_routes.post("", status_code=201, summary="Make a viewer link")
async def make_link(
    request: Request,
    tenant: Tenant,
    parts: Parts,
    links: Links,
    session: SessionId,
    wanted: LinkRequest,
) -> NewLink:
    """Whoever opens it may watch this session alone, until it runs out or is revoked."""
    if await parts.store.get(tenant, session) is None:
        raise SessionNotFound("no such session")
    link, secret = await links.make(
        tenant, session, languages=wanted.languages, lasts_ms=round(wanted.hours * _HOUR_MS)
    )
    origin = wanted.origin or f"{request.url.scheme}://{request.headers.get('host', '')}"
    url = f"{origin}/w/{secret}"
    return NewLink(**_shown(link), url=url, qr=_qr(url))


@_routes.get("", summary="List viewer links")
async def list_links(tenant: Tenant, parts: Parts, links: Links, session: SessionId) -> LinkList:
    """Newest first, without their addresses, which are not kept."""
    if await parts.store.get(tenant, session) is None:
        raise SessionNotFound("no such session")
    found = await links.of_session(tenant, session)
    return LinkList(links=tuple(LinkBody(**_shown(link)) for link in found))


@_routes.delete("/{link}", status_code=204, summary="Revoke a viewer link")
async def revoke_link(tenant: Tenant, links: Links, session: SessionId, link: LinkId) -> None:
    """Its viewers are disconnected at once, here; within seconds on other servers."""
    if not await links.revoke(tenant, session, link):
        raise SessionNotFound("the session has no such link")


@_view.get("/view", summary="What a viewer link shows")
async def get_view(request: Request, parts: Parts, links: Links) -> ViewBody:
    """Asked with ``Authorization: Link <secret>``."""
    link = await links.grant(link_secret(request))
    row = await parts.store.get(link.tenant, link.session)
    if row is None:
        raise SessionNotFound("the session is deleted")
    granted = link.languages
    return ViewBody(
        session=row.session,
        title=row.title,
        state=row.state,
        language=row.language,
        translate_to=tuple(x for x in row.translate_to if granted is None or x in granted),
        created_at_ms=row.created_at_ms,
        duration_ms=row.duration_ms,
        expires_at_ms=link.expires_at_ms,
    )


def _shown(link: Link) -> dict[str, Any]:
    return {name: getattr(link, name) for name in LinkBody.model_fields}


def _qr(url: str) -> QrBody:
    try:
        code = segno.make_qr(url, error="m")
    except segno.DataOverflowError:
        raise BadRequest("the address is too long for a QR code") from None
    border = code.default_border_size
    runs = [
        f"M{x + border} {y + border}h1v1h-1z"
        for y, row in enumerate(code.matrix)
        for x, dark in enumerate(row)
        if dark
    ]
    return QrBody(size=len(code.matrix) + 2 * border, path="".join(runs))
