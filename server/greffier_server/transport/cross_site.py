"""What pages of other sites may not do, whatever cookie the browser would add for them.

Requests that change something must come from this server's pages, from an allowed origin, or from
a program (OWASP, *Cross-Site Request Forgery Prevention*: verifying the origin). Answers say that
no other site may hold them as a script, an image or a frame, nor guess at their type.
"""

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from greffier_server.transport.answers import error_answer
from greffier_server.transport.auth import Gate
from greffier_server.transport.refusals import OriginRefused

__all__ = ["CrossSite"]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FOREIGN = frozenset({"cross-site", "same-site"})


class CrossSite:
    """Middleware in front of every route.

    Args:
        app: behind it.
        gate: knows the allowed origins.
    """

    def __init__(self, app: ASGIApp, *, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] not in _SAFE:
            try:
                self._check(HTTPConnection(scope))
            except OriginRefused as error:
                answer = error_answer(error.code, error.message, status=error.status)
                await answer(scope, receive, send)
                return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
                headers.setdefault("Referrer-Policy", "no-referrer")
            await send(message)

        await self._app(scope, receive, guarded)

    def _check(self, connection: HTTPConnection) -> None:
        self._gate.check_origin(connection)
        sent_from = connection.headers.get("sec-fetch-site", "")
        if sent_from in _FOREIGN and "origin" not in connection.headers:
            raise OriginRefused("pages of other sites may not change anything here")
