"""What the routes share that do something with text once it is written."""

from typing import Annotated, Any, cast

from fastapi import Depends, Request

from greffier_server.alert_settings import AlertSettings
from greffier_server.archive import Archive
from greffier_server.core.alerts import own_words
from greffier_server.errors import ServerError
from greffier_server.services import Services
from greffier_server.transport.auth import Gate
from greffier_server.transport.bodies import ErrorBody

__all__ = ["REFUSALS", "Kept", "SameSite", "watchwords"]

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": description}
    for status, description in {
        400: "The request cannot be understood.",
        401: "No token was given.",
        403: "The token is not one of this server's, or a page of another site asks.",
        404: "No such session, or nothing at this place.",
        409: "Something else stands there by now, or the session is busy.",
        421: "Not a name of this server.",
        422: "A parameter is out of range.",
        500: "The server failed.",
        501: "Not a thing this server does.",
        507: "Storage failed.",
    }.items()
}


class NoArchive(ServerError):
    """This process keeps no text to look into."""

    code = "no_archive"
    status = 501


def _kept(request: Request) -> Archive:
    archive = cast("Services", request.app.state.services).archive
    if archive is None:
        raise NoArchive("this server keeps no text to search or correct")
    return archive


def _same_site(request: Request) -> None:
    cast("Gate", request.app.state.gate).check_origin(request)


Kept = Annotated[Archive, Depends(_kept)]
SameSite = Depends(_same_site)
"""Of what changes something: a page of another site may not ask for it."""


def watchwords(request: Request, tenant: str) -> tuple[str, ...]:
    """Return the words that raise an alert for `tenant`, besides the calls of distress."""
    settings = cast("AlertSettings", request.app.state.alerts)
    return own_words(settings.words, settings.tenant_words, tenant)
