"""The web application over parts that are already built."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.routing import BaseRoute, WebSocketRoute

from greffier._version import __version__
from greffier_server.documents.press import Press
from greffier_server.services import Services
from greffier_server.settings import Settings
from greffier_server.transport.answers import Boundary, answer_errors, no_such_socket
from greffier_server.transport.auth import Gate
from greffier_server.transport.bundle import add_bundle_routes
from greffier_server.transport.guest import Doorway
from greffier_server.transport.http import add_http_routes
from greffier_server.transport.live import LiveEndpoint
from greffier_server.transport.review import add_review_routes
from greffier_server.transport.space import add_space_route
from greffier_server.transport.stopping import Connections

__all__ = ["create_app"]


def create_app(
    settings: Settings,
    services: Services,
    *,
    connections: Connections | None = None,
    routes: Sequence[BaseRoute] = (),
) -> FastAPI:
    """Return the ASGI application.

    It does not own `services`: whoever built them closes them, after the application has stopped.

    Args:
        settings: limits and tokens.
        services: the desk, the store, metrics, and what is known of the models.
        connections: shared with a server that ends them before it stops; own ones when absent.
        routes: further ways in (adapters of other protocols, pages), tried after ours.
    """
    held = connections or Connections(limit=settings.limits.connections)
    gate = Gate(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None, None]:
        yield
        held.stop()
        await held.wait_empty(timeout_s=settings.limits.drain_s)

    app = FastAPI(
        title="Greffier",
        version=__version__,
        summary="Live captions, translations and cited minutes.",
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        # The pages of FastAPI load their scripts from other people's servers.
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        redirect_slashes=False,
    )
    app.state.gate = gate
    app.state.services = services
    app.state.connections = held
    app.state.press = Press(settings.documents)
    app.add_middleware(Boundary, metrics=services.metrics)
    answer_errors(app)
    add_http_routes(app)
    add_review_routes(app)
    add_space_route(app)
    add_bundle_routes(app)
    # What adapters of other protocols are given; each adds its routes here.
    app.state.doorway = Doorway(services, gate, settings.limits, held)
    live = LiveEndpoint(services, gate=gate, limits=settings.limits, connections=held)
    app.router.routes.append(WebSocketRoute("/v1/live", live.serve))
    app.router.routes.extend(routes)
    app.router.default = no_such_socket
    return app
