"""The places of outlets on both databases: made once, leased, only moved forward."""

from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from pathlib import Path

import pytest

from greffier_server.storage.deliveries import DeadLetter, Deliveries
from greffier_server.storage.sql import SqlStore
from greffier_server.storage.store import SessionRow
from tests.support.postgres import new_database, postgres_server

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def postgres() -> Generator[str, None, None]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[SqlStore, None]:
    if request.param == "sqlite":
        opened = await SqlStore.open(f"sqlite:///{tmp_path / 'greffier.db'}")
    else:
        opened = await SqlStore.open(await new_database(request.getfixturevalue("postgres")))
    await opened.create(SessionRow("t", "s", "", 1, 1, "open", "fr", (), 0, 0, ""))
    yield opened
    await opened.close()


async def test_places_are_leased_and_only_move_forward(store: SqlStore) -> None:
    here, there = Deliveries(store, holder="here"), Deliveries(store, holder="there")
    for _ in range(2):
        await here.ensure("t", "s", ["a", "b"])
    assert {one.outlet for one in await here.due(0)} == {"a", "b"}
    held = await here.claim("t", "s", "a", now_ms=10, lease_ms=100)
    assert held is not None
    assert await there.claim("t", "s", "a", now_ms=50, lease_ms=100) is None
    assert [one.outlet for one in await there.due(50)] == ["b"]
    assert await here.save(replace(held, seq=7), leased_until_ms=110)
    assert not await here.save(replace(held, seq=6), leased_until_ms=None)
    taken = await there.claim("t", "s", "a", now_ms=200, lease_ms=100)
    assert taken is not None
    assert taken.seq == 7
    assert not await here.save(replace(held, seq=8), leased_until_ms=None)
    assert await there.save(replace(taken, seq=9, state="done"), leased_until_ms=None)
    await here.ensure("t", "s", ["a"])  # more came after the end
    states = {one.outlet: (one.state, one.seq) for one in await here.due(300)}
    assert states["a"] == ("open", 9)
    letter = DeadLetter("t", "s", "a", 9, "http_400", 1)
    for _ in range(2):
        await here.set_aside(letter)
    assert await here.dead("t", limit=9) == [letter]
    assert await store.delete("t", "s")
    assert await here.dead("t", limit=9) == []
