"""Sessions that change hands between two desks in one process, over a lease in memory."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from greffier.protocol import Resume, Start
from greffier_models.fakes import FakeVad
from greffier_server.core.events import ClientDetached, Recorded, SessionFinished
from greffier_server.errors import ServerBusy, SessionBusy, StorageFailed
from greffier_server.pipeline.building import Engines
from greffier_server.pipeline.clock import ManualClock
from greffier_server.pipeline.custody import OwnershipCare
from greffier_server.pipeline.desk import Desk, DeskSettings
from greffier_server.pipeline.hands import Hands
from greffier_server.storage.failures import SessionMoved, moved
from greffier_server.storage.memory import MemoryStore
from greffier_server.storage.ownership import Turn
from greffier_server.storage.rows import Key
from greffier_server.storage.store import SessionRow
from tests.support.desk import TENANT, Disk, MemoryJournal, as_bytes, desk_kit, until
from tests.support.recordings import Listener, recording_of

pytestmark = [pytest.mark.unit, pytest.mark.virtual_time]

SPEECH = recording_of([(30, 300)] * 20, stops=[9, 19])
AUDIO = as_bytes(SPEECH.pcm)
HALF = len(AUDIO) // 4 * 2


class Registry:
    """What all servers know: who owns what, and who asks for it."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.owners: dict[Key, str] = {}
        self.wanted: dict[Key, str] = {}


class MemoryOwnership:
    """`Ownership` of one of several desks in this process."""

    shared = True
    wait_s = 5.0

    def __init__(self, registry: Registry, name: str) -> None:
        self._registry = registry
        self._name = name
        self.lost: list[Key] = []
        self.down = False
        self.alone = False

    async def claim(self, tenant: str, session: str) -> bool:
        owner = self._registry.owners.setdefault((tenant, session), self._name)
        return owner == self._name

    async def ask(self, tenant: str, session: str) -> None:
        self._registry.wanted[tenant, session] = self._name

    async def release(self, tenant: str, session: str) -> None:
        key = (tenant, session)
        if self._registry.owners.get(key) == self._name:
            del self._registry.owners[key]
            if (heir := self._registry.wanted.pop(key, None)) is not None:
                self._registry.owners[key] = heir

    async def unowned(self, *, limit: int) -> Sequence[SessionRow]:
        rows = await self._registry.store.unfinished()
        return [r for r in rows if (r.tenant, r.session) not in self._registry.owners][:limit]

    async def others(self) -> bool:
        return not self.alone

    async def renew(self) -> Turn:
        if self.down:
            raise StorageFailed("The database does not answer.")
        owners = self._registry.owners
        asked = [key for key in self._registry.wanted if owners.get(key) == self._name]
        lost, self.lost = self.lost, []
        return Turn(asked, lost)


class Fence:
    """A sink that refuses whom the registry does not name."""

    def __init__(self, registry: Registry, name: str) -> None:
        self._registry = registry
        self._name = name

    async def __call__(self, records: Sequence[Recorded]) -> None:
        for record in records:
            key = (record.tenant, record.session)
            if self._registry.owners.setdefault(key, self._name) != self._name:
                raise moved()
        await self._registry.store.append(records)


@asynccontextmanager
async def desks(
    *names: str, max_sessions: int = 16
) -> AsyncGenerator[tuple[Registry, list[Desk], list[MemoryOwnership]]]:
    registry, disk = Registry(MemoryStore()), Disk()
    made: list[Desk] = []
    owning = [MemoryOwnership(registry, name) for name in names]
    async with AsyncExitStack() as stack:
        for name, ownership in zip(names, owning, strict=True):
            desk = Desk(
                store=registry.store,
                sink=Fence(registry, name),
                journal=MemoryJournal(disk),
                engines=Engines(Listener(), FakeVad()),
                clock=ManualClock(),
                ownership=ownership,
                settings=DeskSettings(max_sessions=max_sessions),
            )
            care = asyncio.create_task(OwnershipCare(desk, ownership, every_s=0.5).run())
            stack.push_async_callback(ended, care)
            stack.push_async_callback(desk.close)
            made.append(desk)
        yield registry, made, owning


async def ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def opened(desk: Desk) -> tuple[str, str]:
    session, token = await desk.open(TENANT, Start(language="fr", minutes=False))
    await session.push(AUDIO[:HALF])
    await until(lambda: session.durable_samples == HALF // 2)
    return session.id, token


async def test_a_resumed_session_moves_and_both_desks_viewers_see_its_end() -> None:
    async with desks("a", "b") as (registry, (a, b), _):
        session, token = await opened(a)
        viewers = [asyncio.create_task(read(desk, session)) for desk in (a, b)]
        await asyncio.sleep(1)
        holder = await b.resume(TENANT, Resume(session, token, HALF // 2))
        assert holder.durable_samples == HALF // 2
        assert (a.live_count, b.live_count) == (0, 1)
        await holder.push(AUDIO[HALF:])
        await holder.finish()
        await until(lambda: not b.live_count)
        stored = [record async for record in registry.store.events(TENANT, session)]
        assert any(record.event == ClientDetached("session_moved") for record in stored)
        for viewer in viewers:
            assert await viewer == stored
        assert registry.owners == {}


async def read(desk: Desk, session: str) -> list[Recorded]:
    return [r async for r in desk.follow(TENANT, session) if r.event.durable]


async def test_the_client_that_is_left_behind_hears_why() -> None:
    async with desks("a", "b") as (registry, (a, b), (owning, _)):
        session, token = await opened(a)
        first = await a.resume(TENANT, Resume(session, token, HALF // 2))
        await b.resume(TENANT, Resume(session, token, HALF // 2))
        with pytest.raises(SessionBusy):
            await first.push(b"\0\0")
        second = await a.resume(TENANT, Resume(session, token, HALF // 2))
        registry.owners[TENANT, session] = "c"  # it slept, and its lease ran out
        owning.lost = [(TENANT, session)]
        await until(lambda: not a.live_count)
        with pytest.raises(SessionMoved):
            await second.push(b"\0\0")
        with pytest.raises(SessionMoved):
            _ = [record async for record in second.log.follow()]
        assert registry.owners[TENANT, session] == "c"


async def test_a_session_that_may_not_be_written_any_more_ends_here_and_stays_whole() -> None:
    async with desks("a", "b") as (registry, (a, _), _owning):
        session, token = await opened(a)
        holder = await a.resume(TENANT, Resume(session, token, HALF // 2))
        before = [record async for record in registry.store.events(TENANT, session)]
        registry.owners[TENANT, session] = "c"
        await holder.push(AUDIO[HALF:])
        await holder.finish()
        await until(lambda: not a.live_count)
        assert [r async for r in registry.store.events(TENANT, session)] == before


async def test_sessions_of_a_desk_that_stops_go_on_at_the_other() -> None:
    async with desks("a", "b") as (registry, (a, b), _):
        session, _token = await opened(a)
        await a.close()
        await until(lambda: b.live_count)
        await until(lambda: not b.live_count)  # nobody came back for it
        last = [record async for record in registry.store.events(TENANT, session)][-1]
        assert isinstance(last.event, SessionFinished)


async def test_a_database_that_is_away_ends_no_care() -> None:
    async with desks("a", "b") as (_registry, (a, b), (owning, _)):
        session, token = await opened(a)
        owning.down = True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await b.resume(TENANT, Resume(session, token, HALF // 2))
        owning.down = False
        await b.resume(TENANT, Resume(session, token, HALF // 2))


async def test_a_desk_that_stops_says_that_its_sessions_come_back() -> None:
    async with desk_kit() as kit:
        session, token = await kit.open()
        await kit.desk.close()
        with pytest.raises(ServerBusy):
            await kit.resume(session, token)


def test_what_could_not_go_on_rests_for_a_while() -> None:
    now = 0.0
    hands = Hands(lambda: now)
    hands.rest(("t", "s"), 30)
    assert hands.rests(("t", "s"))
    assert not hands.rests(("t", "other"))
    now = 31.0
    assert not hands.rests(("t", "s"))
    assert hands.lock(("t", "s")) is not hands.lock(("t", "other"))


async def test_a_full_server_leaves_sessions_to_one_with_places() -> None:
    async with desks("a", "b", "c", max_sessions=3) as (registry, (a, b, c), _):
        for _ in range(3):
            await opened(b)
        for _ in range(3):
            await opened(a)
        await a.close()
        await until(lambda: len(registry.owners) == 6)
        assert (b.live_count, c.live_count) == (3, 3)


async def test_sessions_that_nobody_has_places_for_are_taken_one_at_a_time() -> None:
    async with desks("a", "b", max_sessions=3) as (registry, (a, b), (_, owning)):
        for _ in range(3):
            await opened(b)
        left = [await opened(a) for _ in range(3)]
        await a.close()
        await asyncio.sleep(4)
        assert b.live_count == 3  # somebody else may have places
        await asyncio.sleep(1.7)
        assert b.live_count < 6
        await asyncio.sleep(3)
        assert b.live_count == 6
        assert {registry.owners[TENANT, session] for session, _ in left} == {"b"}
        owning.alone = True
        with pytest.raises(ServerBusy):  # new ones are still refused
            await b.open(TENANT, Start(language="fr", minutes=False))


async def test_a_lone_server_waits_for_nobody_and_keeps_a_pace() -> None:
    async with desks("a", "b", max_sessions=2) as (_, (a, b), (_, owning)):
        owning.alone = True
        await opened(b)
        for _ in range(2):
            await opened(a)
        await opened(b)
        await a.close()
        await asyncio.sleep(0.6)
        assert b.live_count == 3
        await asyncio.sleep(0.6)
        assert b.live_count == 4


async def test_a_client_that_comes_to_a_full_server_is_sent_on_and_not_for_ever() -> None:
    async with desks("a", "b", max_sessions=1) as (_, (a, b), (_, owning)):
        session, token = await opened(a)
        await opened(b)
        resume = Resume(session, token, HALF // 2)
        with pytest.raises(ServerBusy) as refused:
            await b.resume(TENANT, resume)
        assert refused.value.retryable
        assert a.live_count == 1
        await asyncio.sleep(6)
        assert (await b.resume(TENANT, resume)).durable_samples == HALF // 2
        assert (a.live_count, b.live_count) == (0, 2)
        owning.alone = True
        other, token = await opened(a)
        assert (await b.resume(TENANT, Resume(other, token, HALF // 2))).id == other
