"""HTTP: minutes written anew, and the versions there are: those before stay readable."""

import asyncio
from typing import Any, Literal

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, ConfigDict

from greffier_server.core.events import Corrected, MinutesWritten, Recorded, SecondPassFinished
from greffier_server.core.minutes_versions import minutes_versions
from greffier_server.errors import ServerError, SessionNotFound
from greffier_server.transport.frames import closing
from greffier_server.transport.http import Parts, SessionId, Tenant
from greffier_server.transport.kept import REFUSALS, SameSite

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


class MinutesAsked(BaseModel):
    """Minutes are to be written anew."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    session: str
    state: Literal["queued"] = "queued"


class NoMinutesRedo(ServerError):
    """This process writes no minutes anew."""

    code = "no_minutes_redo"
    status = 501


@_routes.post(
    "/minutes",
    status_code=202,
    summary="Write the minutes anew",
    dependencies=[SameSite],
)
async def post_minutes(tenant: Tenant, parts: Parts, session: SessionId) -> MinutesAsked:
    """From the text as people have corrected it, with the documents there are; a job.

    ``dated`` of the minutes counts what has changed since they were written; it is 0 when the new
    ones are there.
    """
    if parts.minutes_redo is None:
        raise NoMinutesRedo("this server writes no minutes anew")
    await parts.minutes_redo.ask(tenant, session)
    return MinutesAsked(session=session)


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
