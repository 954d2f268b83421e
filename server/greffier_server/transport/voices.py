"""The WebSockets of Deepgram's, WhisperLive's and Vosk's clients."""

from fastapi import FastAPI
from starlette.routing import Route, WebSocketRoute

from greffier_server.transport.deepgram.live import ListenEndpoint
from greffier_server.transport.deepgram.recorded import RecordedEndpoint
from greffier_server.transport.guest import Doorway
from greffier_server.transport.root_socket import RootEndpoint

__all__ = ["add_voices_routes"]


def add_voices_routes(app: FastAPI) -> None:
    """Add ``/v1/listen``, ``/``, ``/vosk`` and ``/whisperlive``.

    It needs ``app.state.doorway`` and ``app.state.uploads``.
    """
    doorway: Doorway = app.state.doorway
    sockets = [
        ("/v1/listen", ListenEndpoint(doorway).serve),
        ("/", RootEndpoint(doorway).serve),
        ("/vosk", RootEndpoint(doorway, "vosk").serve),
        ("/whisperlive", RootEndpoint(doorway, "whisperlive").serve),
    ]
    for path, serve in sockets:
        app.router.routes.append(WebSocketRoute(path, serve))
    recorded = RecordedEndpoint(doorway, app.state.uploads)
    app.router.routes.append(Route("/v1/listen", recorded.answer, methods=["POST"]))
