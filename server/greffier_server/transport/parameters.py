"""What the HTTP routes are given with each request, and how they may refuse it."""

from typing import Annotated, Any, cast

from fastapi import Depends, Path, Request

from greffier_server.services import Services
from greffier_server.transport.auth import Gate
from greffier_server.transport.bodies import ErrorBody

__all__ = ["REFUSALS", "Parts", "SessionId", "Tenant"]

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": description}
    for status, description in {
        401: "No token was given.",
        403: "The token is not one of this server's.",
        404: "No such session, or no such text in it.",
        409: "Not in the session's present state.",
        410: "The session's audio is no longer kept.",
        421: "Not a name of this server.",
        422: "A parameter is out of range.",
        500: "The server failed.",
        501: "Not a thing this server does.",
        507: "Storage failed.",
    }.items()
}


def _tenant(request: Request) -> str:
    return cast("Gate", request.app.state.gate).tenant(request)


def _services(request: Request) -> Services:
    return cast("Services", request.app.state.services)


Tenant = Annotated[str, Depends(_tenant)]
Parts = Annotated[Services, Depends(_services)]
SessionId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Session id.")]
