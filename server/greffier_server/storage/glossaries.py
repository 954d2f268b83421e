"""The glossaries of tenants: in memory, or in the database beside their sessions."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from greffier.plain import PlainError, from_plain, to_plain
from greffier.protocol import GlossaryTerm
from greffier_server.core.glossary import MAX_TERMS, GlossaryFault, term_key
from greffier_server.errors import StorageFailed
from greffier_server.storage.tables import glossary_terms
from greffier_server.storage.texts import Texts

__all__ = ["Glossaries", "MemoryGlossaries", "SqlGlossaries"]

Connecting = Callable[[], AbstractAsyncContextManager[AsyncConnection]]


class Glossaries(Protocol):
    """What is kept of each tenant's terms; they are checked already (`core/glossary.py`)."""

    async def terms(self, tenant: str) -> tuple[GlossaryTerm, ...]:
        """Return a tenant's terms, by spelling."""
        ...

    async def put(
        self, tenant: str, terms: Sequence[GlossaryTerm], *, replace: bool = False
    ) -> int:
        """Store `terms` in place of those of the same spelling and language.

        Args:
            tenant: owner.
            terms: one spelling and language may come twice: the last one counts.
            replace: in place of all.

        Returns:
            How many the tenant has.

        Raises:
            GlossaryFault: more than `MAX_TERMS` in all; nothing is changed.
        """
        ...

    async def remove(self, tenant: str, terms: Sequence[GlossaryTerm] | None = None) -> int:
        """Delete the terms of these spellings and languages, or all; return how many."""
        ...


class MemoryGlossaries:
    """`Glossaries` that end with the process."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[tuple[str, str], GlossaryTerm]] = {}

    async def terms(self, tenant: str) -> tuple[GlossaryTerm, ...]:
        """Return a tenant's terms, by spelling."""
        return _sorted(self._kept.get(tenant, {}).values())

    async def put(
        self, tenant: str, terms: Sequence[GlossaryTerm], *, replace: bool = False
    ) -> int:
        """Store `terms`."""
        kept = {} if replace else dict(self._kept.get(tenant, {}))
        kept |= {term_key(term): term for term in terms}
        _check_count(len(kept))
        self._kept[tenant] = kept
        return len(kept)

    async def remove(self, tenant: str, terms: Sequence[GlossaryTerm] | None = None) -> int:
        """Delete terms."""
        kept = self._kept.get(tenant, {})
        gone = list(kept) if terms is None else [k for t in terms if (k := term_key(t)) in kept]
        for key in gone:
            kept.pop(key, None)
        return len(gone)


class SqlGlossaries:
    """`Glossaries` in SQLite or PostgreSQL.

    Args:
        reading: opens a connection to read on.
        writing: opens one with a transaction.
        texts: how words are kept.
    """

    def __init__(self, reading: Connecting, writing: Connecting, texts: Texts) -> None:
        self._reading = reading
        self._writing = writing
        self._texts = texts

    async def terms(self, tenant: str) -> tuple[GlossaryTerm, ...]:
        """Return a tenant's terms, by spelling."""
        query = select(glossary_terms.c.term, glossary_terms.c.body).where(
            glossary_terms.c.tenant == tenant
        )
        async with self._reading() as connection:
            rows = [(str(key), str(body)) for key, body in await connection.execute(query)]
        await self._texts.prepare([tenant])
        return _sorted(
            _decoded(self._texts.open(tenant, "", _place(key), body)) for key, body in rows
        )

    async def put(
        self, tenant: str, terms: Sequence[GlossaryTerm], *, replace: bool = False
    ) -> int:
        """Store `terms`."""
        await self._texts.prepare([tenant], writing=True)
        rows = {
            key: {
                "tenant": tenant,
                "term": key,
                "body": self._texts.seal(tenant, "", _place(key), json.dumps(to_plain(term))),
            }
            for term in terms
            for key in (_digest(term),)
        }
        own = glossary_terms.c.tenant == tenant
        async with self._writing() as connection:
            stale = own if replace else own & glossary_terms.c.term.in_(list(rows))
            await connection.execute(delete(glossary_terms).where(stale))
            if rows:
                await connection.execute(insert(glossary_terms), list(rows.values()))
            count = select(func.count()).select_from(glossary_terms).where(own)
            total = int((await connection.execute(count)).scalar_one())
            _check_count(total)  # rolls back
        return total

    async def remove(self, tenant: str, terms: Sequence[GlossaryTerm] | None = None) -> int:
        """Delete terms."""
        chosen = glossary_terms.c.tenant == tenant
        if terms is not None:
            chosen &= glossary_terms.c.term.in_([_digest(term) for term in terms])
        async with self._writing() as connection:
            return (await connection.execute(delete(glossary_terms).where(chosen))).rowcount


def _sorted(terms: Iterable[GlossaryTerm]) -> tuple[GlossaryTerm, ...]:
    return tuple(sorted(terms, key=term_key))


def _check_count(count: int) -> None:
    if count > MAX_TERMS:
        raise GlossaryFault(f"a glossary has at most {MAX_TERMS} terms")


def _digest(term: GlossaryTerm) -> str:
    return hashlib.sha256(json.dumps(term_key(term)).encode()).hexdigest()


def _place(key: str) -> str:
    return f"glossary/{key}"


def _decoded(body: str) -> GlossaryTerm:
    try:
        return from_plain(GlossaryTerm, json.loads(body))
    except (ValueError, PlainError):
        raise StorageFailed(
            "A stored term cannot be read: it was written by a newer Greffier, or the database is "
            "damaged. Update the server, or restore a backup."
        ) from None
