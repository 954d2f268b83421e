"""Group commit: what shares a transaction, and what an error or a cancelled caller does."""

import asyncio
from collections.abc import Sequence

import pytest

from greffier_server.core.events import Recorded
from greffier_server.errors import SessionNotFound, StorageFailed
from greffier_server.storage.failures import StorageUnavailable
from greffier_server.storage.memory import MemoryStore
from greffier_server.storage.writer import StoreWriter
from tests.support.sessions import meeting, row

pytestmark = pytest.mark.unit


class GatedStore(MemoryStore):
    """Counts transactions and holds them until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.gate = asyncio.Event()
        self.down = False

    async def append(self, records: Sequence[Recorded]) -> None:
        self.batches.append(len(records))
        await self.gate.wait()
        if self.down:
            raise StorageUnavailable("gone")
        await super().append(records)


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def gated(*names: str) -> GatedStore:
    store = GatedStore()
    for name in names:
        await store.create(row(name))
    return store


async def test_what_gathers_during_a_transaction_shares_the_next() -> None:
    store = await gated("a", "b", "c", "d")
    writer = StoreWriter(store)
    tasks = [asyncio.create_task(writer.append(meeting("a")[:1]))]
    await turns()
    tasks += [asyncio.create_task(writer.append(meeting(name)[:2])) for name in "bcd"]
    await turns()
    assert store.batches == [1]
    assert not any(task.done() for task in tasks)
    store.gate.set()
    await asyncio.gather(*tasks)
    assert store.batches == [1, 6]
    await writer.close()


async def test_one_bad_session_does_not_fail_the_others() -> None:
    store = await gated("a", "b", "c")
    store.gate.set()
    writer = StoreWriter(store)
    results = await asyncio.gather(
        *(writer.append(meeting(name)[:1]) for name in ("a", "gone", "b", "c")),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [
        type(None), SessionNotFound, type(None), type(None)
    ]  # fmt: skip
    for name in "abc":
        found = await store.get("dgfip", name)
        assert found is not None
        assert found.last_seq == 1
    await writer.close()


async def test_a_lost_store_fails_a_batch_at_once_and_later_ones_succeed() -> None:
    store = await gated("a", "b")
    store.down = True
    store.gate.set()
    writer = StoreWriter(store)
    results = await asyncio.gather(
        *(writer.append(meeting(name)[:1]) for name in "ab"), return_exceptions=True
    )
    assert [type(result) for result in results] == [StorageUnavailable] * 2
    assert len(store.batches) == 1
    store.down = False
    await writer.append(meeting("a")[:1])
    await writer.close()


async def test_batches_are_bounded_and_a_large_append_goes_whole() -> None:
    store = await gated("a", "b", "c")
    writer = StoreWriter(store, batch_records=4)
    sizes = {"a": 3, "b": 9, "c": 2}
    tasks = [
        asyncio.create_task(writer.append(meeting(name)[:size])) for name, size in sizes.items()
    ]
    await turns()
    store.gate.set()
    await asyncio.gather(*tasks)
    assert store.batches == [3, 9, 2]
    await writer.close()


async def test_callers_wait_for_a_place_in_the_queue() -> None:
    store = await gated("a", "b", "c")
    writer = StoreWriter(store, waiting_appends=1)
    tasks = [asyncio.create_task(writer.append(meeting(name)[:1])) for name in "abc"]
    await turns()
    store.gate.set()
    await asyncio.gather(*tasks)
    assert store.batches == [1, 1, 1]
    await writer.close()


async def test_a_caller_cancelled_before_its_turn_leaves_nothing_behind() -> None:
    store = await gated("a", "b")
    writer = StoreWriter(store)
    first = asyncio.create_task(writer.append(meeting("a")[:1]))
    await turns()
    second = asyncio.create_task(writer.append(meeting("b")[:1]))
    await turns()
    second.cancel()
    await turns()
    store.gate.set()
    await first
    await writer.close()
    found = await store.get("dgfip", "b")
    assert found is not None
    assert found.last_seq == 0


async def test_a_caller_cancelled_during_its_transaction_does_not_stop_the_others() -> None:
    store = await gated("a", "b")
    writer = StoreWriter(store)
    first = asyncio.create_task(writer.append(meeting("a")[:1]))
    await turns()
    first.cancel()
    second = asyncio.create_task(writer.append(meeting("b")[:1]))
    await turns()
    store.gate.set()
    await second
    with pytest.raises(asyncio.CancelledError):
        await first
    await writer.close()


async def test_closing_stores_what_waits_and_takes_nothing_more() -> None:
    store = await gated("a", "b")
    writer = StoreWriter(store)
    tasks = [asyncio.create_task(writer.append(meeting(name)[:1])) for name in "ab"]
    await turns()
    closing = asyncio.create_task(writer.close())
    await turns()
    assert not closing.done()
    with pytest.raises(StorageFailed, match="stopping"):
        await writer.append(meeting("a")[1:2])
    store.gate.set()
    await asyncio.gather(*tasks, closing)
    await writer.append([])
