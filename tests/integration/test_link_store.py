"""Viewer links and the cookies' secret in memory, SQLite and PostgreSQL."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from greffier_server.errors import SessionNotFound
from greffier_server.storage.links import Link, LinkStore, MemoryLinks, SqlLinks
from greffier_server.storage.sql import SqlStore
from tests.support.postgres import new_database, postgres_server
from tests.support.sessions import NOW_MS, row

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def postgres() -> Generator[str, None, None]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def links(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[LinkStore, None]:
    if request.param == "memory":
        yield MemoryLinks()
        return
    url = f"sqlite:///{tmp_path}/x.db"
    if request.param == "postgresql":
        url = await new_database(request.getfixturevalue("postgres"))
    store = await SqlStore.open(url)
    await store.create(row())
    opened = await SqlLinks.open(url)
    try:
        yield opened
    finally:
        await opened.close()
        await store.close()


def link(name: str, **changes: object) -> Link:
    values: dict[str, object] = {
        "id": name,
        "tenant": "dgfip",
        "session": "s1",
        "digest": f"sha256:{name}",
        "languages": ("en", "de"),
        "created_at_ms": NOW_MS,
        "expires_at_ms": NOW_MS + 1000,
        **changes,
    }
    return Link(**values)  # type: ignore[arg-type]


async def test_links_are_found_listed_and_revoked_once(links: LinkStore) -> None:
    first, second = link("a"), link("b", languages=None, created_at_ms=NOW_MS + 1)
    await links.add(first)
    await links.add(second)
    assert await links.by_digest("sha256:a") == first
    assert await links.by_digest("sha256:c") is None
    assert list(await links.of_session("dgfip", "s1")) == [second, first]
    assert list(await links.of_session("other", "s1")) == []
    assert not await links.revoke("other", "s1", "a", at_ms=NOW_MS)
    assert await links.revoke("dgfip", "s1", "a", at_ms=NOW_MS + 5)
    assert await links.revoke("dgfip", "s1", "a", at_ms=NOW_MS + 9)
    found = await links.by_digest("sha256:a")
    assert found is not None
    assert found.revoked_at_ms == NOW_MS + 5


async def test_secrets_stay_the_same(links: LinkStore) -> None:
    first = await links.secret("cookies")
    assert len(first) == 32
    assert await links.secret("cookies") == first
    assert await links.secret("others") != first


async def test_links_go_with_their_session(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    store, links = await SqlStore.open(url), await SqlLinks.open(url)
    try:
        await store.create(row())
        await links.add(link("a"))
        await store.delete("dgfip", "s1")
        assert await links.by_digest("sha256:a") is None
        with pytest.raises(SessionNotFound):
            await links.add(link("b"))
    finally:
        await links.close()
        await store.close()
