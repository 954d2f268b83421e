"""Space that shared audio takes, and what of it waits for object storage, as all servers have it.

A server counts what it stores itself at once, and what others store when it looks anew (`survey`):
a quota can be exceeded by what they store between two looks.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Executable, ScalarSelect, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from greffier_server.errors import ServerError
from greffier_server.storage.backlog import Backlog
from greffier_server.storage.leases import NOW_MS
from greffier_server.storage.space import Quota, TenantSpace, quota_exceeded
from greffier_server.storage.sql_errors import translated
from greffier_server.storage.tables import audio_blocks, audio_objects, audio_recordings

__all__ = ["SharedSpace"]

_log = logging.getLogger(__name__)

_SHIPPED = 2
"""`audio_recordings.sealed` of a recording without blocks."""


@dataclass(frozen=True, slots=True)
class _Taken:
    sessions: int = 0
    audio_bytes: int = 0


class SharedSpace:
    """Counts by tenant; used on one event loop.

    Audio in the database counts as its length (sealing adds less than one per cent), objects with
    the size they have.

    Args:
        engine: of the database.
        segment_bytes: audio that moves to an object together; None = there is no object storage.
        quota: of each tenant.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        segment_bytes: int | None,
        quota: Quota = lambda _: None,
    ) -> None:
        self._engine = engine
        self._segment_bytes = segment_bytes
        self._quota = quota
        self._taken: Mapping[str, _Taken] = {}
        self._added: dict[str, int] = {}
        self._pending: dict[str, int] = {}
        self._backlog = Backlog()

    @property
    def backlog(self) -> Backlog:
        """What waits, of all servers, at the last look."""
        return self._backlog

    @property
    def total_bytes(self) -> int:
        """Of all tenants."""
        return sum(each.audio_bytes for each in self._taken.values()) + sum(self._added.values())

    def of(self, tenant: str) -> TenantSpace:
        """What one tenant takes."""
        taken = self._taken.get(tenant, _Taken())
        audio_bytes = taken.audio_bytes + self._added.get(tenant, 0)
        return TenantSpace(tenant, taken.sessions, audio_bytes, self._quota(tenant))

    def all(self) -> Sequence[TenantSpace]:
        """What each tenant takes, by name."""
        return [self.of(tenant) for tenant in sorted({*self._taken, *self._added})]

    def reserve(self, tenant: str, count: int) -> None:
        """Count bytes that wait for the database, until `free`.

        Raises:
            QuotaExceeded: the tenant may not take so much.
        """
        quota, waiting = self._quota(tenant), self._pending.get(tenant, 0)
        if quota is not None and self.of(tenant).audio_bytes + waiting + count > quota:
            raise quota_exceeded()
        self._pending[tenant] = waiting + count

    def free(self, tenant: str, count: int, *, stored: bool = False) -> None:
        """The bytes wait no more: they are stored, or refused."""
        left = self._pending.get(tenant, 0) - count
        if left > 0:
            self._pending[tenant] = left
        else:
            self._pending.pop(tenant, None)
        if stored:
            self._added[tenant] = self._added.get(tenant, 0) + count

    async def run(self, *, every_s: float = 15.0) -> None:
        """Look anew until cancelled."""
        while True:
            try:
                await self.survey()
            except ServerError as error:
                _log.warning("the space of shared audio could not be counted: %s", error.code)
            await asyncio.sleep(every_s)

    async def survey(self) -> None:
        """Look anew at what there is.

        Raises:
            StorageFailed: the database cannot be used; the counts stay as they were.
        """
        before, self._added = self._added, {}
        try:
            with translated():
                async with self._engine.connect() as plain:
                    connection = await plain.execution_options(isolation_level="REPEATABLE READ")
                    taken = await self._count(connection)
                    backlog = await self._look_for_waiting(connection)
        except BaseException:
            for tenant, count in before.items():
                self._added[tenant] = self._added.get(tenant, 0) + count
            raise
        self._taken, self._backlog = taken, backlog

    async def _count(self, connection: AsyncConnection) -> Mapping[str, _Taken]:
        recordings, tenant = audio_recordings, audio_recordings.c.tenant
        hot = select(tenant, func.sum(_END - _BEGIN).label("count")).where(
            recordings.c.sealed < _SHIPPED
        )
        cold = select(
            audio_objects.c.tenant, func.sum(audio_objects.c.size_bytes).label("count")
        ).where(audio_objects.c.state == "stored")
        in_blocks = await _numbers(connection, hot.group_by(tenant))
        in_objects = await _numbers(connection, cold.group_by(audio_objects.c.tenant))
        counted = select(tenant, func.count().label("count")).group_by(tenant)
        sessions = await _numbers(connection, counted)
        return {
            name: _Taken(count, in_blocks.get(name, 0) + in_objects.get(name, 0))
            for name, count in sessions.items()
        }

    async def _look_for_waiting(self, connection: AsyncConnection) -> Backlog:
        segment = self._segment_bytes
        if segment is None:
            return Backlog()
        complete = audio_recordings.c.sealed == 1
        found = await connection.execute(
            select(
                complete.label("complete"),
                (_END - _BEGIN).label("count"),
                (NOW_MS - _due_ms(segment)).label("since_ms"),
            ).where(
                audio_recordings.c.sealed < _SHIPPED,
                or_(complete & (_END > _BEGIN), segment <= _END - _BEGIN),
            )
        )
        waiting, oldest_ms = 0, 0
        for row in found.mappings():
            count = int(row["count"])
            waiting += count if row["complete"] else count // segment * segment
            oldest_ms = max(oldest_ms, int(row["since_ms"] or 0))
        return Backlog(waiting, oldest_ms / 1000)


async def _numbers(connection: AsyncConnection, query: Executable) -> Mapping[str, int]:
    rows = (await connection.execute(query)).mappings()
    return {str(row["tenant"]): int(row["count"] or 0) for row in rows}


def _of_recording() -> ColumnElement[bool]:
    return (audio_blocks.c.tenant == audio_recordings.c.tenant) & (
        audio_blocks.c.session == audio_recordings.c.session
    )


def _due_ms(segment_bytes: int) -> ScalarSelect[int]:
    """When the first segment in the database was whole, or its recording complete."""
    return (
        select(audio_blocks.c.at_ms)
        .where(_of_recording(), audio_blocks.c.from_byte < _BEGIN + segment_bytes)
        .order_by(audio_blocks.c.from_byte.desc())
        .limit(1)
        .correlate(audio_recordings)
        .scalar_subquery()
    )


_BEGIN: ScalarSelect[int] = (
    select(func.min(audio_blocks.c.from_byte))
    .where(_of_recording())
    .correlate(audio_recordings)
    .scalar_subquery()
)
_END: ScalarSelect[int] = (
    select(audio_blocks.c.to_byte)
    .where(_of_recording())
    .order_by(audio_blocks.c.from_byte.desc())
    .limit(1)
    .correlate(audio_recordings)
    .scalar_subquery()
)
