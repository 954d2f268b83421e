"""Ownership of sessions by lease, in PostgreSQL, by the database's own clock.

A node renews one lease for all its sessions; a session names its owner and counts its owners. A
session may be claimed when it has no owner, or its owner's lease has run out.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Self

from sqlalchemy import BigInteger, ColumnElement, cast, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from greffier_server.errors import SettingsInvalid
from greffier_server.storage.engines import engine_for
from greffier_server.storage.failures import SessionElsewhere, StorageUnavailable
from greffier_server.storage.holdings import Holdings
from greffier_server.storage.ownership import Turn
from greffier_server.storage.rows import Key
from greffier_server.storage.session_rows import SESSION_COLUMNS, session_row
from greffier_server.storage.sql_errors import translated
from greffier_server.storage.store import SessionRow
from greffier_server.storage.tables import nodes, sessions

__all__ = ["NOW_MS", "Leases"]

NOW_MS: Final[ColumnElement[int]] = cast(
    func.extract("epoch", func.clock_timestamp()) * 1000, BigInteger
)
"""The database's clock: those of the servers need not agree."""

_FORGET_MS = 86_400_000
_UNFINISHED = sessions.c.state.in_(["open", "draining"])


class Leases:
    """`Ownership` of one node; make one with `open`.

    Args:
        engine: of a PostgreSQL database whose schema is up to date; closed by `close`.
        holdings: told of every session that comes and goes.
        lease_s: a node that has not renewed its lease for so long owns nothing any more.
        portable: the audio can be read by every node, so that sessions can change hands; else
            a session waits for the node whose disk has it.
        clock: seconds, monotonic.
    """

    shared = True

    def __init__(
        self,
        engine: AsyncEngine,
        holdings: Holdings,
        *,
        lease_s: float,
        portable: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._holdings = holdings
        self._lease_s = lease_s
        self._portable = portable
        self._clock = clock
        self._steady_since: float | None = None

    @classmethod
    async def open(cls, url: str, holdings: Holdings, *, lease_s: float, portable: bool) -> Self:
        """Connect, and begin this node's lease.

        Its connections are its own: renewing must not wait for one that a query holds.

        Raises:
            SettingsInvalid: another server has the database, and they do not share their audio.
            StorageFailed: the database cannot be used.
        """
        leases = cls(await engine_for(url), holdings, lease_s=lease_s, portable=portable)
        try:
            async with leases._transaction() as connection:
                long_gone = NOW_MS - _FORGET_MS
                await connection.execute(nodes.delete().where(nodes.c.lease_until_ms < long_gone))
                if not portable and await _another(connection, holdings.node):
                    raise SettingsInvalid(
                        "Another server uses this database, and audio is kept on each one's own "
                        "disk. Stop it, or set shared.audio on all of them."
                    )
                await connection.execute(  # left by a crash in the last moment
                    update(sessions)
                    .where(sessions.c.owner == holdings.node, sessions.c.state == "finished")
                    .values(owner=None)
                )
            await leases.renew()
        except BaseException:
            await leases._engine.dispose()
            raise
        return leases

    @property
    def wait_s(self) -> float:
        """After this, a node that does not answer no longer owns anything."""
        return self._lease_s

    async def renew(self) -> Turn:
        """Prolong the lease; tell what others ask for, and what is no longer ours."""
        before = self._holdings.epochs
        try:
            async with self._transaction() as connection:
                until = NOW_MS + round(self._lease_s * 1000)
                mine = insert(nodes).values(node=self._holdings.node, lease_until_ms=until)
                await connection.execute(
                    mine.on_conflict_do_update(
                        index_elements=["node"], set_={"lease_until_ms": until}
                    )
                )
                found = await connection.execute(
                    select(
                        sessions.c.tenant,
                        sessions.c.session,
                        sessions.c.epoch,
                        sessions.c.wanted_by,
                    ).where(sessions.c.owner == self._holdings.node)
                )
                rows = [(str(t), str(s), int(e), w) for t, s, e, w in found]
        except BaseException:
            self._steady_since = None
            raise
        if self._steady_since is None:
            self._steady_since = self._clock()
        stored = {(tenant, session): epoch for tenant, session, epoch, _ in rows}
        lost = [
            key
            for key, epoch in before.items()
            if stored.get(key) != epoch and self._holdings.epoch(key) == epoch
        ]
        asked = [
            (tenant, session)
            for tenant, session, epoch, wanted in rows
            if wanted is not None and self._holdings.epoch((tenant, session)) == epoch
        ]
        return Turn(asked, lost)

    async def claim(self, tenant: str, session: str) -> bool:
        """Own an unfinished session unless another node that lives has it."""
        claim = (
            update(sessions)
            .where(_is(tenant, session), _UNFINISHED, self._free())
            .values(owner=self._holdings.node, epoch=sessions.c.epoch + 1, wanted_by=None)
            .returning(sessions.c.epoch)
        )
        async with self._transaction() as connection:
            epoch = (await connection.execute(claim)).scalar_one_or_none()
        if epoch is None:
            return False
        self._holdings.take((tenant, session), int(epoch))
        return True

    async def ask(self, tenant: str, session: str) -> None:
        """Leave word that this node wants the session; its owner reads it at its next renewal.

        Raises:
            SessionElsewhere: the audio is on another node's disk.
        """
        if not self._portable:
            raise SessionElsewhere(
                "The session lives at another server, whose disk has its audio. Resume it there, "
                "or keep the audio where all servers reach it (setting shared.audio)."
            )
        async with self._transaction() as connection:
            await connection.execute(
                update(sessions)
                .where(_is(tenant, session), sessions.c.owner.is_not(None))
                .values(wanted_by=self._holdings.node)
            )

    async def release(self, tenant: str, session: str) -> None:
        """Own the session no more; it is the node's that asked for it, or else anybody's."""
        key = (tenant, session)
        epoch = self._holdings.epoch(key)
        if epoch is None:
            return
        self._holdings.drop(key)  # even when the database is away: nothing more is written
        async with self._transaction() as connection:
            await connection.execute(
                update(sessions)
                .where(
                    _is(tenant, session),
                    sessions.c.owner == self._holdings.node,
                    sessions.c.epoch == epoch,
                )
                .values(owner=sessions.c.wanted_by, wanted_by=None)
            )

    async def unowned(self, *, limit: int) -> Sequence[SessionRow]:
        """Unfinished sessions that `claim` would take, oldest first."""
        query = (
            select(*SESSION_COLUMNS)
            .where(_UNFINISHED, self._free())
            .order_by(sessions.c.created_at_ms, sessions.c.tenant, sessions.c.session)
            .limit(limit + len(self._holdings.epochs))
        )
        async with self._transaction() as connection:
            rows = [session_row(found) for found in (await connection.execute(query)).mappings()]
        here: Callable[[Key], bool] = self._holdings.concerns
        return [row for row in rows if not here((row.tenant, row.session))][:limit]

    async def others(self) -> bool:
        """Whether another node lives, and can read the audio."""
        if not self._portable:
            return False
        async with self._transaction() as connection:
            return await _another(connection, self._holdings.node)

    async def close(self) -> None:
        """End the lease; what is still owned is anybody's from now on."""
        try:
            async with self._transaction() as connection:
                await connection.execute(nodes.delete().where(nodes.c.node == self._holdings.node))
        finally:
            await self._engine.dispose()

    def _free(self) -> ColumnElement[bool]:
        mine = or_(sessions.c.owner.is_(None), sessions.c.owner == self._holdings.node)
        if not self._portable:
            return mine
        # Who has closed has no lease at all; of a lease that ran out more must be known.
        leased = select(nodes.c.node)
        if self._is_steady():
            leased = leased.where(nodes.c.lease_until_ms > NOW_MS)
        return or_(mine, sessions.c.owner.not_in(leased))

    def _is_steady(self) -> bool:
        """After an outage of the database every lease has run out; their owners come first."""
        since = self._steady_since
        return since is not None and self._clock() - since >= self._lease_s

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[AsyncConnection, None]:
        try:
            # A renewal that hangs for longer has failed: the lease is over by then.
            async with asyncio.timeout(max(self._lease_s, 5.0)):
                with translated():
                    async with self._engine.begin() as connection:
                        yield connection
        except TimeoutError as error:
            raise StorageUnavailable(
                "The database does not answer in time. Check that it runs; nothing stored is lost."
            ) from error


async def _another(connection: AsyncConnection, node: str) -> bool:
    others = select(nodes.c.node).where(nodes.c.node != node, nodes.c.lease_until_ms > NOW_MS)
    return (await connection.execute(others.limit(1))).first() is not None


def _is(tenant: str, session: str) -> ColumnElement[bool]:
    return (sessions.c.tenant == tenant) & (sessions.c.session == session)
