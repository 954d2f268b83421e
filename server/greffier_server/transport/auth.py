"""Who asks: tokens to tenants, and which browser pages may ask at all."""

import hmac
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from greffier_server.errors import AuthenticationFailed, AuthenticationRequired
from greffier_server.settings import Settings, hash_token, is_loopback
from greffier_server.transport.refusals import HostRefused, OriginRefused

__all__ = ["DEFAULT_TENANT", "TOKEN_PARAMETERS", "TOKEN_SUBPROTOCOL", "Gate"]

DEFAULT_TENANT = "default"
"""Tenant of everyone on a loopback server without tokens."""
TOKEN_SUBPROTOCOL = "token."  # noqa: S105 - a prefix, not a token
"""A WebSocket may carry its token as one more subprotocol, ``token.<value>``: browsers cannot set
headers, and unlike a query it is not written into proxies' logs."""
_OPENAI_SUBPROTOCOL = "openai-insecure-api-key."
"""How browsers give OpenAI's realtime interface its key."""
_SCHEMES = ("bearer", "token")
"""Of the Authorization header; as the first of two subprotocols, they announce that the second one
is the token, which is how browsers give it to Deepgram."""
_KEY_HEADERS = ("api-key", "x-api-key")
"""As Azure's clients of OpenAI give it, and gateways."""
TOKEN_PARAMETERS = ("token", "access_token", "api_key")
"""Of the query, one of which may carry the token."""
_DEFAULT_PORTS = (80, 443)


class Gate:
    """Decides for each request; holds only hashes of tokens."""

    def __init__(self, settings: Settings) -> None:
        self._tokens = tuple((token.tenant, token.digest) for token in settings.tokens)
        self._origins = frozenset(
            origin.lower().rstrip("/") for origin in settings.network.allowed_origins
        )
        self._hostnames = frozenset(name.lower() for name in settings.network.hostnames)
        self.visitor: Callable[[HTTPConnection], str | None] = _nobody
        """Tenant of who signed in with a browser (`SignIns.tenant`); asked where no token came."""

    @property
    def open(self) -> bool:
        """No token is configured: this is a loopback server for its user alone."""
        return not self._tokens

    def tenant(self, connection: HTTPConnection) -> str:
        """Return the tenant that the request speaks for.

        Raises:
            AuthenticationRequired: a token is needed and none was given.
            AuthenticationFailed: the token is not one of this server's.
            OriginRefused: a page of another site asks for somebody who is signed in here.
            HostRefused: no tokens, and the name asked for is not a loopback one. A page of another
                site can reach loopback by pointing its own name there (DNS rebinding).
        """
        if self.open:
            self._check_host(connection)
            return DEFAULT_TENANT
        token = _token(connection)
        if not token and (signed_in := self.visitor(connection)) is not None:
            self.check_origin(connection)  # the browser adds the cookie, whoever asks
            return signed_in
        return self.tenant_of(token)

    def by_cookie(self, connection: HTTPConnection) -> bool:
        """Whether the request speaks for somebody who signed in with a browser."""
        return not self.open and self.visitor(connection) is not None

    def tenant_of(self, token: str) -> str:
        """Return the tenant of a token that came in a message, as some protocols have it.

        Raises:
            AuthenticationRequired, AuthenticationFailed: as in `tenant`.
        """
        if self.open:
            return DEFAULT_TENANT
        if not token:
            raise AuthenticationRequired(
                "give the server's token: Authorization: Bearer <token>, "
                f"or the subprotocol {TOKEN_SUBPROTOCOL}<token>"
            )
        digest = hash_token(token)
        found: str | None = None
        for tenant, known in self._tokens:  # all of them, so that the time says nothing
            if hmac.compare_digest(digest, known):
                found = tenant
        if found is None:
            raise AuthenticationFailed("the token is not one of this server's")
        return found

    def digest_of(self, token: str) -> str:
        """Return the digest of a token of this server; empty on a server without tokens.

        Raises:
            AuthenticationRequired, AuthenticationFailed: as in `tenant`.
        """
        self.tenant_of(token)
        return "" if self.open else hash_token(token)

    def check_origin(self, connection: HTTPConnection) -> None:
        """Let programs through, and pages of this server or of an allowed origin (RFC 6454).

        Raises:
            OriginRefused: a page of another site.
        """
        origin = connection.headers.get("origin")
        if origin is None:
            return
        # The scheme is left out: behind a proxy that ends TLS, this server does not know it.
        place = _place(origin)
        same = place == _place(f"//{connection.headers.get('host', '')}") and place[0] != ""
        if not same and origin.lower().rstrip("/") not in self._origins:
            raise OriginRefused(
                "pages of this origin may not connect; the server's owner can list it in "
                "network.allowed_origins"
            )

    def _check_host(self, connection: HTTPConnection) -> None:
        host, _ = _place(f"//{connection.headers.get('host', '')}")
        if not is_loopback(host) and host not in self._hostnames:
            raise HostRefused(
                "a server without tokens answers to loopback names only; "
                "list this name in network.hostnames, or configure tokens"
            )


def _token(connection: HTTPConnection) -> str:
    scheme, _, value = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() in _SCHEMES and value.strip():
        return value.strip()
    offered = cast("list[str]", connection.scope.get("subprotocols", []))
    for name in offered:
        for prefix in (TOKEN_SUBPROTOCOL, _OPENAI_SUBPROTOCOL):
            if name.startswith(prefix):
                return name.removeprefix(prefix)
    if len(offered) > 1 and offered[0].lower() in _SCHEMES:
        return offered[1]
    for name in _KEY_HEADERS:
        if value := connection.headers.get(name, "").strip():
            return value
    parameters = connection.query_params
    return next((parameters[name] for name in TOKEN_PARAMETERS if parameters.get(name)), "")


def _nobody(_connection: HTTPConnection) -> None:
    return None


def _place(text: str) -> tuple[str, int | None]:
    """Host and port; the schemes' own ports count as none."""
    try:
        parts = urlsplit(text)
        return (parts.hostname or "", None if parts.port in _DEFAULT_PORTS else parts.port)
    except ValueError:
        return ("", None)
