"""Errors as HTTP answers: one JSON shape for every path, never a stack trace."""

import logging
import math
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from greffier_models.errors import EngineError
from greffier_server.errors import ServerError
from greffier_server.telemetry import Metrics
from greffier_server.transport.stopping import Connections

__all__ = ["Boundary", "answer_errors", "error_answer", "no_such_socket"]

logger = logging.getLogger(__name__)

_HTTP_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "request_too_large",
    415: "unsupported_media_type",
}


def error_answer(
    code: str,
    message: str,
    *,
    status: int,
    retryable: bool = False,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """Return the answer for an error."""
    body = {"code": code, "message": message, "retryable": retryable}
    return JSONResponse(body, status_code=status, headers=headers)


def answer_errors(app: FastAPI) -> None:
    """Let `app` answer errors in our shape."""

    async def on_server_error(_request: Request, error: Exception) -> Response:
        assert isinstance(error, ServerError)  # noqa: S101 - by registration
        headers = {"WWW-Authenticate": "Bearer"} if error.status == HTTPStatus.UNAUTHORIZED else {}
        return error_answer(
            error.code,
            error.message,
            status=error.status,
            retryable=error.retryable,
            headers=headers,
        )

    async def on_engine_error(_request: Request, error: Exception) -> Response:
        assert isinstance(error, EngineError)  # noqa: S101 - by registration
        return error_answer(error.code, error.message, status=503, retryable=error.retryable)

    async def on_http_error(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - by registration
        code = _HTTP_CODES.get(error.status_code, f"http_{error.status_code}")
        phrase = HTTPStatus(error.status_code).phrase.lower()
        headers = dict(error.headers) if error.headers else None
        return error_answer(code, phrase, status=error.status_code, headers=headers)

    async def on_invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - by registration
        problems = [
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors()
        ]
        return error_answer("invalid_request", "; ".join(problems), status=422)

    app.add_exception_handler(ServerError, on_server_error)
    app.add_exception_handler(EngineError, on_engine_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_invalid)


async def no_such_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer for every path without a route, sockets included."""
    if scope["type"] == "websocket":
        await error_answer("not_found", "not found", status=404)(scope, receive, send)
    else:
        raise HTTPException(404)


class Boundary:
    """Counts answers, says when a stopping server is back, and turns the unforeseen into a 500.

    The framework's own last handler raises the error again, message included, into the log.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, connections: Connections) -> None:
        self._app = app
        self._metrics = metrics
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":
            await self._app(scope, receive, self._telling(send))
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False
        send = self._telling(send)

        async def counting(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                labels = (str(scope["method"]), str(message["status"]))
                self._metrics.http_requests.labels(*labels).inc()
            await send(message)

        try:
            await self._app(scope, receive, counting)
        except Exception as error:
            logger.error("request failed", exc_info=error)
            if not begun:
                answer = error_answer(
                    "internal_error", "the server failed; its log says where", status=500
                )
                await answer(scope, receive, counting)

    def _telling(self, send: Send) -> Send:
        """Say in each refusal of a server that stops when to come back (RFC 9110 §10.2.3)."""

        async def telling(message: Message) -> None:
            unavailable = message.get("status") == HTTPStatus.SERVICE_UNAVAILABLE
            if unavailable and self._connections.stopping:
                after = str(math.ceil(self._connections.retry_after_s)).encode()
                message = {**message, "headers": [*message["headers"], (b"retry-after", after)]}
            await send(message)

        return telling
