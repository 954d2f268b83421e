"""HTTP: models, schemas, health and metrics of the server."""

import asyncio
from typing import Any, cast

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from greffier._version import __version__
from greffier_server import schema
from greffier_server.errors import ModelNotLoaded
from greffier_server.transport.bodies import (
    ErrorBody,
    Health,
    ModelBody,
    ModelList,
    OpenAIModelBody,
)
from greffier_server.transport.parameters import REFUSALS, Parts, Tenant
from greffier_server.transport.refusals import ServerStopping
from greffier_server.transport.stopping import Connections

__all__ = ["add_condition_routes"]

_server = APIRouter(prefix="/v1", tags=["server"])
_health = APIRouter(tags=["health"])


def add_condition_routes(app: FastAPI) -> None:
    """Add the routes; they find `Services` and `Gate` in ``app.state``."""
    app.include_router(_server)
    app.include_router(_health)


@_server.get("/models", responses=REFUSALS, summary="Models")
async def get_models(_tenant: Tenant, parts: Parts) -> ModelList:
    """What is loaded, and what the catalogue knows."""
    readiness = parts.readiness()
    models = tuple(map(ModelBody.of, parts.models()))
    data = tuple(OpenAIModelBody(id=model.name) for model in models if model.hears)
    return ModelList(ready=readiness.ready, reason=readiness.reason, models=models, data=data)


@_server.get("/schema.json", summary="JSON Schema of the WebSocket messages")
async def get_schema() -> dict[str, Any]:
    """Schemas of every message of ``greffier.v1``."""
    return await asyncio.to_thread(schema.message_schema)


@_server.get("/asyncapi.json", summary="AsyncAPI document of the WebSocket")
async def get_asyncapi() -> dict[str, Any]:
    """The protocol ``greffier.v1``, message by message."""
    return await asyncio.to_thread(schema.asyncapi_document)


@_health.get("/healthz", summary="The process answers")
async def get_health() -> Health:
    """Always 200 while the event loop turns."""
    return Health(status="ok", version=__version__)


@_health.get(
    "/readyz",
    summary="Sessions can be opened",
    responses={503: {"model": ErrorBody, "description": "Not ready; the message says why."}},
)
async def get_readiness(request: Request, parts: Parts) -> Health:
    """200 once the models are loaded, until the server stops."""
    if cast("Connections", request.app.state.connections).stopping:
        raise ServerStopping("the server is shutting down")
    readiness = parts.readiness()
    if not readiness.ready:
        raise ModelNotLoaded(readiness.reason or "the models are not loaded yet")
    return Health(status="ready", version=__version__)


@_health.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **REFUSALS},
)
async def get_metrics(_tenant: Tenant, parts: Parts) -> Response:
    """Numbers only; needs a token where tokens are configured."""
    parts.metrics.sessions_active.set(parts.desk.live_count)
    return Response(parts.metrics.exposition(), media_type="text/plain; version=0.0.4")
