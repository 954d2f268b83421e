"""How far each outlet has been told of each session; kept with the sessions, deleted with them."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from sqlalchemy import RowMapping, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from greffier_server.storage.tables import dead_letters, deliveries

__all__ = ["DeadLetter", "Deliveries", "Delivery", "DeliveryState", "Tables"]

DeliveryState = Literal["open", "done", "halted", "gone"]
"""``open``: more to tell, or more may come; ``done``: told to the session's end; ``halted``: given
up after too many failures; ``gone``: the outlet wants nothing more."""
_CONDITION = (
    deliveries.c.tenant,
    deliveries.c.session,
    deliveries.c.outlet,
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One outlet's place in one session."""

    tenant: str
    session: str
    outlet: str
    seq: int
    """Of the last event that was told, or needed no telling."""
    state: DeliveryState
    attempts: int
    """Failures in a row."""
    run_after_ms: int
    """Not tried before; wall clock."""
    cause: str
    """Code of the last failure."""

    @property
    def key(self) -> tuple[str, str]:
        """Tenant and session."""
        return (self.tenant, self.session)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that an outlet did not want."""

    tenant: str
    session: str
    outlet: str
    seq: int
    cause: str
    at_ms: int


class Tables(Protocol):
    """The database, as `SqlStore` gives it."""

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that may write."""
        ...

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that reads."""
        ...


class Deliveries:
    """Every method may raise `StorageFailed`.

    Args:
        tables: of the database.
        holder: name of this server among those that share the database.
    """

    def __init__(self, tables: Tables, *, holder: str) -> None:
        self._tables = tables
        self._holder = holder

    async def ensure(self, tenant: str, session: str, outlets: Sequence[str]) -> None:
        """Have a place for each outlet; one that was told to the end may be told more."""
        values = [
            {"tenant": tenant, "session": session, "outlet": outlet} | _FRESH for outlet in outlets
        ]
        async with self._tables.writing() as connection:
            dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
            await connection.execute(
                dialect.insert(deliveries)
                .values(values)
                .on_conflict_do_update(
                    index_elements=["tenant", "session", "outlet"],
                    set_={"state": "open"},
                    where=deliveries.c.state == "done",
                )
            )

    async def due(self, now_ms: int, *, limit: int = 256) -> Sequence[Delivery]:
        """Open places that may be tried now, longest waiting first."""
        query = (
            select(*_COLUMNS)
            .where(deliveries.c.state == "open", deliveries.c.run_after_ms <= now_ms)
            .where(self._free(now_ms))
            .order_by(deliveries.c.run_after_ms)
            .limit(limit)
        )
        async with self._tables.reading() as connection:
            return [_delivery(row) for row in (await connection.execute(query)).mappings()]

    async def claim(
        self, tenant: str, session: str, outlet: str, *, now_ms: int, lease_ms: int
    ) -> Delivery | None:
        """Take a place to work on; None where there is nothing to do now, or another has it."""
        change = (
            update(deliveries)
            .where(*_at(tenant, session, outlet), deliveries.c.state == "open")
            .where(deliveries.c.run_after_ms <= now_ms, self._free(now_ms))
            .values(holder=self._holder, leased_until_ms=now_ms + lease_ms)
            .returning(*_COLUMNS)
        )
        async with self._tables.writing() as connection:
            row = (await connection.execute(change)).mappings().one_or_none()
        return None if row is None else _delivery(row)

    async def save(self, delivery: Delivery, *, leased_until_ms: int | None) -> bool:
        """Write a place down; False when another server has it by now.

        Args:
            delivery: as it is now.
            leased_until_ms: this server goes on with it; None = it is given back.
        """
        change = (
            update(deliveries)
            .where(*_at(*delivery.key, delivery.outlet), deliveries.c.holder == self._holder)
            .where(deliveries.c.seq <= delivery.seq)
            .values(
                seq=delivery.seq,
                state=delivery.state,
                attempts=delivery.attempts,
                run_after_ms=delivery.run_after_ms,
                cause=delivery.cause,
                leased_until_ms=leased_until_ms,
            )
        )
        async with self._tables.writing() as connection:
            return bool((await connection.execute(change)).rowcount)

    async def set_aside(self, letter: DeadLetter) -> None:
        """Keep note of an event that was not wanted; once."""
        values = {name: getattr(letter, name) for name in DeadLetter.__slots__}
        async with self._tables.writing() as connection:
            known = select(dead_letters.c.seq).where(
                dead_letters.c.tenant == letter.tenant,
                dead_letters.c.session == letter.session,
                dead_letters.c.outlet == letter.outlet,
                dead_letters.c.seq == letter.seq,
            )
            if (await connection.execute(known)).first() is None:
                await connection.execute(insert(dead_letters).values(**values))

    async def list(self, tenant: str, *, states: Sequence[str], limit: int) -> Sequence[Delivery]:
        """A tenant's places, by session."""
        query = (
            select(*_COLUMNS)
            .where(deliveries.c.tenant == tenant, deliveries.c.state.in_(list(states)))
            .order_by(deliveries.c.session.desc(), deliveries.c.outlet)
            .limit(limit)
        )
        async with self._tables.reading() as connection:
            return [_delivery(row) for row in (await connection.execute(query)).mappings()]

    async def dead(self, tenant: str, *, limit: int) -> Sequence[DeadLetter]:
        """A tenant's events that were not wanted, newest first."""
        query = (
            select(dead_letters)
            .where(dead_letters.c.tenant == tenant)
            .order_by(dead_letters.c.at_ms.desc())
            .limit(limit)
        )
        async with self._tables.reading() as connection:
            rows = (await connection.execute(query)).mappings()
            return [DeadLetter(**{str(key): row[key] for key in row}) for row in rows]

    async def reopen(self, tenant: str, session: str) -> int:
        """Try halted and gone places of a session again; return how many."""
        change = (
            update(deliveries)
            .where(deliveries.c.tenant == tenant, deliveries.c.session == session)
            .where(deliveries.c.state.in_(["halted", "gone"]))
            .values(state="open", attempts=0, run_after_ms=0, leased_until_ms=None)
        )
        async with self._tables.writing() as connection:
            return (await connection.execute(change)).rowcount

    def _free(self, now_ms: int) -> Any:
        return or_(
            deliveries.c.leased_until_ms.is_(None),
            deliveries.c.leased_until_ms <= now_ms,
            deliveries.c.holder == self._holder,
        )


_COLUMNS = tuple(deliveries.c[name] for name in Delivery.__slots__)
_FRESH: dict[str, object] = {
    "seq": 0,
    "state": "open",
    "attempts": 0,
    "run_after_ms": 0,
    "cause": "",
}


def _at(tenant: str, session: str, outlet: str) -> tuple[Any, ...]:
    pairs = zip(_CONDITION, (tenant, session, outlet), strict=True)
    return tuple(column == value for column, value in pairs)


def _delivery(row: RowMapping) -> Delivery:
    return Delivery(**{str(key): row[key] for key in row})
