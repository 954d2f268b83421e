"""Links by which somebody without a token may watch one session; only digests of them are kept."""

import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from greffier_server.errors import SessionNotFound
from greffier_server.storage.engines import WRITES, engine_for
from greffier_server.storage.sql_errors import ConstraintRefused, translated
from greffier_server.storage.tables import viewer_links, web_secrets

__all__ = ["Link", "LinkStore", "MemoryLinks", "SqlLinks"]

_SECRET_BYTES = 32
_MOST = 200
"""Of one session that are listed; the newest."""


@dataclass(frozen=True, slots=True)
class Link:
    """One viewer link."""

    id: str
    tenant: str
    session: str
    digest: str
    """``sha256:`` and the hexadecimal digest of the secret in its address."""
    languages: tuple[str, ...] | None
    """Translations that may be seen; None = every one."""
    created_at_ms: int
    expires_at_ms: int
    revoked_at_ms: int | None = None


class LinkStore(Protocol):
    """What is kept of viewer links, and the secret that browsers' cookies are signed with."""

    async def add(self, link: Link) -> None:
        """Keep a new link. Raises SessionNotFound, StorageFailed."""
        ...

    async def of_session(self, tenant: str, session: str) -> Sequence[Link]:
        """Return the links of a session, newest first, revoked ones included."""
        ...

    async def by_digest(self, digest: str) -> Link | None:
        """Return the link whose secret has this digest."""
        ...

    async def revoke(self, tenant: str, session: str, link: str, *, at_ms: int) -> bool:
        """End a link; False when the session has none of that id."""
        ...

    async def secret(self, name: str) -> bytes:
        """Return the secret of this name, the same for ever; made when first asked for."""
        ...


class MemoryLinks:
    """`LinkStore` that forgets everything when the process ends."""

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}
        self._secrets: dict[str, bytes] = {}

    async def add(self, link: Link) -> None:
        """Keep a new link."""
        self._links[link.id] = link

    async def of_session(self, tenant: str, session: str) -> Sequence[Link]:
        """Return the links of a session, newest first."""
        found = [x for x in self._links.values() if (x.tenant, x.session) == (tenant, session)]
        return found[::-1][:_MOST]

    async def by_digest(self, digest: str) -> Link | None:
        """Return the link whose secret has this digest."""
        return next((link for link in self._links.values() if link.digest == digest), None)

    async def revoke(self, tenant: str, session: str, link: str, *, at_ms: int) -> bool:
        """End a link."""
        known = self._links.get(link)
        if known is None or (known.tenant, known.session) != (tenant, session):
            return False
        if known.revoked_at_ms is None:
            self._links[link] = replace(known, revoked_at_ms=at_ms)
        return True

    async def secret(self, name: str) -> bytes:
        """Return the secret of this name."""
        return self._secrets.setdefault(name, secrets.token_bytes(_SECRET_BYTES))


class SqlLinks:
    """`LinkStore` in the database of the sessions, whose schema is up to date.

    Args:
        engine: closed by `close`.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connect. Raises SettingsInvalid, StorageFailed."""
        return cls(await engine_for(url))

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()

    async def add(self, link: Link) -> None:
        """Keep a new link.

        Raises:
            SessionNotFound: the session is deleted.
            StorageFailed: it could not be kept.
        """
        values = {name: getattr(link, name) for name in Link.__slots__}
        values["languages"] = None if link.languages is None else json.dumps(link.languages)
        try:
            await self._write(insert(viewer_links).values(**values))
        except ConstraintRefused:
            raise SessionNotFound("no such session") from None

    async def of_session(self, tenant: str, session: str) -> Sequence[Link]:
        """Return the links of a session, newest first."""
        asked = (
            select(viewer_links)
            .where(viewer_links.c.tenant == tenant, viewer_links.c.session == session)
            .order_by(viewer_links.c.created_at_ms.desc(), viewer_links.c.id)
            .limit(_MOST)
        )
        return [_link(row) for row in await self._read(asked)]

    async def by_digest(self, digest: str) -> Link | None:
        """Return the link whose secret has this digest."""
        rows = await self._read(select(viewer_links).where(viewer_links.c.digest == digest))
        return _link(rows[0]) if rows else None

    async def revoke(self, tenant: str, session: str, link: str, *, at_ms: int) -> bool:
        """End a link."""
        own = (
            (viewer_links.c.tenant == tenant)
            & (viewer_links.c.session == session)
            & (viewer_links.c.id == link)
        )
        if not await self._read(select(viewer_links.c.id).where(own)):
            return False
        fresh = own & viewer_links.c.revoked_at_ms.is_(None)
        await self._write(update(viewer_links).where(fresh).values(revoked_at_ms=at_ms))
        return True

    async def secret(self, name: str) -> bytes:
        """Return the secret of this name; of two servers that make it at once, one is believed."""
        asked = select(web_secrets.c.value).where(web_secrets.c.name == name)
        rows = await self._read(asked)
        if not rows:
            made = insert(web_secrets).values(name=name, value=secrets.token_hex(_SECRET_BYTES))
            with suppress(ConstraintRefused):
                await self._write(made)
            rows = await self._read(asked)
        return bytes.fromhex(str(rows[0]["value"]))

    async def _read(self, statement: Any) -> Sequence[RowMapping]:
        with translated():
            async with self._engine.connect() as connection:
                return (await connection.execute(statement)).mappings().all()

    async def _write(self, statement: Any) -> None:
        with translated():
            async with self._engine.connect() as plain:
                connection = await plain.execution_options(**WRITES)
                async with connection.begin():
                    await connection.execute(statement)


def _link(row: RowMapping) -> Link:
    values = dict(row)
    languages = values["languages"]
    values["languages"] = None if languages is None else tuple(json.loads(languages))
    return Link(**values)
