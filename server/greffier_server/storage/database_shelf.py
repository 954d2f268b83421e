"""The wrapped keys of tenants in the database that servers share.

Keys are asked for in threads that must not wait for the server's event loop, which may be waiting
for them: the connection has a thread and an event loop of its own.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from greffier_server.storage.engines import engine_for
from greffier_server.storage.failures import StorageUnavailable
from greffier_server.storage.sql_errors import translated
from greffier_server.storage.tables import tenant_keys
from greffier_server.storage.tenant_keys import WrappedKey, decode_key

__all__ = ["DatabaseShelf"]

T = TypeVar("T")

_FRESH_S = 1.0
"""A key that is destroyed meanwhile is used for so long at most."""
_PATIENCE_S = 30.0
_LOCK = 0x67726B79  # any number that every Greffier server takes to make a key, and nobody else


class DatabaseShelf:
    """`KeyShelf` in PostgreSQL; connects when it is first asked. `close` it.

    Args:
        url: of a database whose schema is up to date by then.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: AsyncEngine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()
        self._seen: dict[str, tuple[float, Sequence[WrappedKey]]] = {}

    def of(self, tenant: str, *, anew: bool = False) -> Sequence[WrappedKey]:
        """Return the keys of a tenant."""
        seen_s, keys = self._seen.get(tenant, (float("-inf"), ()))
        now_s = time.monotonic()
        if anew or not keys or now_s - seen_s > _FRESH_S:
            keys = self._ask(lambda connection: _of(connection, tenant))
            self._seen[tenant] = (now_s, keys)
        return keys

    def holds(self, tenant: str, key_id: bytes) -> bool:
        """Whether the key is there."""
        return any(wrapped.id == key_id for wrapped in self.of(tenant))

    def every(self) -> Iterator[WrappedKey]:
        """Yield the keys of all tenants."""
        yield from self._ask(_every)

    def add_first(self, wrapped: WrappedKey) -> Sequence[WrappedKey]:
        """Keep the first key of a tenant, or return that of the server that was faster."""

        async def add(connection: AsyncConnection) -> Sequence[WrappedKey]:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            found = await _of(connection, wrapped.tenant)
            if not found:
                await _replace(connection, wrapped)
            return found or [wrapped]

        kept = self._ask(add)
        self._seen[wrapped.tenant] = (time.monotonic(), kept)
        return kept

    def replace(self, wrapped: WrappedKey) -> None:
        """Put a key in the place of the one with its id."""
        self._ask(lambda connection: _replace(connection, wrapped))
        self._seen.pop(wrapped.tenant, None)

    def remove(self, tenant: str) -> int:
        """Delete the rows of a tenant; PostgreSQL overwrites them when it vacuums."""

        async def remove(connection: AsyncConnection) -> int:
            gone = await connection.execute(
                delete(tenant_keys).where(tenant_keys.c.tenant == tenant)
            )
            return gone.rowcount

        self._seen.pop(tenant, None)
        return self._ask(remove)

    def close(self) -> None:
        """Disconnect (blocking)."""
        with self._guard:
            loop, thread, engine = self._loop, self._thread, self._engine
            self._loop = self._thread = self._engine = None
        if loop is None or thread is None:
            return
        if engine is not None:
            asyncio.run_coroutine_threadsafe(engine.dispose(), loop).result(_PATIENCE_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()

    def _ask(self, query: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        answer = asyncio.run_coroutine_threadsafe(self._run(query), self._running())
        try:
            return answer.result(_PATIENCE_S)
        except TimeoutError as error:
            answer.cancel()
            raise StorageUnavailable("The database does not answer in time.") from error

    async def _run(self, query: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        with translated():
            if self._engine is None:
                self._engine = await engine_for(self._url)
            async with self._engine.begin() as connection:
                return await query(connection)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._guard:
            if self._loop is None:
                loop = self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_turn, args=(loop,), name="tenant-keys", daemon=True
                )
                self._thread.start()
            return self._loop


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _of(connection: AsyncConnection, tenant: str) -> Sequence[WrappedKey]:
    query = (
        select(tenant_keys.c.body).where(tenant_keys.c.tenant == tenant).order_by(tenant_keys.c.id)
    )
    rows = await connection.execute(query)
    return [decode_key(str(body).encode(), tenant) for (body,) in rows]


async def _every(connection: AsyncConnection) -> Sequence[WrappedKey]:
    query = select(tenant_keys.c.tenant, tenant_keys.c.body).order_by(
        tenant_keys.c.tenant, tenant_keys.c.id
    )
    rows = await connection.execute(query)
    return [decode_key(str(body).encode(), str(tenant)) for tenant, body in rows]


async def _replace(connection: AsyncConnection, wrapped: WrappedKey) -> None:
    body = wrapped.encode().decode()
    row = insert(tenant_keys).values(tenant=wrapped.tenant, id=wrapped.id.hex(), body=body)
    await connection.execute(
        row.on_conflict_do_update(index_elements=["tenant", "id"], set_={"body": body})
    )
