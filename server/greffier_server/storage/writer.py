"""Group commit: concurrent appends of all sessions share one transaction, and one disk sync.

While a transaction runs, the next batch gathers; nothing waits on a timer, so that a lone append is
as fast as the store and a hundred of them cost one sync.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from greffier_server.core.events import Recorded
from greffier_server.storage.failures import StorageUnavailable
from greffier_server.storage.store import SessionStore

__all__ = ["StoreWriter"]


class _Append:
    """Records of one caller, and where it waits."""

    __slots__ = ("records", "stored")

    def __init__(self, records: tuple[Recorded, ...]) -> None:
        self.records = records
        self.stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class StoreWriter:
    """The sink of every session's event log.

    Args:
        store: where the records go.
        batch_records: most records in one transaction (a larger append goes alone).
        waiting_appends: most appends queued; further callers wait for a place (back-pressure).
    """

    def __init__(
        self, store: SessionStore, *, batch_records: int = 1000, waiting_appends: int = 1024
    ) -> None:
        self._store = store
        self._batch_records = batch_records
        self._places = asyncio.Semaphore(waiting_appends)
        self._queue: deque[_Append] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._closed = False

    async def append(self, records: Sequence[Recorded]) -> None:
        """Return when `records` are durable.

        A caller that is cancelled before its transaction began leaves nothing behind; after that
        its records may be stored.

        Raises:
            StorageFailed: these records are not stored; those of other callers may be.
            SessionNotFound: a record's session was never created, or is deleted.
        """
        if not records:
            return
        async with self._places:
            if self._closed:
                raise StorageUnavailable("The server is stopping; reconnect in a moment.")
            entry = _Append(tuple(records))
            self._queue.append(entry)
            if self._writing is None:
                self._writing = asyncio.create_task(self._write_all(), name="store-writer")
            try:
                await entry.stored
            except asyncio.CancelledError:
                if entry in self._queue:  # before its turn
                    self._queue.remove(entry)
                raise

    async def close(self) -> None:
        """Store what waits, then take nothing more. The store itself stays open."""
        self._closed = True
        while self._writing is not None:
            await asyncio.shield(self._writing)

    async def _write_all(self) -> None:
        try:
            while self._queue:
                await self._write(self._next_batch())
        finally:
            self._writing = None

    def _next_batch(self) -> Sequence[_Append]:
        batch = [self._queue.popleft()]
        count = len(batch[0].records)
        while self._queue and count + len(self._queue[0].records) <= self._batch_records:
            count += len(self._queue[0].records)
            batch.append(self._queue.popleft())
        return batch

    async def _write(self, batch: Sequence[_Append]) -> None:
        try:
            await self._store.append([record for entry in batch for record in entry.records])
        except StorageUnavailable as error:  # nobody's fault: each alone would fail the same way
            for entry in batch:
                _settle(entry, StorageUnavailable(error.message))
        except Exception as error:  # noqa: BLE001 - handed to the callers, who own it
            if len(batch) == 1:
                _settle(batch[0], error)
            else:
                for entry in batch:
                    await self._write([entry])
        except BaseException:  # the task itself is cancelled: nobody may wait for ever
            for entry in (*batch, *self._queue):
                entry.stored.cancel()
            self._queue.clear()
            raise
        else:
            for entry in batch:
                _settle(entry, None)


def _settle(entry: _Append, error: Exception | None) -> None:
    if entry.stored.done():  # its caller was cancelled
        return
    if error is None:
        entry.stored.set_result(None)
    else:
        entry.stored.set_exception(error)
