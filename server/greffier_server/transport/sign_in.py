"""Signing in with a browser: a token once, then a cookie that scripts cannot read.

The cookie is ``<tenant's token, named by its digest's beginning>.<end>.<nonce>.<signature>``. It is
signed (HMAC-SHA-256, RFC 2104) with a key made from the server's own secret and the digest of the
token: it ends with the token, it outlives a restart, every server of one database takes it, and
neither the database nor the settings alone are enough to make one.
"""

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Final, cast
from urllib.parse import parse_qs, urlencode, urlsplit

from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response

from greffier_server.errors import AuthenticationFailed, AuthenticationRequired
from greffier_server.settings import TenantToken
from greffier_server.transport.auth import Gate
from greffier_server.transport.bodies import ErrorBody
from greffier_server.transport.guesses import Guesses
from greffier_server.transport.refusals import FrameTooLarge, TooManyGuesses

__all__ = ["COOKIE", "SignIns", "add_sign_in_routes", "local_path"]

COOKIE: Final = "greffier_session"
_DAYS: Final = 30
_MAX_BODY: Final = 4_096
_NAME_CHARS: Final = 16
_FORM: Final = {"description": "The answer to a form: where to go on."}


class SignIns:
    """Makes cookies and reads them.

    Args:
        tokens: of this server.
        secret: of this server, or of all servers on its database.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        tokens: Sequence[TenantToken],
        secret: bytes,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._keys = {
            _name(token.digest): (
                token.tenant,
                hmac.digest(secret, f"cookie:{token.digest}".encode(), "sha256"),
            )
            for token in tokens
        }

    def cookie(self, digest: str) -> str:
        """Return a cookie's value for the token with this digest (``sha256:<hex>``)."""
        name = _name(digest)
        _, key = self._keys[name]
        ends = int(self._clock()) + _DAYS * 86_400
        signed = f"{name}.{ends}.{secrets.token_urlsafe(12)}"
        return f"{signed}.{_signature(key, signed)}"

    def tenant(self, connection: HTTPConnection) -> str | None:
        """Return the tenant of the connection's cookie; None without a cookie that holds."""
        signed, _, signature = connection.cookies.get(COOKIE, "").rpartition(".")
        name, _, rest = signed.partition(".")
        tenant, key = self._keys.get(name, (None, b""))
        if tenant is None or not hmac.compare_digest(signature, _signature(key, signed)):
            return None
        return tenant if int(rest.partition(".")[0]) > self._clock() else None


def _name(digest: str) -> str:
    """A name for a token that says nothing of it: a digest of its digest."""
    return hashlib.sha256(digest.encode()).hexdigest()[:_NAME_CHARS]


def _signature(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def local_path(text: str) -> str:
    """Return `text` if it is a path on this server, else ``/``: nobody is led to another site."""
    parts = urlsplit(text)
    plain = text.startswith("/") and not text.startswith("//") and text.isprintable()
    return text if plain and "\\" not in text and not parts.scheme and not parts.netloc else "/"


_routes = APIRouter(
    prefix="/v1",
    tags=["sign-in"],
    responses={
        status: {"model": ErrorBody, "description": description}
        for status, description in {
            401: "No token was given.",
            403: "The token is not one of this server's.",
            413: "More was sent than a token.",
            429: "Too many wrong tokens.",
        }.items()
    },
)


def add_sign_in_routes(app: FastAPI) -> None:
    """Add the routes; they find `Gate` and `SignIns` in ``app.state``."""
    app.state.sign_in_guesses = Guesses(time.monotonic)
    app.include_router(_routes)


def _gate(request: Request) -> Gate:
    return cast("Gate", request.app.state.gate)


@_routes.post(
    "/sign-in",
    status_code=204,
    summary="Sign in with a browser",
    responses={303: _FORM},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                media: {
                    "schema": {
                        "type": "object",
                        "required": ["token"],
                        "properties": {"token": {"type": "string"}, "next": {"type": "string"}},
                    }
                }
                for media in ("application/json", "application/x-www-form-urlencoded")
            },
        }
    },
)
async def sign_in(request: Request, gate: Annotated[Gate, Depends(_gate)]) -> Response:
    """Take a token, give the cookie ``greffier_session``.

    A form is answered with 303 to ``next``, or back to the sign-in page with the code of the error.
    """
    fields, form = await _fields(request)
    after = local_path(fields.get("next", "/"))
    try:
        digest = _digest(request, gate, fields.get("token", ""))
    except (AuthenticationRequired, AuthenticationFailed, TooManyGuesses) as error:
        if not form:
            raise
        asked = urlencode({"next": after, "error": error.code})
        return RedirectResponse(f"/sign-in?{asked}", status_code=303)
    response = RedirectResponse(after, status_code=303) if form else Response(status_code=204)
    if digest:
        sign_ins = cast("SignIns", request.app.state.sign_ins)
        response.set_cookie(
            COOKIE,
            sign_ins.cookie(digest),
            max_age=_DAYS * 86_400,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
    return response


@_routes.post("/sign-out", status_code=204, summary="Sign out", responses={303: _FORM})
async def sign_out(request: Request) -> Response:
    """Take the cookie back; a form is led to the sign-in page."""
    form = _is_form(request)
    response = RedirectResponse("/sign-in", status_code=303) if form else Response(status_code=204)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def _digest(request: Request, gate: Gate, token: str) -> str:
    """The digest of a token that holds; empty on a server without tokens."""
    guesses = cast("Guesses", request.app.state.sign_in_guesses)
    address = request.client.host if request.client else ""
    if guesses.refused(address, "sign-in"):
        raise TooManyGuesses("too many wrong tokens; wait a minute")
    try:
        return gate.digest_of(token.strip())
    except AuthenticationFailed:
        guesses.wrong(address, "sign-in")
        raise


async def _fields(request: Request) -> tuple[dict[str, str], bool]:
    """What was sent, and whether by a form."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise FrameTooLarge("a token is shorter")
    form = _is_form(request)
    try:
        if form:
            return {name: values[0] for name, values in parse_qs(body.decode()).items()}, True
        said: object = json.loads(body)
    except ValueError:
        return {}, form
    if not isinstance(said, dict):
        return {}, False
    fields = cast("dict[str, object]", said)
    return {name: value for name, value in fields.items() if isinstance(value, str)}, False


def _is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
