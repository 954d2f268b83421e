"""Audio that servers share: a real PostgreSQL and a real S3-compatible server."""

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from greffier_server.errors import SessionClosed, SessionNotFound
from greffier_server.storage.failures import SessionMoved, StorageUnavailable
from greffier_server.storage.journal import SessionJournal
from greffier_server.storage.objects import Bucket, ObjectMissing, open_bucket
from greffier_server.storage.shared import SharedJournal, SharedRecording
from tests.support.nodes import Node, node
from tests.support.postgres import connect, end_connections, new_database, postgres_server
from tests.support.s3 import S3Server, s3_server
from tests.support.sessions import row

pytestmark = pytest.mark.integration

TENANT = "dgfip"
SEGMENT = 65_536
KEY = (TENANT, "s1")


@pytest.fixture(scope="module")
def postgres() -> Generator[str, None, None]:
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="module")
def s3() -> Generator[S3Server, None, None]:
    with s3_server() as running:
        yield running


def noise(count: int, seed: int = 1) -> bytes:
    return bytes((index * 7 + seed * 13 + index // 251) % 256 for index in range(count))


async def content(recording: SessionJournal, from_byte: int = 0, to: int | None = None) -> bytes:
    return await asyncio.to_thread(lambda: b"".join(recording.read(from_byte, to)))


async def ship(journal: SharedJournal) -> None:
    assert journal.shipper is not None
    await journal.shipper.run_once()


async def count(url: str, table: str) -> Any:
    connection = await connect(url)
    try:
        return await connection.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608
    finally:
        await connection.close()


async def test_audio_reads_back_byte_for_byte_here_and_at_another_node(postgres: str) -> None:
    url = await new_database(postgres)
    audio = noise(200_001)
    async with node(url, "a") as a, node(url, "b") as b:
        await a.store.create(row())
        recording = await a.journal.open(*KEY)
        ends = await asyncio.gather(
            *(recording.append(audio[at : at + 9_999]) for at in range(0, len(audio), 9_999))
        )
        assert max(ends) == len(audio) == recording.durable_bytes == recording.accepted_bytes
        assert await content(recording) == audio
        elsewhere = await b.journal.open(*KEY)
        assert elsewhere.durable_bytes == len(audio)
        assert await content(elsewhere, 70_000, 70_010) == audio[70_000:70_010]
        assert await content(elsewhere, 150_000) == audio[150_000:]
        assert await b.journal.size_bytes(*KEY) == len(audio)
        with pytest.raises(SessionMoved):
            await elsewhere.append(b"xx")


async def test_sessions_share_a_transaction_and_one_refusal_hurts_nobody_else(
    postgres: str,
) -> None:
    url = await new_database(postgres)
    async with node(url, "a") as a, node(url, "b") as b:
        for name in ("s1", "s2", "s3"):
            await a.store.create(row(name))
        recordings = [await a.journal.open(TENANT, name) for name in ("s1", "s2", "s3")]
        await a.leases.release(TENANT, "s2")
        assert await b.leases.claim(TENANT, "s2")
        await b.store.delete(TENANT, "s3")
        done = await asyncio.gather(
            *(r.append(b"abcd") for r in recordings), return_exceptions=True
        )
        assert done[0] == 4
        assert isinstance(done[1], SessionMoved)
        assert isinstance(done[2], SessionNotFound)


async def test_a_sealed_recording_takes_no_more(postgres: str) -> None:
    url = await new_database(postgres)
    async with node(url, "a") as a:
        await a.store.create(row())
        recording = await a.journal.open(*KEY)
        await recording.append(b"abcd")
        await recording.seal()
        again = await a.journal.open(*KEY)
        assert again.sealed
        with pytest.raises(SessionClosed):
            await again.append(b"ef")
        assert await content(again) == b"abcd"


async def test_there_is_no_audio_without_a_session(postgres: str) -> None:
    url = await new_database(postgres)
    async with node(url, "a") as a:
        with pytest.raises(SessionNotFound):
            await a.journal.open(TENANT, "nobody")


async def test_an_owner_that_slept_writes_nothing_and_the_next_one_goes_on(postgres: str) -> None:
    url = await new_database(postgres)
    async with node(url, "a") as a, node(url, "b", lease_s=1.0) as b:
        await a.store.create(row())
        old = await a.journal.open(*KEY)
        await old.append(b"first")
        assert not await b.leases.claim(*KEY)  # it lives
        await take_from_sleeper(a, b)
        with pytest.raises(SessionMoved):
            await old.append(b"stale")
        new = await b.journal.open(*KEY)
        assert await new.append(b"second") == 11
        with pytest.raises(SessionMoved):
            await old.seal()
        assert await content(new) == b"firstsecond"


async def take_from_sleeper(a: Node, b: Node) -> None:
    """Let the lease of `a` run out while `b` keeps its own; then `b` claims the session."""
    async with asyncio.timeout(30):
        while not await b.leases.claim(*KEY):
            await b.leases.renew()
            await asyncio.sleep(0.1)
    assert b.holdings.epoch(KEY) == (a.holdings.epoch(KEY) or 0) + 1


async def test_a_database_that_went_away_is_waited_for(postgres: str) -> None:
    url = await new_database(postgres)
    async with node(url, "a") as a:
        await a.store.create(row())
        recording = await a.journal.open(*KEY)
        await recording.append(b"one")
        await end_connections(url)
        assert await recording.append(b"two") == 6
        assert await content(recording) == b"onetwo"


async def test_a_transaction_cut_off_in_the_middle_stores_its_audio_once(postgres: str) -> None:
    url = await new_database(postgres)
    async with node(url, "a") as a:
        await a.store.create(row())
        recording = await a.journal.open(*KEY)
        holder = await connect(url)
        try:
            async with holder.transaction():  # the append waits for this lock, and is cut there
                await holder.execute("SELECT 1 FROM sessions FOR UPDATE")
                append = asyncio.create_task(recording.append(b"abc"))
                waiting = (
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                    "AND datname = current_database()"
                )
                while await holder.fetchval(waiting) == 0:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.01)
                await end_connections(url)
            assert await append == 3
        finally:
            await holder.close()
        assert await content(recording) == b"abc"


async def test_what_may_have_been_stored_and_was_never_acknowledged_is_cut_off(
    postgres: str,
) -> None:
    url = await new_database(postgres)
    async with node(url, "a", patience_s=0.0) as a:
        await a.store.create(row())
        recording = await a.journal.open(*KEY)
        await recording.append(b"known.")
        store = a.journal.writer._store  # pyright: ignore[reportPrivateUsage]

        async def committed_unheard(*arguments: Any) -> Any:
            result = await store(*arguments)
            await arguments[0].commit()
            raise ConnectionResetError
            return result

        a.journal.writer._store = committed_unheard  # type: ignore[method-assign]  # pyright: ignore[reportPrivateUsage]
        with pytest.raises(StorageUnavailable):
            await recording.append(b"uncertain")
        assert await count(url, "audio_blocks") == 2
        a.journal.writer._store = store  # type: ignore[method-assign]  # pyright: ignore[reportPrivateUsage]
        assert recording.durable_bytes == 6
        assert await recording.append(b"again") == 11
        assert await content(recording) == b"known.again"


async def test_a_damaged_block_is_left_out_and_the_rest_reads(postgres: str) -> None:
    url = await new_database(postgres)
    async with node(url, "a") as a:
        await a.store.create(row())
        recording = await a.journal.open(*KEY)
        for part in (b"aaaa", b"bbbb", b"cccc"):
            await recording.append(part)
        connection = await connect(url)
        await connection.execute("UPDATE audio_blocks SET body = 'bxbb' WHERE from_byte = 4")
        await connection.close()
        assert await content(recording) == b"aaaacccc"
        assert await asyncio.to_thread(recording.damage) == [(4, 8)]


async def test_reading_on_the_event_loop_is_refused(postgres: str) -> None:
    url = await new_database(postgres)
    async with node(url, "a") as a:
        await a.store.create(row())
        recording = await a.journal.open(*KEY)
        await recording.append(b"abcd")
        with pytest.raises(RuntimeError, match="in threads"):
            list(recording.read(0))


# --- object storage ---------------------------------------------------------------------------


async def recorded(a: Node, audio: bytes) -> SharedRecording:
    await a.store.create(row())
    recording = await a.journal.open(*KEY)
    for at in range(0, len(audio), 10_000):
        await recording.append(audio[at : at + 10_000])
    return recording


async def test_closed_stretches_move_to_objects_and_read_as_before(
    postgres: str, s3: S3Server
) -> None:
    url = await new_database(postgres)
    audio = noise(300_000)
    bucket = await asyncio.to_thread(open_bucket, s3.place())
    before = set(s3.objects())
    async with (
        node(url, "a", objects=bucket, segment_bytes=SEGMENT) as a,
        node(url, "b", objects=bucket, segment_bytes=SEGMENT) as b,
    ):
        recording = await recorded(a, audio)
        await ship(a.journal)
        assert len(set(s3.objects()) - before) == 4
        assert await content(recording) == audio
        assert await count(url, "audio_blocks") == 2  # the hot end
        elsewhere = await b.journal.open(*KEY)
        assert elsewhere.durable_bytes == len(audio)
        assert await content(elsewhere, 60_000, 80_001) == audio[60_000:80_001]
        await recording.seal()
        await ship(b.journal)  # any node ships what a sealed recording has left
        assert await count(url, "audio_blocks") == 0
        assert await content(elsewhere) == audio
        assert await b.journal.size_bytes(*KEY) > len(audio)
        await b.journal.delete(*KEY)
        assert set(s3.objects()) == before
        assert await count(url, "audio_objects") == 0


class Broken:
    """An object store that stops working at a given call."""

    def __init__(self, bucket: Bucket, *, fail: str, before: bool) -> None:
        self._bucket = bucket
        self._fail = fail
        self._before = before

    def put(self, name: str, content: bytes) -> None:
        self._call("put", lambda: self._bucket.put(name, content))

    def get(self, name: str) -> bytes:
        found: list[bytes] = []
        self._call("get", lambda: found.append(self._bucket.get(name)))
        return found[0]

    def delete(self, name: str) -> None:
        self._call("delete", lambda: self._bucket.delete(name))

    def close(self) -> None:
        """The bucket is another's."""

    def _call(self, name: str, call: Any) -> None:
        if name == self._fail and self._before:
            raise StorageUnavailable("broken")
        call()
        if name == self._fail:
            raise StorageUnavailable("broken")


@pytest.mark.parametrize(
    ("fail", "before"), [("put", True), ("put", False), ("get", True), ("get", False)]
)
async def test_an_upload_that_ends_anywhere_leaves_one_copy_that_counts(
    fail: str, before: bool, postgres: str, s3: S3Server
) -> None:
    url = await new_database(postgres)
    audio = noise(SEGMENT + 10_000, seed=3)
    bucket = await asyncio.to_thread(open_bucket, s3.place())
    known = set(s3.objects())
    broken = Broken(bucket, fail=fail, before=before)
    async with node(url, "a", objects=broken, segment_bytes=SEGMENT) as a:
        recording = await recorded(a, audio)
        with pytest.raises(StorageUnavailable):
            await ship(a.journal)
        assert await count(url, "audio_blocks") == 8
        assert await content(recording) == audio
    # The next owner ships anew; what the first one left is swept once it is old.
    async with node(url, "b", objects=bucket, segment_bytes=SEGMENT) as b:
        assert await b.leases.claim(*KEY)
        recording = await b.journal.open(*KEY)
        assert await content(recording) == audio
        await ship(b.journal)
        assert await content(recording) == audio
        connection = await connect(url)
        await connection.execute("UPDATE audio_objects SET since_ms = 0 WHERE state = 'writing'")
        await connection.close()
        assert b.journal.shipper is not None
        await b.journal.shipper.sweep()
        assert len(set(s3.objects()) - known) == await count(url, "audio_objects") == 1
        assert await content(recording) == audio
        await b.journal.delete(*KEY)
    assert set(s3.objects()) == known


async def test_two_nodes_that_ship_the_same_stretch_leave_one_object(
    postgres: str, s3: S3Server
) -> None:
    url = await new_database(postgres)
    audio = noise(50_000, seed=4)
    bucket = await asyncio.to_thread(open_bucket, s3.place())
    known = set(s3.objects())
    async with node(url, "a", objects=bucket) as a, node(url, "b", objects=bucket) as b:
        recording = await recorded(a, audio)
        await recording.seal()
        await asyncio.gather(ship(a.journal), ship(b.journal))
        assert len(set(s3.objects()) - known) == 1
        assert await content(await b.journal.open(*KEY)) == audio
        await a.journal.delete(*KEY)


async def test_a_session_deleted_in_mid_upload_leaves_no_object(
    postgres: str, s3: S3Server
) -> None:
    url = await new_database(postgres)
    bucket = await asyncio.to_thread(open_bucket, s3.place())
    known = set(s3.objects())
    loop = asyncio.get_running_loop()
    async with node(url, "b", objects=bucket) as b:

        class Slow(Broken):
            def put(self, name: str, content: bytes) -> None:
                super().put(name, content)
                deleting = b.journal.delete(*KEY)
                asyncio.run_coroutine_threadsafe(deleting, loop).result(20)

        slow = Slow(bucket, fail="", before=False)
        async with node(url, "a", objects=slow, segment_bytes=SEGMENT) as a:
            await recorded(a, noise(SEGMENT, seed=5))
            await ship(a.journal)
    assert set(s3.objects()) == known
    assert await count(url, "audio_objects") == 0


async def test_storage_that_is_down_keeps_audio_in_the_database_until_it_is_back(
    postgres: str, s3: S3Server
) -> None:
    url = await new_database(postgres)
    audio = noise(SEGMENT * 2, seed=6)
    bucket = await asyncio.to_thread(open_bucket, s3.place())
    async with node(url, "a", objects=bucket, segment_bytes=SEGMENT) as a:
        recording = await recorded(a, audio[:SEGMENT])
        await ship(a.journal)
        s3.stop()
        try:
            assert await recording.append(audio[SEGMENT:]) == len(audio)
            with pytest.raises(StorageUnavailable, match="cannot be used"):
                await ship(a.journal)
            assert await content(recording, SEGMENT) == audio[SEGMENT:]
            with pytest.raises(StorageUnavailable, match="cannot be used"):
                await content(recording)  # the older half is where nobody answers
        finally:
            s3.start()
        await ship(a.journal)
        assert await content(recording) == audio
        await a.journal.delete(*KEY)


async def test_bits_flipped_in_an_object_cost_their_block_alone(
    postgres: str, s3: S3Server
) -> None:
    url = await new_database(postgres)
    audio = noise(SEGMENT + 4_464, seed=7)
    bucket = await asyncio.to_thread(open_bucket, s3.place())
    known = set(s3.objects())
    async with node(url, "a", objects=bucket, segment_bytes=SEGMENT) as a:
        recording = await recorded(a, audio)
        await ship(a.journal)
        (name,) = set(s3.objects()) - known
        path = s3.objects()[name]
        octets = bytearray(path.read_bytes())
        octets[len(octets) // 2] ^= 4
        path.write_bytes(octets)
        assert await asyncio.to_thread(recording.damage) == [(30_000, 40_000)]
        assert await content(recording) == audio[:30_000] + audio[40_000:]
        await a.journal.delete(*KEY)


async def test_what_is_wrong_with_the_storage_is_said(s3: S3Server) -> None:
    missing = await asyncio.to_thread(open_bucket, s3.place(bucket="nowhere"))
    with pytest.raises(StorageUnavailable, match=r"objects\.bucket"):
        await asyncio.to_thread(missing.check)
    wrong = await asyncio.to_thread(open_bucket, s3.place(secret="wrong"))
    with pytest.raises(StorageUnavailable, match=r"403|secret_key"):
        await asyncio.to_thread(wrong.check)
    right = await asyncio.to_thread(open_bucket, s3.place())
    await asyncio.to_thread(right.check)
    with pytest.raises(ObjectMissing):
        await asyncio.to_thread(right.get, "nothing/here")
    await asyncio.to_thread(right.delete, "nothing/here")
