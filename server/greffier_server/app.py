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
from greffier_server.transport.archive import add_archive_routes
from greffier_server.transport.attachments import add_document_routes
from greffier_server.transport.auth import Gate
from greffier_server.transport.broadcast import Broadcasts
from greffier_server.transport.bundle import add_bundle_routes
from greffier_server.transport.cross_site import CrossSite
from greffier_server.transport.deliveries import add_delivery_routes
from greffier_server.transport.glossary import add_glossary_routes
from greffier_server.transport.guest import Doorway
from greffier_server.transport.hls import Reels, add_hls_routes
from greffier_server.transport.http import add_http_routes
from greffier_server.transport.links import add_link_routes
from greffier_server.transport.live import LiveEndpoint
from greffier_server.transport.mistral.hosted import mistral_reception
from greffier_server.transport.openai.realtime import realtime_reception
from greffier_server.transport.openai.recordings import add_openai_routes
from greffier_server.transport.pages import add_pages
from greffier_server.transport.questions import add_question_routes
from greffier_server.transport.review import add_review_routes
from greffier_server.transport.session_documents import add_attachment_routes
from greffier_server.transport.sign_in import SignIns, add_sign_in_routes
from greffier_server.transport.space import add_space_route
from greffier_server.transport.sse import add_sse_routes
from greffier_server.transport.stopping import Connections
from greffier_server.transport.synthesis import add_synthesis_routes
from greffier_server.transport.uploads import Uploads
from greffier_server.transport.viewers import ViewerLinks
from greffier_server.transport.voices import add_voices_routes
from greffier_server.transport.whip.routes import add_whip_routes

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
    reels = Reels(services.desk)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None, None]:
        yield
        held.stop()
        await held.wait_empty(timeout_s=settings.limits.drain_s)
        await publications.close()
        await reels.close()

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
    app.state.viewer_links = ViewerLinks(services.links)
    app.state.sign_ins = SignIns(settings.tokens, services.web_secret)
    gate.visitor = app.state.sign_ins.tenant
    app.add_middleware(CrossSite, gate=gate)
    app.state.press = Press(settings.documents)
    app.add_middleware(Boundary, metrics=services.metrics, connections=held)
    answer_errors(app)
    add_http_routes(app)
    add_review_routes(app)
    add_space_route(app)
    add_glossary_routes(app)
    add_bundle_routes(app)
    add_openai_routes(app)
    add_archive_routes(app, settings)
    add_question_routes(app)
    add_document_routes(app)
    add_attachment_routes(app)
    add_synthesis_routes(app)
    add_sign_in_routes(app)
    add_link_routes(app)
    if settings.pages.enabled:
        add_pages(app, gate, settings.pages)
    # What adapters of other protocols are given; each adds its routes here.
    app.state.doorway = Doorway(services, gate, settings.limits, held)
    app.state.uploads = Uploads(app.state.doorway, settings.uploads)
    add_voices_routes(app)
    publications = add_whip_routes(app, settings)
    broadcasts = app.state.broadcasts = Broadcasts(services.desk, held)
    app.state.reels = reels
    add_sse_routes(app)
    add_hls_routes(app)
    add_delivery_routes(app)
    live = LiveEndpoint(
        services,
        gate=gate,
        limits=settings.limits,
        connections=held,
        links=app.state.viewer_links,
        broadcasts=broadcasts,
    )
    app.router.routes.append(WebSocketRoute("/v1/live", live.serve))
    realtime = realtime_reception(app.state.doorway)
    app.router.routes.append(WebSocketRoute("/v1/realtime", realtime.serve))
    mistral = mistral_reception(app.state.doorway)
    app.router.routes.append(WebSocketRoute("/v1/audio/transcriptions/realtime", mistral.serve))
    app.router.routes.extend(routes)
    app.router.default = no_such_socket
    return app
