"""What SQLite alone promises: synced commits, a full disk that hurts nobody, private files."""

import stat
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from greffier_server.core.events import SegmentTranslated
from greffier_server.errors import SettingsInvalid
from greffier_server.storage.engines import engine_for
from greffier_server.storage.failures import StorageUnavailable
from greffier_server.storage.sql import SqlStore
from greffier_server.storage.writer import StoreWriter
from tests.support.sessions import chain, row

pytestmark = pytest.mark.integration


class Quota:
    """Limits the pages of every database opened while it is set."""

    def __init__(self) -> None:
        self.pages = 1_000_000

    def apply(self, connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA max_page_count = {self.pages}")
        cursor.close()


@pytest.fixture
def quota() -> Generator[Quota, None, None]:
    limit = Quota()
    event.listen(Engine, "connect", limit.apply)
    yield limit
    event.remove(Engine, "connect", limit.apply)


async def test_a_full_disk_is_said_so_and_leaves_what_was_stored(
    tmp_path: Path, quota: Quota
) -> None:
    url = f"sqlite:///{tmp_path}/greffier.db"
    quota.pages = 100
    store = await SqlStore.open(url)
    await store.create(row())
    small = chain(SegmentTranslated(1, "en", "short"))
    large = chain(SegmentTranslated(2, "en", "x" * 500_000), after=small)
    await store.append(small)
    writer = StoreWriter(store)
    with pytest.raises(StorageUnavailable, match="full"):
        await writer.append(large)
    await store.close()
    quota.pages = 1_000_000
    store = await SqlStore.open(url)
    assert [record async for record in store.events("dgfip", "s1")] == small
    await store.append(large)
    assert [record async for record in store.events("dgfip", "s1")] == [*small, *large]
    await store.close()


async def test_commits_are_synced_and_deleted_bytes_overwritten(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/deep/er/greffier.db"
    await (await SqlStore.open(url)).close()
    engine = await engine_for(url)
    async with engine.connect() as connection:
        found = {
            name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
            for name in (
                "journal_mode",
                "synchronous",
                "foreign_keys",
                "secure_delete",
                "auto_vacuum",
                "busy_timeout",
            )
        }
    await engine.dispose()
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "auto_vacuum": 2,
        "busy_timeout": 10_000,
    }
    folder = tmp_path / "deep/er"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "greffier.db").stat().st_mode) == 0o600


async def test_a_file_that_is_no_database_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"not a database, but long enough to look like one" * 40)
    with pytest.raises(StorageUnavailable, match="SQLite database"):
        await SqlStore.open(f"sqlite:///{tmp_path}/x.db")


@pytest.mark.parametrize("url", ["", "mysql://x/y", "sqlite://", "sqlite:///:memory:", "nonsense"])
async def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(SettingsInvalid):
        await SqlStore.open(url)
