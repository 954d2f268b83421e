"""One suite of promises for every store: memory, SQLite, and a real PostgreSQL server."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from greffier.protocol import AudioFormat
from greffier_server.core.events import (
    InputEnded,
    LanguageDetected,
    Recorded,
    SessionFinished,
    SessionStarted,
    TailRevised,
)
from greffier_server.core.records import GENESIS, record_hash
from greffier_server.errors import SessionExists, SessionNotFound, SettingsInvalid, StorageFailed
from greffier_server.storage.engines import WRITES, engine_for
from greffier_server.storage.failures import LogConflict, StorageUnavailable
from greffier_server.storage.memory import MemoryStore
from greffier_server.storage.sql import SqlStore
from greffier_server.storage.store import Job, SessionStore
from greffier_server.storage.tables import metadata
from greffier_server.storage.writer import StoreWriter
from tests.support.postgres import connect, end_connections, new_database, postgres_server
from tests.support.sessions import NOW_MS, chain, meeting, row

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def postgres() -> Generator[str, None, None]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncGenerator[SessionStore, None]:
    opened: SessionStore
    if request.param == "memory":
        opened = MemoryStore()
    elif request.param == "sqlite":
        opened = await SqlStore.open(f"sqlite:///{tmp_path}/db/greffier.db")
    else:
        opened = await SqlStore.open(await new_database(request.getfixturevalue("postgres")))
    yield opened
    await opened.close()


async def stored(store: SessionStore, session: str = "s1", after: int = 0) -> list[Recorded]:
    return [record async for record in store.events("dgfip", session, after=after)]


async def test_events_read_back_exactly_with_their_hash_chain(store: SessionStore) -> None:
    records = meeting()
    await store.create(row())
    await store.append(records)
    read = await stored(store)
    assert read == records
    assert [record_hash(record) for record in read] == [record_hash(record) for record in records]
    last = GENESIS
    for record in read:
        assert record.prev_hash == last
        last = record_hash(record)


async def test_events_after_a_seq_and_of_an_unknown_session(store: SessionStore) -> None:
    records = meeting()
    await store.create(row())
    await store.append(records)
    assert await stored(store, after=4) == records[4:]
    assert await stored(store, after=99) == []
    assert await stored(store, "nobody") == []


async def test_many_events_come_in_order_over_several_pages(store: SessionStore) -> None:
    records = chain(*(LanguageDetected("fr", 0.5, n) for n in range(1203)))
    await store.create(row())
    for start in range(0, len(records), 400):
        await store.append(records[start : start + 400])
    assert await stored(store) == records


async def test_the_row_follows_its_events(store: SessionStore) -> None:
    records = meeting()
    await store.create(row(state="open"))
    await store.append(records[:2])
    seen = await store.get("dgfip", "s1")
    assert seen == row(
        language="fr", duration_ms=200, last_seq=2, updated_at_ms=records[1].at_ms, state="open"
    )
    await store.append(records[2:7])
    seen = await store.get("dgfip", "s1")
    assert seen is not None
    assert (seen.state, seen.duration_ms) == ("draining", 12_345)
    await store.append(records[7:])
    seen = await store.get("dgfip", "s1")
    assert seen is not None
    assert (seen.state, seen.last_seq) == ("finished", 9)
    assert await store.get("other", "s1") is None


async def test_a_taken_id_is_refused_for_its_tenant_only(store: SessionStore) -> None:
    await store.create(row())
    with pytest.raises(SessionExists):
        await store.create(row(title="second"))
    await store.create(row(tenant="douane"))
    seen = await store.get("dgfip", "s1")
    assert seen == row()


async def test_titles_that_no_database_holds_are_made_storable(store: SessionStore) -> None:
    await store.create(row(title="a\0b\ud800c 😀"))
    seen = await store.get("dgfip", "s1")
    assert seen is not None
    assert seen.title == "a\ufffdb\ufffdc 😀"


async def test_an_append_of_several_sessions_is_all_or_nothing(store: SessionStore) -> None:
    await store.create(row("s1"))
    await store.create(row("s2"))
    with pytest.raises(SessionNotFound):
        await store.append([*meeting("s1"), *meeting("gone"), *meeting("s2")])
    assert await stored(store, "s1") == []
    await store.append([*meeting("s2"), *meeting("s1")])
    assert await stored(store, "s1") == meeting("s1")
    assert await stored(store, "s2") == meeting("s2")


async def test_a_repeated_append_is_accepted_and_stored_once(store: SessionStore) -> None:
    records = meeting()
    await store.create(row())
    await store.append(records[:3])
    await store.append(records[:3])
    await store.append(records[1:5])
    assert await stored(store) == records[:5]


async def test_events_that_do_not_fit_are_refused(store: SessionStore) -> None:
    records = meeting()
    await store.create(row())
    await store.append(records[:3])
    with pytest.raises(LogConflict):  # a hole
        await store.append(records[4:5])
    with pytest.raises(LogConflict):  # another event in a taken place
        await store.append([replace(records[2], at_ms=1)])
    with pytest.raises(LogConflict):  # twice in one append
        await store.append([records[3], records[3]])
    with pytest.raises(ValueError, match="volatile"):
        await store.append([replace(records[3], event=TailRevised(1, "x", 0, 1))])
    assert await stored(store) == records[:3]
    await store.append([])


async def test_listing_pages_through_every_session_once(store: SessionStore) -> None:
    ages = [5, 4, 4, 4, 3, 2, 1]
    for number, age in enumerate(ages):
        await store.create(row(f"s{number}", created_at_ms=NOW_MS + age))
    await store.create(row("foreign", tenant="douane"))
    seen: list[str] = []
    before: int | None = None
    while page := await store.list("dgfip", limit=2, before_ms=before):
        seen.extend(found.session for found in page)
        before = page[-1].created_at_ms
    assert seen == [f"s{number}" for number in range(len(ages))]
    assert len(await store.list("dgfip", limit=-1)) == 1
    assert await store.list("nobody") == []


async def test_unfinished_sessions_of_every_tenant(store: SessionStore) -> None:
    await store.create(row("a", created_at_ms=3))
    await store.create(row("b", tenant="douane", state="draining", created_at_ms=2))
    await store.create(row("c", state="finished", created_at_ms=1))
    assert [found.session for found in await store.unfinished()] == ["b", "a"]
    await store.append(chain(SessionFinished("finish"), session="a"))
    assert [found.session for found in await store.unfinished()] == ["b"]


async def test_expired_are_the_finished_ones_whose_time_is_over(store: SessionStore) -> None:
    await store.create(row("kept", state="finished"))
    await store.create(row("later", state="finished", expires_at_ms=NOW_MS + 1))
    await store.create(row("live", state="open", expires_at_ms=NOW_MS - 1))
    await store.create(row("due", state="finished", expires_at_ms=NOW_MS))
    await store.create(row("overdue", state="finished", expires_at_ms=NOW_MS - 1))
    assert [found.session for found in await store.expired(NOW_MS)] == ["overdue", "due"]
    assert [found.session for found in await store.expired(NOW_MS, limit=1)] == ["overdue"]


async def test_deleting_takes_events_and_jobs_along(store: SessionStore) -> None:
    await store.create(row())
    await store.create(row("s2"))
    await store.append([*meeting("s1"), *meeting("s2")])
    await store.enqueue("minutes", "dgfip", "s1")
    assert await store.delete("dgfip", "s1") is True
    assert await store.delete("dgfip", "s1") is False
    assert await store.get("dgfip", "s1") is None
    assert await stored(store, "s1") == []
    assert await store.claim(["minutes"], NOW_MS, 1000) is None
    assert await stored(store, "s2") == meeting("s2")
    await store.create(row())
    assert await stored(store, "s1") == []


async def test_the_same_job_is_queued_once(store: SessionStore) -> None:
    await store.create(row())
    first = await store.enqueue("minutes", "dgfip", "s1", "fr\0")
    assert await store.enqueue("minutes", "dgfip", "s1", "en") == first
    assert await store.enqueue("export", "dgfip", "s1") != first
    job = await store.claim(["minutes"], NOW_MS, 1000)
    assert job is not None
    assert job == Job(first, "minutes", "dgfip", "s1", "fr\ufffd", 1, 0, NOW_MS + 1000)
    assert await store.enqueue("minutes", "dgfip", "s1") == first
    await store.complete(job)
    assert await store.enqueue("minutes", "dgfip", "s1") != first
    with pytest.raises(SessionNotFound):
        await store.enqueue("minutes", "dgfip", "nobody")


async def test_a_lease_hides_a_job_until_it_runs_out(store: SessionStore) -> None:
    await store.create(row())
    await store.enqueue("minutes", "dgfip", "s1")
    assert await store.claim(["export"], NOW_MS, 1000) is None
    first = await store.claim(["minutes", "export"], NOW_MS, 1000)
    assert first is not None
    assert await store.claim(["minutes"], NOW_MS + 999, 1000) is None
    second = await store.claim(["minutes"], NOW_MS + 1000, 1000)
    assert second is not None
    assert (second.id, second.attempts) == (first.id, 2)
    await store.complete(first)  # too late: the lease is another's
    await store.retry(first, 0)
    assert await store.claim(["minutes"], NOW_MS + 1001, 1000) is None
    await store.retry(second, NOW_MS + 5000)
    assert await store.claim(["minutes"], NOW_MS + 4999, 1000) is None
    third = await store.claim(["minutes"], NOW_MS + 5000, 1000)
    assert third is not None
    await store.complete(third)
    assert await store.claim(["minutes"], NOW_MS + 99_999, 1000) is None


async def test_two_claimers_never_get_the_same_job(store: SessionStore) -> None:
    for number in range(12):
        await store.create(row(f"s{number}"))
        await store.enqueue("minutes", "dgfip", f"s{number}")

    async def claimer() -> list[int]:
        taken: list[int] = []
        while job := await store.claim(["minutes"], NOW_MS, 60_000):
            taken.append(job.id)
        return taken

    hauls = await asyncio.gather(*(claimer() for _ in range(6)))
    taken = [job for haul in hauls for job in haul]
    assert len(taken) == 12
    assert len(set(taken)) == 12


async def test_group_commit_of_many_sessions(store: SessionStore) -> None:
    writer = StoreWriter(store, batch_records=40, waiting_appends=8)
    names = [f"s{number}" for number in range(20)]
    for name in names:
        await store.create(row(name))

    async def speak(name: str) -> None:
        for record in meeting(name):
            await writer.append([record])

    results = await asyncio.gather(
        *(speak(name) for name in names), speak("missing"), return_exceptions=True
    )
    await writer.close()
    assert [type(result) for result in results if result is not None] == [SessionNotFound]
    for name in names:
        assert await stored(store, name) == meeting(name)


async def _open(url: str) -> None:
    await (await SqlStore.open(url)).close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_servers_that_start_at_once_share_one_new_database(
    kind: str, tmp_path: Path, postgres: str
) -> None:
    url = f"sqlite:///{tmp_path}/x.db" if kind == "sqlite" else await new_database(postgres)
    await asyncio.gather(*(_open(url) for _ in range(4)))
    await asyncio.gather(*(asyncio.to_thread(asyncio.run, _open(url)) for _ in range(2)))


async def test_two_servers_claim_different_jobs_on_postgresql(postgres: str) -> None:
    url = await new_database(postgres)
    one, two = await SqlStore.open(url), await SqlStore.open(url)
    try:
        for name in ("a", "b"):
            await one.create(row(name))
            await one.enqueue("minutes", "dgfip", name)
        holder = await connect(url)
        try:
            async with holder.transaction():  # another server in the midst of its claim
                held = await holder.fetchval("SELECT min(id) FROM jobs")
                await holder.execute("SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE", held)
                job = await asyncio.wait_for(two.claim(["minutes"], NOW_MS, 1000), 30)
        finally:
            await holder.close()
        assert job is not None
        assert job.id != held
    finally:
        await one.close()
        await two.close()


async def test_a_restarted_postgresql_is_found_again(postgres: str) -> None:
    url = await new_database(postgres)
    store = await SqlStore.open(url)
    try:
        await store.create(row())
        assert await end_connections(url) >= 1
        await store.append(meeting())
        assert await stored(store) == meeting()
    finally:
        await store.close()


async def test_a_connection_lost_in_mid_append_stores_the_events_once(postgres: str) -> None:
    url = await new_database(postgres)
    store = await SqlStore.open(url)
    holder = await connect(url)
    try:
        await store.create(row())
        async with holder.transaction():  # the append waits for this lock, and is cut there
            await holder.execute("SELECT 1 FROM sessions FOR UPDATE")
            append = asyncio.create_task(store.append(meeting()))
            while await holder.fetchval(_WAITING) == 0:  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(0.01)
            assert await end_connections(url) == 1
        await asyncio.wait_for(append, 20)
        assert await stored(store) == meeting()
    finally:
        await holder.close()
        await store.close()


_WAITING = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE application_name = 'greffier' AND wait_event_type = 'Lock'"
)


async def test_a_database_that_does_not_answer_is_a_clear_error(postgres: str) -> None:
    base = postgres.rpartition("/")[0]
    with pytest.raises(StorageUnavailable, match="does not exist"):
        await SqlStore.open(f"{base}/nothing_here")
    with pytest.raises(StorageFailed, match="does not answer"):
        await SqlStore.open("postgresql://postgres@127.0.0.1:1/x")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_newer_schema_is_refused(kind: str, tmp_path: Path, postgres: str) -> None:
    url = f"sqlite:///{tmp_path}/x.db" if kind == "sqlite" else await new_database(postgres)
    await _open(url)
    engine = await engine_for(url)
    async with engine.connect() as plain:
        connection = await plain.execution_options(**WRITES)
        await connection.execute(text("UPDATE alembic_version SET version_num = 'r9999'"))
        await connection.commit()
    await engine.dispose()
    with pytest.raises(SettingsInvalid, match="newer"):
        await SqlStore.open(url)


def _ours(_object: object, name: str | None, *_rest: object) -> bool:
    return not str(name).startswith("search_terms")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_the_revisions_add_up_to_the_tables(kind: str, tmp_path: Path, postgres: str) -> None:
    url = f"sqlite:///{tmp_path}/x.db" if kind == "sqlite" else await new_database(postgres)
    await _open(url)
    engine = await engine_for(url)
    async with engine.connect() as connection:
        differences = await connection.run_sync(
            lambda plain: compare_metadata(
                # The search index is each database's own; it is no table of ours.
                MigrationContext.configure(
                    plain,
                    opts={"include_object": _ours},
                ),
                metadata,
            )
        )
    await engine.dispose()
    assert differences == []


async def test_input_ended_keeps_its_own_duration(store: SessionStore) -> None:
    await store.create(row())
    await store.append(chain(SessionStarted(AudioFormat(), "fr"), InputEnded("x", 7)))
    seen = await store.get("dgfip", "s1")
    assert seen is not None
    assert (seen.duration_ms, seen.language, seen.state) == (7, "fr", "draining")
