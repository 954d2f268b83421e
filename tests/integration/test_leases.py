"""Who owns a session: leases, claims and the fence, on a real PostgreSQL."""

import asyncio
from collections.abc import Generator
from pathlib import Path

import pytest

from greffier_server.core.events import InputEnded, LanguageDetected, SessionFinished
from greffier_server.errors import SettingsInvalid
from greffier_server.storage.failures import SessionElsewhere, SessionMoved
from greffier_server.storage.sole_use import DirectoryInUse, SoleUse
from tests.support.nodes import Node, node
from tests.support.postgres import end_connections, new_database, postgres_server
from tests.support.sessions import chain, meeting, row

pytestmark = pytest.mark.integration

KEY = ("dgfip", "s1")


@pytest.fixture(scope="module")
def postgres() -> Generator[str, None, None]:
    with postgres_server() as url:
        yield url


async def outlast(one: Node, other: Node) -> None:
    """Let the lease of `one` run out while `other` renews its own."""
    del one
    async with asyncio.timeout(30):
        while not await other.leases.unowned(limit=10):
            await other.leases.renew()
            await asyncio.sleep(0.1)


async def test_a_new_session_is_its_makers(postgres: str) -> None:
    url = await new_database(postgres)
    async with node(url, "a", lease_s=60) as a, node(url, "b", lease_s=60) as b:
        await a.store.create(row())
        assert a.holdings.epoch(KEY) == 1
        assert await a.leases.unowned(limit=10) == []
        assert await b.leases.unowned(limit=10) == []
        assert not await b.leases.claim(*KEY)
        assert await a.leases.others()
        await a.store.append(meeting()[:2])
        with pytest.raises(SessionMoved):
            await b.store.append(meeting()[2:3])


async def test_what_is_released_is_anybodys_at_once(postgres: str) -> None:
    url = await new_database(postgres)
    async with node(url, "a", lease_s=60) as a, node(url, "b", lease_s=60) as b:
        await a.store.create(row())
        await a.leases.release(*KEY)
        assert [found.session for found in await b.leases.unowned(limit=10)] == ["s1"]
        taken = await asyncio.gather(a.leases.claim(*KEY), b.leases.claim(*KEY))
        assert sorted(taken) == [False, True]


async def test_what_a_closed_node_left_is_anybodys_at_once(postgres: str) -> None:
    url = await new_database(postgres)
    async with node(url, "b", lease_s=60) as b:
        async with node(url, "a", lease_s=60) as a:
            await a.store.create(row())
            assert not await b.leases.claim(*KEY)
        assert not await b.leases.others()
        assert await b.leases.claim(*KEY)


async def test_an_owner_asleep_loses_its_sessions_and_can_write_no_event(postgres: str) -> None:
    url = await new_database(postgres)
    async with node(url, "a", lease_s=1) as a, node(url, "b", lease_s=1) as b:
        await a.store.create(row())
        await a.store.append(meeting()[:1])
        await outlast(a, b)
        assert await b.leases.claim(*KEY)
        with pytest.raises(SessionMoved):
            await a.store.append(meeting()[1:2])
        await b.store.append(meeting()[1:3])
        turn = await a.leases.renew()
        assert turn.lost == [KEY]
        await a.leases.release(*KEY)  # of what another has, nothing is given away
        await b.store.append(meeting()[3:4])
        assert len([r async for r in b.store.events(*KEY)]) == 4


async def test_an_owner_that_comes_back_under_a_new_epoch_is_not_the_old_one(
    postgres: str,
) -> None:
    url = await new_database(postgres)
    async with node(url, "a", lease_s=60) as a, node(url, "b", lease_s=60) as b:
        await a.store.create(row())
        await a.leases.release(*KEY)
        assert await b.leases.claim(*KEY)
        await b.leases.release(*KEY)
        assert await a.leases.claim(*KEY)
        assert a.holdings.epoch(KEY) == 3
        old = await a.journal.open(*KEY)
        await a.leases.release(*KEY)
        assert await a.leases.claim(*KEY)
        with pytest.raises(SessionMoved):
            await old.append(b"from the epoch before")
        assert await (await a.journal.open(*KEY)).append(b"new") == 3


async def test_a_request_reaches_the_owner_with_its_next_renewal(postgres: str) -> None:
    url = await new_database(postgres)
    async with node(url, "a", lease_s=60) as a, node(url, "b", lease_s=60) as b:
        await a.store.create(row())
        assert (await a.leases.renew()).asked == []
        await b.leases.ask(*KEY)
        assert (await a.leases.renew()).asked == [KEY]
        await a.leases.release(*KEY)
        assert not await a.leases.claim(*KEY)  # it is the other's now, before it knows
        assert [found.session for found in await b.leases.unowned(limit=10)] == ["s1"]
        assert await b.leases.claim(*KEY)
        assert (await b.leases.renew()).asked == []


async def test_a_finished_session_is_nobodys_and_open_to_later_passes(postgres: str) -> None:
    url = await new_database(postgres)
    async with node(url, "a", lease_s=60) as a, node(url, "b", lease_s=60) as b:
        await a.store.create(row())
        records = chain(InputEnded("finish", 1), SessionFinished("finish"))
        await a.store.append(records)
        assert not await b.leases.claim(*KEY)
        await b.store.append(chain(LanguageDetected("fr", 1.0, 0), after=records))


async def test_after_an_outage_owners_that_live_come_first(postgres: str) -> None:
    url = await new_database(postgres)
    async with node(url, "a", lease_s=1) as a, node(url, "b", lease_s=1) as b:
        await a.store.create(row())
        await asyncio.sleep(1.1)  # nobody could renew
        await end_connections(url)
        await b.leases.renew()
        b.leases._steady_since = None  # pyright: ignore[reportPrivateUsage]
        await b.leases.renew()
        assert await b.leases.unowned(limit=10) == []
        await a.leases.renew()
        assert not await b.leases.claim(*KEY)


async def test_a_restarted_node_takes_its_own_sessions_without_waiting(postgres: str) -> None:
    url = await new_database(postgres)
    async with node(url, "a", lease_s=60) as a:
        await a.store.create(row())
        async with node(url, "a", lease_s=60) as again:  # the first was killed
            assert [found.session for found in await again.leases.unowned(limit=10)] == ["s1"]
            assert await again.leases.claim(*KEY)
            with pytest.raises(SessionMoved):
                await a.store.append(meeting()[:1])


async def test_servers_with_audio_of_their_own_do_not_share_a_database(postgres: str) -> None:
    url = await new_database(postgres)
    async with node(url, "a", lease_s=60, portable=False) as a:
        with pytest.raises(SettingsInvalid, match=r"shared\.audio"):
            async with node(url, "b", lease_s=60, portable=False):
                pass
        with pytest.raises(SessionElsewhere):
            await a.leases.ask(*KEY)
    async with node(url, "b", lease_s=60, portable=False):
        pass  # the first has gone


def test_a_directory_has_one_server_and_one_name(tmp_path: Path) -> None:
    use = SoleUse.take(tmp_path / "data")
    with pytest.raises(DirectoryInUse, match="Stop it"):
        SoleUse.take(tmp_path / "data")
    use.end()
    again = SoleUse.take(tmp_path / "data")
    assert again.node == use.node
    other = SoleUse.take(tmp_path / "elsewhere")
    assert other.node != use.node
    again.end()
    other.end()
