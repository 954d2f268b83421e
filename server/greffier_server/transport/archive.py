"""HTTP: what is done with text once it is written: corrected, read, searched, counted."""

from fastapi import FastAPI

from greffier_server.settings import Settings
from greffier_server.transport.corrections import add_correction_routes
from greffier_server.transport.minutes_versions import add_minutes_version_routes
from greffier_server.transport.radio import add_radio_routes
from greffier_server.transport.record import add_record_routes
from greffier_server.transport.search import add_search_routes
from greffier_server.transport.usage import add_usage_routes

__all__ = ["add_archive_routes"]


def add_archive_routes(app: FastAPI, settings: Settings) -> None:
    """Add every route; they find `Services` and `Gate` in ``app.state``."""
    app.state.alerts = settings.alerts
    app.state.documents = settings.documents
    add_correction_routes(app)
    add_record_routes(app)
    add_minutes_version_routes(app)
    add_search_routes(app)
    add_radio_routes(app)
    add_usage_routes(app)
