"""HTTP: the versions of a session's minutes; those that were written anew stay readable."""

import asyncio
from typing import Any

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, ConfigDict

from greffier_server.core.events import Corrected, MinutesWritten, Recorded, SecondPassFinished
from greffier_server.core.minutes_versions import minutes_versions
from greffier_server.errors import SessionNotFound
from greffier_server.transport.frames import closing
from greffier_server.transport.http import Parts, SessionId, Tenant
from greffier_server.transport.kept import REFUSALS

__all__ = ["MinutesVersions", "add_minutes_version_routes"]

_routes = APIRouter(prefix="/v1/sessions/{session}", tags=["texts"], responses=REFUSALS)


class MinutesVersions(BaseModel):
    """Minutes as they were written, and written anew, oldest first."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    versions: list[dict[str, Any]]
    """Each with ``version`` (from 1), ``at_ms``, ``engine``, ``second_pass``, and the sections as
    ``record`` writes them."""


def add_minutes_version_routes(app: FastAPI) -> None:
    """Add the route; it finds `Services` and `Gate` in ``app.state``."""
    app.include_router(_routes)


@_routes.get("/minutes/versions", summary="The versions of the minutes")
async def get_minutes_versions(tenant: Tenant, parts: Parts, session: SessionId) -> MinutesVersions:
    """With what editors made of each; empty where there are no minutes."""
    if await parts.store.get(tenant, session) is None:
        raise SessionNotFound("There is no such session.")
    kept: list[Recorded] = []
    async with closing(parts.store.events(tenant, session)) as records:
        async for record in records:
            if isinstance(record.event, MinutesWritten | SecondPassFinished | Corrected):
                kept.append(record)
    return MinutesVersions(versions=await asyncio.to_thread(minutes_versions, kept))
