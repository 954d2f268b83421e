"""HTTP: the space that a tenant's audio takes."""

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, ConfigDict

from greffier_server.errors import AudioMissing
from greffier_server.transport.bodies import ErrorBody
from greffier_server.transport.parameters import Parts, Tenant

__all__ = ["SpaceBody", "add_space_route"]

_routes = APIRouter(
    prefix="/v1",
    tags=["server"],
    responses={
        401: {"model": ErrorBody, "description": "No token was given."},
        403: {"model": ErrorBody, "description": "The token is not one of this server's."},
        410: {"model": ErrorBody, "description": "This server keeps no audio."},
    },
)


class SpaceBody(BaseModel):
    """What a tenant's audio takes."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    sessions: int
    """Sessions with audio."""
    audio_bytes: int
    """On disk, packed where it is."""
    quota_bytes: int | None
    """What it may take; null = no end."""


def add_space_route(app: FastAPI) -> None:
    """Add the route; it finds `Services` and `Gate` in ``app.state``."""
    app.include_router(_routes)


@_routes.get("/space", summary="Space your audio takes")
async def get_space(tenant: Tenant, parts: Parts) -> SpaceBody:
    """Of the token's tenant; other tenants are not shown."""
    if parts.space is None:
        raise AudioMissing("This server keeps no audio.")
    taken = parts.space.of(tenant)
    return SpaceBody(
        sessions=taken.sessions, audio_bytes=taken.audio_bytes, quota_bytes=taken.quota_bytes
    )
