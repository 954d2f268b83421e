"""Viewer links at work: what a link grants, for how long, and the end of those it let in."""

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Final, cast

from starlette.requests import HTTPConnection

from greffier_server.settings import hash_token
from greffier_server.storage.links import Link, LinkStore
from greffier_server.transport.refusals import LinkInvalid

__all__ = ["LINK_SUBPROTOCOL", "ViewerLinks", "link_secret"]

LINK_SUBPROTOCOL: Final = "link."
"""A WebSocket carries its link as one more subprotocol, ``link.<secret>``."""
_SCHEME: Final = "link"
"""Over HTTP: ``Authorization: Link <secret>``."""
_CHECK_S: Final = 5.0
"""A link revoked through another server ends here after so long."""
_MAX_CHARS: Final = 128
_GONE: Final = "this link is not valid, or no longer; ask for a new one"


def link_secret(connection: HTTPConnection) -> str:
    """Return the secret of the link that the request carries; empty when it carries none."""
    scheme, _, value = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == _SCHEME:
        return value.strip()
    offered = cast("list[str]", connection.scope.get("subprotocols", []))
    found = (name for name in offered if name.startswith(LINK_SUBPROTOCOL))
    return next(found, "").removeprefix(LINK_SUBPROTOCOL)


class ViewerLinks:
    """Makes links, takes them, and ends the viewers of a revoked one at once.

    Args:
        store: keeps them.
        clock: seconds since the epoch.
    """

    def __init__(self, store: LinkStore, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._revoked: dict[str, asyncio.Event] = {}
        self._viewers: dict[str, int] = {}

    async def make(
        self, tenant: str, session: str, *, languages: tuple[str, ...] | None, lasts_ms: int
    ) -> tuple[Link, str]:
        """Make a link; return it and its secret, which is told only now.

        Raises:
            SessionNotFound, StorageFailed.
        """
        secret = secrets.token_urlsafe(24)
        now_ms = self._now_ms()
        link = Link(
            id=secrets.token_hex(8),
            tenant=tenant,
            session=session,
            digest=hash_token(secret),
            languages=languages,
            created_at_ms=now_ms,
            expires_at_ms=now_ms + lasts_ms,
        )
        await self._store.add(link)
        return link, secret

    async def of_session(self, tenant: str, session: str) -> tuple[Link, ...]:
        """Return the links of a session, newest first."""
        return tuple(await self._store.of_session(tenant, session))

    async def revoke(self, tenant: str, session: str, link: str) -> bool:
        """End a link and everybody it let in; False when the session has none of that id."""
        known = await self._store.revoke(tenant, session, link, at_ms=self._now_ms())
        if known and (event := self._revoked.get(link)) is not None:
            event.set()
        return known

    async def grant(self, secret: str) -> Link:
        """Return the link with this secret.

        Raises:
            LinkInvalid: there is none, it has run out, or it was revoked.
        """
        link = None
        if 0 < len(secret) <= _MAX_CHARS:
            link = await self._store.by_digest(hash_token(secret))
        if link is None or not self._holds(link):
            raise LinkInvalid(_GONE)
        return link

    async def hold(self, link: Link) -> None:
        """Wait for as long as the link holds.

        Raises:
            LinkInvalid: at its end.
        """
        event = self._revoked.setdefault(link.id, asyncio.Event())
        self._viewers[link.id] = self._viewers.get(link.id, 0) + 1
        try:
            while self._holds(link):
                left_s = link.expires_at_ms / 1000 - self._clock()
                try:
                    async with asyncio.timeout(min(_CHECK_S, max(0.0, left_s))):
                        await event.wait()
                    break
                except TimeoutError:
                    link = await self._store.by_digest(link.digest) or link
            raise LinkInvalid(_GONE)
        finally:
            self._viewers[link.id] -= 1
            if not self._viewers[link.id]:
                del self._viewers[link.id], self._revoked[link.id]

    def _holds(self, link: Link) -> bool:
        return link.revoked_at_ms is None and link.expires_at_ms > self._now_ms()

    def _now_ms(self) -> int:
        return round(self._clock() * 1000)
