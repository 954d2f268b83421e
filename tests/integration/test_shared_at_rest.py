"""Audio that servers share, sealed by tenant: a real PostgreSQL and a real S3-compatible server."""

import asyncio
import io
import json
import wave
import zlib
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from click.testing import CliRunner

from greffier.protocol import Start
from greffier_server.app import create_app
from greffier_server.assembly import build
from greffier_server.bundle.checking import check_session
from greffier_server.bundle.signing import open_signing_key
from greffier_server.bundle.verify import check_bundle
from greffier_server.bundle.writing import open_bundle
from greffier_server.core.events import GapFound, SessionFinished
from greffier_server.doctor import check_backlog
from greffier_server.replay_session import Instead, replay_session
from greffier_server.services import Services
from greffier_server.settings import Settings
from greffier_server.space_command import space as space_command
from greffier_server.storage.block_writer import block_checksum
from greffier_server.storage.database_shelf import DatabaseShelf
from greffier_server.storage.failures import (
    EncryptionKeyMissing,
    EncryptionKeyWrong,
    QuotaExceeded,
    StorageUnavailable,
)
from greffier_server.storage.journal import SessionJournal
from greffier_server.storage.key_shelf import FolderShelf
from greffier_server.storage.keys import KeyRing, MasterKey, new_master_key, read_master_key
from greffier_server.storage.objects import open_bucket
from greffier_server.storage.segments import salt_of
from greffier_server.storage.shared import SharedJournal
from greffier_server.storing import open_to_read
from tests.support.desk import as_bytes
from tests.support.nodes import Node, node
from tests.support.postgres import connect, new_database, postgres_server
from tests.support.recordings import recording_of
from tests.support.s3 import S3Server, s3_server
from tests.support.sessions import row

pytestmark = pytest.mark.integration

TENANT = "dgfip"
KEY = (TENANT, "s1")
SEGMENT = 65_536
MASTER = new_master_key()
SPEECH = recording_of([(300, 300)] + [(30, 300)] * 12, end_ms=900)
SPOKEN = as_bytes(SPEECH.pcm)
TITLE = "Conseil secret du mardi"


@pytest.fixture(scope="module")
def postgres() -> Generator[str, None, None]:
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="module")
def s3() -> Generator[S3Server, None, None]:
    with s3_server() as running:
        yield running


@asynccontextmanager
async def keys_of(url: str, master: str = MASTER) -> AsyncGenerator[KeyRing, None]:
    """The key ring of one server."""
    shelf = DatabaseShelf(url)
    try:
        yield KeyRing(shelf, read_master_key(master))
    finally:
        await asyncio.to_thread(shelf.close)


def noise(count: int, seed: int = 1) -> bytes:
    return bytes((index * 7 + seed * 13 + index // 251) % 256 for index in range(count))


async def content(recording: SessionJournal, from_byte: int = 0, to: int | None = None) -> bytes:
    return await asyncio.to_thread(lambda: b"".join(recording.read(from_byte, to)))


async def ship(journal: SharedJournal) -> None:
    assert journal.shipper is not None
    await journal.shipper.run_once()


async def bodies(url: str) -> list[tuple[int, int, bytes, int, str | None]]:
    connection = await connect(url)
    try:
        found = await connection.fetch(
            "SELECT from_byte, to_byte, body, checksum, key FROM audio_blocks ORDER BY from_byte"
        )
        return [tuple(cast("Any", each).values()) for each in found]
    finally:
        await connection.close()


async def execute(url: str, query: str, *arguments: object) -> None:
    connection = await connect(url)
    try:
        await connection.execute(query, *arguments)
    finally:
        await connection.close()


async def recorded(a: Node, audio: bytes, *, step: int = 10_000) -> SessionJournal:
    await a.store.create(row())
    recording = await a.journal.open(*KEY)
    for at in range(0, len(audio), step):
        await recording.append(audio[at : at + step])
    return recording


@pytest.mark.parametrize("compress", [False, True])
async def test_two_servers_with_one_master_key_go_on_with_what_tells_nobody_else(
    postgres: str, s3: S3Server, compress: bool
) -> None:
    url = await new_database(postgres)
    audio = noise(200_000, seed=5) + bytes(100_000)
    bucket = await asyncio.to_thread(open_bucket, s3.place())
    before = set(s3.objects())
    async with (
        keys_of(url) as one,
        keys_of(url) as two,
        node(url, "a", objects=bucket, segment_bytes=SEGMENT, keys=one, compress=compress) as a,
        node(url, "b", objects=bucket, segment_bytes=SEGMENT, keys=two, compress=compress) as b,
    ):
        await recorded(a, audio[:150_000])
        rows = await bodies(url)
        assert sum(end - begin for begin, end, *_ in rows) == 150_000
        assert len({each[4] for each in rows}) == 1
        assert rows[0][4] is not None
        await ship(a.journal)
        elsewhere = await b.journal.open(*KEY)
        assert await content(elsewhere) == audio[:150_000]
        await a.leases.release(*KEY)
        assert await b.leases.claim(*KEY)
        going_on = await b.journal.open(*KEY)
        await going_on.append(audio[150_000:])
        await going_on.seal()
        await ship(b.journal)
        assert await bodies(url) == []
        assert await content(await a.journal.open(*KEY)) == audio
        assert await content(elsewhere, 140_000, 145_000) == audio[140_000:145_000]
        files = [path for name, path in s3.objects().items() if name not in before]
        stored = b"".join(path.read_bytes() for path in files)
        for at in range(0, 200_000, 10_000):
            assert audio[at : at + 40] not in stored
        assert bytes(64) not in stored
        size = await b.journal.size_bytes(*KEY)
        assert size == len(stored)
        assert (size < 0.9 * len(audio)) is compress
        await b.journal.space.survey()
        assert b.journal.space.of(TENANT).audio_bytes == size
        await a.journal.delete(*KEY)
        assert set(s3.objects()) == before


async def test_a_flipped_byte_is_found_whatever_its_checksum_says(
    postgres: str, s3: S3Server
) -> None:
    url = await new_database(postgres)
    audio = noise(SEGMENT + 14_464, seed=7)
    bucket = await asyncio.to_thread(open_bucket, s3.place())
    known = set(s3.objects())
    async with (
        keys_of(url) as keys,
        node(url, "a", objects=bucket, segment_bytes=SEGMENT, keys=keys) as a,
    ):
        recording = await recorded(a, audio)
        begin, end, body, _, _ = (await bodies(url))[3]
        forged = bytearray(body)
        forged[100] ^= 1
        checksum = block_checksum(*KEY, begin, bytes(forged))  # as somebody would who knows how
        change = "UPDATE audio_blocks SET body = $1, checksum = $2 WHERE from_byte = $3"
        await execute(url, change, bytes(forged), checksum, begin)
        assert await content(recording) == audio[:begin] + audio[end:]
        assert cast("Any", recording).holes == ((begin, end),)
        await execute(url, "UPDATE audio_blocks SET body = $1 WHERE from_byte = $2", b"x", begin)
        assert await content(recording) == audio[:begin] + audio[end:]
        await execute(url, "DELETE FROM audio_blocks WHERE from_byte = $1", begin)
        other = await a.journal.open(*KEY)
        assert await content(other) == audio[:begin] + audio[end:]
        await ship(a.journal)
        (name,) = set(s3.objects()) - known
        path = s3.objects()[name]
        octets = bytearray(path.read_bytes())
        octets[len(octets) // 2] ^= 4
        path.write_bytes(octets)
        again = await a.journal.open(*KEY)
        lost = await asyncio.to_thread(cast("Any", again).damage)
        assert (begin, end) in lost
        assert len(lost) == 2
        assert all(upto - since <= 10_000 for since, upto in lost)
        assert len(await content(again)) == len(audio) - sum(upto - since for since, upto in lost)
        await a.journal.delete(*KEY)


async def test_a_block_in_the_place_of_another_is_no_block(postgres: str) -> None:
    url = await new_database(postgres)
    async with keys_of(url) as keys, node(url, "a", keys=keys) as a:
        recording = await recorded(a, noise(30_000))
        rows = await bodies(url)
        stolen = rows[0][2]
        checksum = zlib.crc32(stolen, salt_of(*KEY, 10_000))
        change = "UPDATE audio_blocks SET body = $1, checksum = $2 WHERE from_byte = 10000"
        await execute(url, change, stolen, checksum)
        assert await asyncio.to_thread(cast("Any", recording).damage) == [(10_000, 20_000)]


async def test_a_key_is_made_once_by_two_servers_at_the_same_moment(postgres: str) -> None:
    url = await new_database(postgres)
    async with keys_of(url) as one, keys_of(url) as two, node(url, "a"):
        made = await asyncio.gather(
            *(asyncio.to_thread(ring.current, f"t{n}") for n in range(8) for ring in (one, two))
        )
        assert len({(key.tenant, key.id) for key in made}) == 8
        assert len(list(await asyncio.to_thread(lambda: list(one.all_wrapped())))) == 8


async def test_another_master_key_opens_and_makes_nothing_and_rotation_changes_it(
    postgres: str, tmp_path: Path
) -> None:
    url = await new_database(postgres)
    new = new_master_key()
    async with keys_of(url) as keys, keys_of(url, new) as wrong:
        async with node(url, "a", keys=keys) as a:
            recording = await recorded(a, b"audio of before")
        with pytest.raises(EncryptionKeyWrong):
            await asyncio.to_thread(wrong.current, TENANT)
        with pytest.raises(EncryptionKeyWrong):
            await asyncio.to_thread(wrong.current, "another")
        assert await asyncio.to_thread(keys.rotate, read_master_key(new)) == 1
    async with keys_of(url, new) as keys, node(url, "a", keys=keys) as a:
        recording = await a.journal.open(*KEY)
        assert await content(recording) == b"audio of before"
        # Keys of a time when this server had a folder of its own.
        folder = FolderShelf(tmp_path / "keys")
        await asyncio.to_thread(KeyRing(folder, read_master_key(new)).current, "early")
        assert await asyncio.to_thread(keys.adopt, folder) == 1
        assert await asyncio.to_thread(keys.adopt, folder) == 0
        foreign = FolderShelf(tmp_path / "foreign")
        await asyncio.to_thread(KeyRing(foreign, MasterKey(bytes(32))).current, "x")
        with pytest.raises(EncryptionKeyWrong):
            await asyncio.to_thread(keys.adopt, foreign)


async def test_a_destroyed_key_ends_reading_and_neither_moving_nor_deleting(
    postgres: str, s3: S3Server
) -> None:
    url = await new_database(postgres)
    bucket = await asyncio.to_thread(open_bucket, s3.place())
    known = set(s3.objects())
    async with (
        keys_of(url) as keys,
        keys_of(url) as operator,
        node(url, "a", objects=bucket, segment_bytes=SEGMENT, keys=keys, compress=True) as a,
    ):
        recording = await recorded(a, noise(SEGMENT + 20_000, seed=9))
        await ship(a.journal)
        assert len(await content(recording)) == SEGMENT + 20_000
        assert await asyncio.to_thread(operator.destroy, TENANT) == 1
        async with asyncio.timeout(20):
            while True:
                try:
                    await content(recording, 0, 10)
                except EncryptionKeyMissing:
                    break
                await asyncio.sleep(0.1)
        with pytest.raises(EncryptionKeyMissing):
            await content(recording, SEGMENT + 10_000)
        await recording.seal()
        await ship(a.journal)  # what nobody can read does not keep the rest in the database
        assert await bodies(url) == []
        assert len(set(s3.objects()) - known) == 2
        await a.journal.delete(*KEY)
        assert set(s3.objects()) == known


async def test_what_was_in_the_clear_is_sealed_when_it_moves(postgres: str, s3: S3Server) -> None:
    url = await new_database(postgres)
    audio = noise(50_000, seed=11)
    bucket = await asyncio.to_thread(open_bucket, s3.place())
    known = set(s3.objects())
    async with node(url, "a", objects=bucket, segment_bytes=SEGMENT) as a:
        await recorded(a, audio[:30_000])
        assert audio[:40] in (await bodies(url))[0][2]
    async with (
        keys_of(url) as keys,
        node(url, "a", objects=bucket, segment_bytes=SEGMENT, keys=keys) as a,
    ):
        assert await a.leases.claim(*KEY)
        recording = await a.journal.open(*KEY)
        await recording.append(audio[30_000:])
        assert await content(recording) == audio
        await recording.seal()
        await ship(a.journal)
        moved = {name: path for name, path in s3.objects().items() if name not in known}
        assert len(moved) == 2  # no object has two keys
        assert not any(audio[:40] in path.read_bytes() for path in moved.values())
        assert await content(recording) == audio
    async with node(url, "b", objects=bucket) as b:  # a server without encryption
        with pytest.raises(EncryptionKeyMissing):
            await content(await b.journal.open(*KEY))
        await b.journal.delete(*KEY)
    assert set(s3.objects()) == known


async def test_what_waits_for_object_storage_is_counted_until_it_has_moved(
    postgres: str, s3: S3Server, tmp_path: Path
) -> None:
    url = await new_database(postgres)
    settings = settings_of(tmp_path, url, s3)
    env = {"GREFFIER_DATABASE_URL": url, "GREFFIER_SHARED__AUDIO": "true"}
    bucket = await asyncio.to_thread(open_bucket, s3.place())
    async with (
        keys_of(url) as keys,
        node(url, "a", objects=bucket, segment_bytes=SEGMENT, keys=keys) as a,
        node(url, "b", objects=bucket, segment_bytes=SEGMENT, keys=keys) as b,
    ):
        space = b.journal.space
        recording = await recorded(a, noise(40_000))
        await space.survey()
        assert (space.backlog.waiting_bytes, space.backlog.oldest_s) == (0, 0.0)  # the hot end
        s3.stop()
        try:
            for at in range(0, 2 * SEGMENT, SEGMENT // 4):
                await recording.append(noise(SEGMENT // 4, seed=at))
            with pytest.raises(StorageUnavailable):
                await ship(a.journal)
            await execute(url, "UPDATE audio_blocks SET at_ms = at_ms - 90000")
            await space.survey()
            assert space.backlog.waiting_bytes == 2 * SEGMENT
            assert 90 <= space.backlog.oldest_s < 120
            check = await asyncio.to_thread(check_backlog, settings)
            assert check.passed
            assert "0.1 MB wait for object storage, the oldest for 9" in check.detail
            await execute(url, "UPDATE audio_blocks SET at_ms = at_ms - 900000")
            assert not (await asyncio.to_thread(check_backlog, settings)).passed
            await recording.seal()
            await space.survey()
            assert space.backlog.waiting_bytes == recording.durable_bytes
            assert space.of(TENANT).audio_bytes == recording.durable_bytes
            told = await asyncio.to_thread(CliRunner().invoke, space_command, ["--json"], None, env)
            (taken,) = json.loads(told.output)
            assert (taken["tenant"], taken["audio_bytes"]) == (TENANT, recording.durable_bytes)
        finally:
            s3.start()
        await ship(a.journal)
        await space.survey()
        assert (space.backlog.waiting_bytes, space.backlog.oldest_s) == (0, 0.0)
        assert space.of(TENANT).audio_bytes == await b.journal.size_bytes(*KEY)
        await a.journal.delete(*KEY)
        await space.survey()
        assert space.total_bytes == 0


async def test_a_quota_counts_what_every_server_stores(postgres: str) -> None:
    url = await new_database(postgres)
    async with (
        node(url, "a", quota=lambda _: 100_000) as a,
        node(url, "b", quota=lambda _: 100_000) as b,
    ):
        await recorded(a, bytes(60_000))
        await b.store.create(row("s2"))
        other = await b.journal.open(TENANT, "s2")
        await b.journal.space.survey()
        with pytest.raises(QuotaExceeded):
            await other.append(bytes(40_001))
        assert await other.append(bytes(40_000)) == 40_000
        with pytest.raises(QuotaExceeded):
            await other.append(b"xx")
        await b.store.create(row("s3"))
        with pytest.raises(QuotaExceeded):
            await b.journal.open(TENANT, "s3")
        assert await content(other) == bytes(40_000)
        await a.journal.delete(*KEY)
        await b.journal.space.survey()
        assert await other.append(b"xx") == 40_002


# --- whole servers ----------------------------------------------------------------------------


def settings_of(folder: Path, url: str, s3: S3Server, **more: Any) -> Settings:
    place = s3.place()
    return Settings.model_validate(
        {
            "data_dir": folder,
            "database_url": url,
            "recognition": {"engine": "fake"},
            "language_model": {"engine": "none"},
            "shared": {"audio": True, "lease_s": 2},
            "objects": {
                "url": place.url,
                "bucket": place.bucket,
                "access_key": place.access_key,
                "secret_key": place.secret_key,
                "segment_bytes": 65_536,
            },
            "encryption": {"enabled": True, "master_key": MASTER},
            **more,
        }
    )


async def finished(services: Services) -> str:
    wanted = Start(language="en", minutes=False, title=TITLE)
    session, _ = await services.desk.open("default", wanted)
    await session.push(SPOKEN)
    await session.finish()
    async with asyncio.timeout(60):
        async for record in services.desk.follow("default", session.id):
            if isinstance(record.event, SessionFinished):
                return session.id
    raise AssertionError("the session did not finish")


async def heard(client: httpx.AsyncClient, session: str) -> bytes:
    answer = await client.get(f"/v1/sessions/{session}/audio?from_ms=0&to_ms=3600000")
    assert answer.status_code == 200, answer.text
    with wave.open(io.BytesIO(answer.content)) as sound:
        return sound.readframes(sound.getnframes())


async def shipped(services: Services, url: str) -> None:
    journal = services.journal
    assert isinstance(journal, SharedJournal)
    async with asyncio.timeout(30):
        while await bodies(url):
            await ship(journal)


async def test_another_server_hears_verifies_replays_bundles_and_deletes(
    postgres: str, s3: S3Server, tmp_path: Path
) -> None:
    url = await new_database(postgres)
    first, second = (settings_of(tmp_path / name, url, s3) for name in ("one", "two"))
    known = set(s3.objects())
    async with build(first) as services:
        session = await finished(services)
        await shipped(services, url)
    connection = await connect(url)
    payloads = await connection.fetch("SELECT payload FROM events")
    titles = await connection.fetch("SELECT title FROM sessions")
    await connection.close()
    assert payloads
    assert all(cast("Any", each)[0].startswith("\x1agre1:") for each in [*payloads, *titles])
    objects = [path for name, path in s3.objects().items() if name not in known]
    loud = next(SPOKEN[at : at + 64] for at in range(0, len(SPOKEN), 64) if any(SPOKEN[at:][:64]))
    assert objects
    assert not any(loud in path.read_bytes() for path in objects)
    assert not (tmp_path / "one" / "keys").exists()
    async with build(second) as services:
        transport = httpx.ASGITransport(create_app(second, services))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            assert await heard(client, session) == SPOKEN
            text = (await client.get(f"/v1/sessions/{session}/captions?format=txt")).text
            assert SPEECH.texts[0].strip() in text
            space = (await client.get("/v1/space")).json()
            assert space["audio_bytes"] == sum(path.stat().st_size for path in objects)
            metrics = (await client.get("/metrics")).text
            assert f"greffier_audio_bytes {float(space['audio_bytes'])}" in metrics
            assert "greffier_audio_unshipped_bytes 0.0" in metrics
            assert "greffier_audio_unshipped_seconds 0.0" in metrics
    async with AsyncExitStack() as stack:
        store, journal = await open_to_read(second, stack)
        report = await check_session(store, journal, "default", session)
        assert report.exit_code == 0, report.text()
    replayed = await replay_session(second, "default", session, Instead())
    assert replayed.same
    # A byte flips: the bundle that is made after it tells of the gap, and is intact.
    octets = bytearray(objects[0].read_bytes())
    octets[len(octets) // 2] ^= 1
    objects[0].write_bytes(octets)
    archive = tmp_path / "bundle.zip"
    key = await asyncio.to_thread(open_signing_key, tmp_path, None)
    async with AsyncExitStack() as stack:
        store, journal = await open_to_read(second, stack)
        made = await open_bundle(
            store, journal, "default", session, key=key, now_ms=1_764_930_000_000
        )
        archive.write_bytes(b"".join([piece async for piece in made.pieces()]))
        records = [record async for record in store.events("default", session)]
        assert [r.event.cause for r in records if isinstance(r.event, GapFound)] == [
            "audio_damaged"
        ]
    checked = await asyncio.to_thread(check_bundle, archive)
    assert (checked.exit_code, checked.findings) == (0, []), checked.text()
    wrong = {"enabled": True, "master_key": new_master_key()}
    with pytest.raises(EncryptionKeyWrong):
        async with build(settings_of(tmp_path / "three", url, s3, encryption=wrong)):
            pass
    async with build(second) as services:
        await services.desk.delete("default", session)
    assert set(s3.objects()) == known
