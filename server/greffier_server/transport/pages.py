"""The pages for browsers: who may open one, in which language, and under which policy.

A page comes from this server alone and may reach nothing else: its policy (CSP level 3) lets no
inline script, no other site and no frame around it. Scripts, styles and texts are under
``/assets/<version>/``, where the version is a digest of them all, so they are kept for ever.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlencode

from fastapi import FastAPI
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from greffier_server.errors import AuthenticationFailed, AuthenticationRequired
from greffier_server.settings import PageSettings
from greffier_server.transport.auth import Gate
from greffier_web import PAGES, Asset, Look, Page, Site
from greffier_web.site import LANGUAGES, THEMES

__all__ = ["LANGUAGE_COOKIE", "THEME_COOKIE", "add_pages", "content_policy"]

LANGUAGE_COOKIE: Final = "greffier_language"
THEME_COOKIE: Final = "greffier_theme"
_FOREVER: Final = "public, max-age=31536000, immutable"
_CHECK: Final = "no-cache"
_LANGUAGE_DAYS: Final = 365


def content_policy(frame_ancestors: tuple[str, ...] = ()) -> str:
    """Return the content security policy of a page.

    Args:
        frame_ancestors: origins whose pages may hold it in a frame; none when empty.
    """
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data: blob:",
            "font-src 'self'",
            "connect-src 'self'",
            "media-src 'self' blob:",
            "worker-src 'self'",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            f"frame-ancestors {' '.join(frame_ancestors) or chr(39) + 'none' + chr(39)}",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def add_pages(app: FastAPI, gate: Gate, settings: PageSettings) -> None:
    """Add every page of `greffier_web`, and its assets."""
    pages = _Pages(gate, settings)
    routes = app.router.routes
    routes.append(Route("/assets/{version}/{path:path}", pages.asset, methods=["GET", "HEAD"]))
    routes.append(Route("/favicon.ico", pages.icon, methods=["GET", "HEAD"]))
    for page in pages.listed:
        routes.append(Route(page.path, pages.endpoint(page), methods=["GET", "HEAD"]))


class _Pages:
    def __init__(self, gate: Gate, settings: PageSettings) -> None:
        self.listed = PAGES
        self._gate = gate
        self._frames = settings.frame_ancestors
        self._site: Site | None = None
        self._loading = asyncio.Lock()

    def endpoint(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """Return what answers for `page`."""

        async def answer(request: Request) -> Response:
            if page.access == "signed-in" and not self._welcome(request):
                asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                return RedirectResponse(f"/sign-in?{urlencode({'next': asked})}", status_code=303)
            site = await self._loaded()
            look = _look(request, signed_in=self._gate.by_cookie(request))
            whole = await asyncio.to_thread(site.page, page, look)
            response = _answer(request, whole, keep=_CHECK)
            # A viewer's page may be shown inside another site's where the owner says so.
            frames = self._frames if page.layout == "stage" else ()
            response.headers["Content-Security-Policy"] = content_policy(frames)
            # Under "no-referrer" the browser would say that its own forms come from nowhere.
            response.headers["Referrer-Policy"] = (
                "no-referrer" if page.layout == "stage" else "same-origin"
            )
            response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
            response.headers["Permissions-Policy"] = (
                "microphone=(self), display-capture=(self), fullscreen=(self), camera=(), "
                "geolocation=()"
            )
            response.headers["Vary"] = "Accept-Language, Accept-Encoding, Cookie"
            if not frames:
                response.headers["X-Frame-Options"] = "DENY"
            if request.query_params.get("lang") in LANGUAGES:
                response.set_cookie(
                    LANGUAGE_COOKIE,
                    look.language,
                    max_age=_LANGUAGE_DAYS * 86_400,
                    samesite="strict",
                    secure=request.url.scheme == "https",
                )
            return response

        return answer

    async def asset(self, request: Request) -> Response:
        """Answer for a file; under an older version's name, the present one, not to be kept."""
        site = await self._loaded()
        found = site.asset(request.path_params["path"])
        if found is None:
            return Response(status_code=404)
        same = request.path_params["version"] == site.version
        return _answer(request, found, keep=_FOREVER if same else _CHECK)

    async def icon(self, request: Request) -> Response:
        """Answer browsers that ask for an icon without having read the page."""
        site = await self._loaded()
        return _answer(
            request, site.asset("images/icon.svg") or Asset(b"", "text/plain"), keep=_CHECK
        )

    def _welcome(self, request: Request) -> bool:
        try:
            self._gate.tenant(request)
        except (AuthenticationRequired, AuthenticationFailed):
            return False
        return True

    async def _loaded(self) -> Site:
        async with self._loading:
            if self._site is None:
                self._site = await asyncio.to_thread(Site)
            return self._site


def _answer(request: Request, asset: Asset, *, keep: str) -> Response:
    tag = f'W/"{asset.digest}"'
    headers = {"Cache-Control": keep, "ETag": tag, "X-Content-Type-Options": "nosniff"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    body = asset.body
    if asset.packed is not None:
        headers["Vary"] = "Accept-Encoding"
        if "gzip" in request.headers.get("accept-encoding", ""):
            body = asset.packed
            headers["Content-Encoding"] = "gzip"
    return Response(body, media_type=asset.media_type, headers=headers)


def _look(connection: HTTPConnection, *, signed_in: bool) -> Look:
    theme = connection.cookies.get(THEME_COOKIE, "auto")
    return Look(
        language=_language(connection),
        theme=theme if theme in THEMES else "auto",
        signed_in=signed_in,
    )


def _language(connection: HTTPConnection) -> str:
    """What the address asks for, the visitor chose, or the browser prefers (RFC 9110 §12.5.4)."""
    for chosen in (connection.query_params.get("lang"), connection.cookies.get(LANGUAGE_COOKIE)):
        if chosen in LANGUAGES:
            return chosen
    best, weight = LANGUAGES[0], 0.0
    for part in connection.headers.get("accept-language", "").split(","):
        tag, _, quality = part.strip().partition(";q=")
        language = tag.split("-")[0].lower()
        if language in LANGUAGES and _quality(quality) > weight:
            best, weight = language, _quality(quality)
    return best


def _quality(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0
