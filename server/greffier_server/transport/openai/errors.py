"""Errors in the shape that clients of OpenAI read."""

from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from greffier_models.errors import EngineError
from greffier_server.errors import (
    AuthenticationFailed,
    AuthenticationRequired,
    BadRequest,
    ServerError,
)

__all__ = ["ParameterRefused", "error_body", "error_response", "kind_of"]


class ParameterRefused(BadRequest):
    """A parameter has a value that cannot be used.

    Args:
        message: what to do.
        param: name of the parameter.
    """

    code = "invalid_value"

    def __init__(self, message: str, *, param: str) -> None:
        super().__init__(message)
        self.param = param


def kind_of(error: ServerError | EngineError) -> str:
    """Return the ``type`` of an error: whose fault it is."""
    refused = (AuthenticationFailed, AuthenticationRequired)
    return "invalid_request_error" if isinstance(error, (BadRequest, *refused)) else "server_error"


def error_body(error: ServerError | EngineError) -> dict[str, Any]:
    """Return an error as clients of OpenAI read it."""
    wrong_key = isinstance(error, (AuthenticationFailed, AuthenticationRequired))
    return {
        "message": error.message,
        "type": kind_of(error),
        "param": error.param if isinstance(error, ParameterRefused) else None,
        "code": "invalid_api_key" if wrong_key else error.code,
    }


def error_response(error: ServerError | EngineError) -> JSONResponse:
    """Return the answer for an error.

    A wrong token is 401 there, as no token is: their clients tell a wrong key by it.
    """
    if isinstance(error, EngineError):
        status = int(HTTPStatus.SERVICE_UNAVAILABLE)
    elif isinstance(error, AuthenticationFailed):
        status = int(HTTPStatus.UNAUTHORIZED)
    else:
        status = error.status
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
    return JSONResponse({"error": error_body(error)}, status_code=status, headers=headers)
