"""HTTP: what outlets were told of a tenant's sessions, what they did not want, and trying again."""

from typing import Annotated, Literal

from fastapi import APIRouter, FastAPI, Query
from pydantic import BaseModel, ConfigDict

from greffier_server.errors import SessionNotFound
from greffier_server.outlets.courier import Courier
from greffier_server.services import Services
from greffier_server.transport.bodies import ErrorBody
from greffier_server.transport.parameters import Parts, SessionId, Tenant
from greffier_server.transport.refusals import NoOutlets

__all__ = ["add_delivery_routes"]

_PAGE = 200
_STATES = ("open", "done", "halted", "gone")
_routes = APIRouter(
    prefix="/v1",
    tags=["deliveries"],
    responses={
        401: {"model": ErrorBody, "description": "No token was given."},
        403: {"model": ErrorBody, "description": "The token is not one of this server's."},
        404: {"model": ErrorBody, "description": "No such session."},
        422: {"model": ErrorBody, "description": "A parameter is out of range."},
        501: {"model": ErrorBody, "description": "This server tells nobody of sessions."},
    },
)

State = Literal["open", "done", "halted", "gone"]


class DeliveryBody(BaseModel):
    """How far one outlet was told of one session."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    session: str
    outlet: str
    """Its name in the server's settings."""
    state: State
    """``halted``: given up after too many failures; ``gone``: the outlet wants nothing more."""
    seq: int
    """The last event that was told."""
    attempts: int
    """Failures in a row."""
    next_at_ms: int
    """Not tried before."""
    cause: str
    """Code of the last failure."""


class DeadLetterBody(BaseModel):
    """An event that an outlet refused."""

    model_config = ConfigDict(frozen=True)

    session: str
    outlet: str
    seq: int
    cause: str
    at_ms: int


class DeliveryList(BaseModel):
    """Deliveries of a tenant's sessions."""

    model_config = ConfigDict(frozen=True)

    deliveries: tuple[DeliveryBody, ...]
    dead_letters: tuple[DeadLetterBody, ...]


class RetryBody(BaseModel):
    """What is tried again."""

    model_config = ConfigDict(frozen=True)

    session: str
    outlets: int


def add_delivery_routes(app: FastAPI) -> None:
    """Add the routes; they find `Services` and `Gate` in ``app.state``."""
    app.include_router(_routes)


@_routes.get("/deliveries", summary="What outlets were told")
async def get_deliveries(
    tenant: Tenant,
    parts: Parts,
    state: Annotated[State | None, Query(description="Only those.")] = None,
) -> DeliveryList:
    """Newest sessions first, 200 at most; and the newest events that were refused."""
    deliveries = _courier(parts).deliveries
    states = _STATES if state is None else (state,)
    return DeliveryList(
        deliveries=tuple(
            DeliveryBody(
                session=one.session,
                outlet=one.outlet,
                state=one.state,
                seq=one.seq,
                attempts=one.attempts,
                next_at_ms=one.run_after_ms,
                cause=one.cause,
            )
            for one in await deliveries.list(tenant, states=states, limit=_PAGE)
        ),
        dead_letters=tuple(
            DeadLetterBody(
                session=one.session,
                outlet=one.outlet,
                seq=one.seq,
                cause=one.cause,
                at_ms=one.at_ms,
            )
            for one in await deliveries.dead(tenant, limit=_PAGE)
        ),
    )


@_routes.post("/sessions/{session}/deliveries/retry", status_code=202, summary="Tell outlets again")
async def retry_deliveries(tenant: Tenant, parts: Parts, session: SessionId) -> RetryBody:
    """Take up again what was halted, from the event it was halted at."""
    courier = _courier(parts)
    if await parts.store.get(tenant, session) is None:
        raise SessionNotFound("no such session")
    return RetryBody(session=session, outlets=await courier.retry(tenant, session))


def _courier(parts: Services) -> Courier:
    if parts.courier is None:
        raise NoOutlets("this server has no webhooks and no broker")
    return parts.courier
