"""Whole server directories: encrypted, packed, damaged, full, deleted."""

import asyncio
import hashlib
import io
import wave
import zipfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from greffier.protocol import Start
from greffier_server.app import create_app
from greffier_server.assembly import build
from greffier_server.bundle.signing import open_signing_key
from greffier_server.bundle.verify import check_bundle
from greffier_server.bundle.writing import open_bundle
from greffier_server.core.events import GapFound, SessionFinished
from greffier_server.errors import SessionClosed, StorageFailed
from greffier_server.pipeline.ports import SpeakingSession
from greffier_server.services import Services
from greffier_server.settings import Settings
from greffier_server.storage.disk import DiskJournal
from greffier_server.storage.failures import (
    EncryptionKeyMissing,
    EncryptionKeyWrong,
    QuotaExceeded,
)
from greffier_server.storage.filesystem import LocalFileSystem
from greffier_server.storage.keys import KeyRing, new_master_key, read_master_key
from greffier_server.storing import open_to_read
from tests.support.desk import as_bytes
from tests.support.recordings import recording_of
from tests.support.served import until

pytestmark = pytest.mark.integration

SPEECH = recording_of([(300, 300)] + [(30, 300)] * 12, end_ms=900)
AUDIO = as_bytes(SPEECH.pcm)
TITLE = "Conseil secret du mardi"
NOW_MS = 1_764_930_000_000
MASTER = new_master_key()
RECORD = b'"prev_hash"'
"""In every stored event."""


def settings_of(folder: Path, **more: Any) -> Settings:
    return Settings.model_validate(
        {
            "data_dir": folder,
            "recognition": {"engine": "fake"},
            "language_model": {"engine": "none"},
            **more,
        }
    )


def encrypted(folder: Path, master: str = MASTER, **more: Any) -> Settings:
    return settings_of(folder, encryption={"enabled": True, "master_key": master}, **more)


@asynccontextmanager
async def http_of(
    settings: Settings, services: Services
) -> AsyncGenerator[httpx.AsyncClient, None]:
    transport = httpx.ASGITransport(create_app(settings, services))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


async def finished(services: Services, audio: bytes = AUDIO, **start: Any) -> str:
    """Speak a whole session; return its id."""
    wanted = Start(language="en", minutes=False, title=TITLE, **start)
    session, _ = await services.desk.open("default", wanted)
    await session.push(audio)
    await session.finish()
    async with asyncio.timeout(30):
        async for record in services.desk.follow("default", session.id):
            if isinstance(record.event, SessionFinished):
                return session.id
    raise AssertionError("the session did not finish")


async def speak(holder: SpeakingSession, audio: bytes, *, times: int) -> None:
    """Slowly enough that the disk's answers are heard."""
    for _ in range(times):
        await holder.push(audio)
        await asyncio.sleep(0.02)


async def heard(client: httpx.AsyncClient, session: str) -> bytes:
    answer = await client.get(f"/v1/sessions/{session}/audio?from_ms=0&to_ms=3600000")
    assert answer.status_code == 200, answer.text
    with wave.open(io.BytesIO(answer.content)) as sound:
        return sound.readframes(sound.getnframes())


async def gaps(services: Services, session: str) -> list[GapFound]:
    records = [record async for record in services.store.events("default", session)]
    return [record.event for record in records if isinstance(record.event, GapFound)]


def disk_of(services: Services) -> DiskJournal:
    assert isinstance(services.journal, DiskJournal)
    return services.journal


def holding(folder: Path, needle: bytes) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if needle in path.read_bytes()]


def fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(path).encode() + path.read_bytes())
    return digest.hexdigest()


def flip(path: Path, at: int) -> None:
    octets = bytearray(path.read_bytes())
    octets[at] ^= 0x10
    path.write_bytes(octets)


async def test_an_encrypted_directory_tells_nothing_and_comes_back_whole(tmp_path: Path) -> None:
    settings, words = encrypted(tmp_path), SPEECH.texts
    async with build(settings) as services, http_of(settings, services) as client:
        session = await finished(services)
        text = (await client.get(f"/v1/sessions/{session}/captions?format=txt")).text
        assert words[0].strip() in text
        before = await heard(client, session)
        assert before == AUDIO
        assert await disk_of(services).pack("default", session) == 1
    loud = next(AUDIO[at : at + 64] for at in range(0, len(AUDIO), 64) if any(AUDIO[at : at + 64]))
    for needle in (b"Conseil secret", RECORD, loud):
        assert holding(tmp_path, needle) == []
    assert [path.suffix for path in (tmp_path / "audio").rglob("*.gj*")] == [".gjc"]

    async with build(settings) as services, http_of(settings, services) as client:
        assert (await client.get(f"/v1/sessions/{session}/captions?format=txt")).text == text
        assert await heard(client, session) == before
        assert (await client.get(f"/v1/sessions/{session}")).json()["title"] == TITLE

    at_rest = fingerprint(tmp_path / "audio"), fingerprint(tmp_path / "keys")
    with pytest.raises(EncryptionKeyWrong) as wrong:
        async with build(encrypted(tmp_path, new_master_key())):
            pass
    assert wrong.value.code == "encryption_key_wrong"
    off = settings_of(tmp_path)
    async with build(off) as services, http_of(off, services) as client:
        for path in ("captions", "audio?from_ms=0&to_ms=100", "events"):
            answer = await client.get(f"/v1/sessions/{session}/{path}")
            assert (answer.status_code, answer.json()["code"]) == (410, "encryption_key_missing")
        with pytest.raises(EncryptionKeyMissing):
            await disk_of(services).open("default", session)
        (listed,) = (await client.get("/v1/sessions")).json()["sessions"]
        assert (listed["session"], listed["title"]) == (session, "")
    assert at_rest == (fingerprint(tmp_path / "audio"), fingerprint(tmp_path / "keys"))

    ring = KeyRing(tmp_path / "keys", read_master_key(MASTER))
    async with build(settings) as services, http_of(settings, services) as client:
        assert await heard(client, session) == before
        assert await asyncio.to_thread(ring.destroy, "default") == 1
        answer = await client.get(f"/v1/sessions/{session}/audio?from_ms=0&to_ms=100")
        assert answer.json()["code"] == "encryption_key_missing"
        fresh = await finished(services)  # the tenant goes on under a new key
        assert await heard(client, fresh) == AUDIO
        assert (await client.delete(f"/v1/sessions/{session}")).status_code == 204
    assert not (tmp_path / "audio" / "default" / session).exists()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("secret", [False, True])
async def test_rot_in_a_finished_session_becomes_a_gap_when_it_is_read(
    tmp_path: Path, packed: bool, secret: bool
) -> None:
    settings = encrypted(tmp_path) if secret else settings_of(tmp_path)
    async with build(settings) as services:
        session = await finished(services, AUDIO * 3)
        if packed:
            assert await disk_of(services).pack("default", session) == 1
    (segment,) = (tmp_path / "audio" / "default" / session).iterdir()
    flip(segment, segment.stat().st_size // 2)
    async with build(settings) as services, http_of(settings, services) as client:
        assert await gaps(services, session) == []
        rest = await heard(client, session)
        (gap,) = await gaps(services, session)
        assert gap.cause == "audio_damaged"
        assert len(rest) == len(AUDIO * 3)
        lost_from, lost_to = gap.from_ms * 32, gap.to_ms * 32
        whole = AUDIO * 3
        # Silence is laid over whole tenths of a second.
        assert rest[: lost_from - 3_200] == whole[: lost_from - 3_200]
        assert rest[lost_to + 3_200 :] == whole[lost_to + 3_200 :]
        assert rest != whole
        text = (await client.get(f"/v1/sessions/{session}/captions?format=txt")).text
        assert "audio_damaged" in text
        await heard(client, session)
        assert len(await gaps(services, session)) == 1


async def test_a_bundle_tells_of_rot_that_nobody_had_heard(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    async with build(settings) as services:
        session = await finished(services)
    (segment,) = (tmp_path / "audio" / "default" / session).iterdir()
    flip(segment, segment.stat().st_size // 2)
    archive = tmp_path / "bundle.zip"
    key = await asyncio.to_thread(open_signing_key, tmp_path, None)
    async with AsyncExitStack() as stack:  # as the command does, beside the server or without it
        store, journal = await open_to_read(settings, stack)
        made = await open_bundle(store, journal, "default", session, key=key, now_ms=NOW_MS)
        archive.write_bytes(b"".join([piece async for piece in made.pieces()]))
    report = await asyncio.to_thread(check_bundle, archive)
    assert (report.exit_code, report.findings) == (0, []), report.text()
    with zipfile.ZipFile(archive) as members:
        assert b"audio_damaged" in members.read("events.jsonl")
        assert b"audio_damaged" in members.read("transcript.txt")
    async with build(settings) as services:
        assert len(await gaps(services, session)) == 1


@pytest.mark.parametrize("secret", [False, True])
async def test_rot_in_a_session_that_goes_on_becomes_a_gap(tmp_path: Path, secret: bool) -> None:
    settings = encrypted(tmp_path) if secret else settings_of(tmp_path)
    async with build(settings) as services:
        holder, _ = await services.desk.open("default", Start(language="en", minutes=False))
        for at in range(0, len(AUDIO), 6_400):
            await holder.push(AUDIO[at : at + 6_400])
            async for durable in holder.acks():
                if durable * 2 >= min(len(AUDIO), at + 6_400):
                    break
        session = holder.id
    (segment,) = (tmp_path / "audio" / "default" / session).iterdir()
    flip(segment, 3_000)
    async with build(settings) as services:
        async with asyncio.timeout(30):
            async for record in services.desk.follow("default", session):
                if isinstance(record.event, GapFound):
                    assert record.event.cause == "audio_damaged"
                    assert record.event.from_ms < 200
                    break
        assert len(await gaps(services, session)) == 1
    async with build(settings) as services:  # known already
        await asyncio.sleep(0.2)
        assert len(await gaps(services, session)) == 1


async def test_a_quota_ends_what_comes_and_keeps_what_came(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, storage={"quota_mb": 50, "quotas": ["default:1"]})
    async with build(settings) as services, http_of(settings, services) as client:
        holder, _ = await services.desk.open("default", Start(language="en", minutes=False))
        with pytest.raises(QuotaExceeded) as refused:
            await speak(holder, bytes(32_000), times=80)
        assert (refused.value.code, refused.value.retryable) == ("quota_exceeded", False)
        kept = holder.durable_samples * 2
        assert 800_000 < kept <= 1_000_000
        with pytest.raises(QuotaExceeded):
            await speak(holder, bytes(320_000), times=2)
        taken = (await client.get("/v1/space")).json()
        assert (taken["sessions"], taken["quota_bytes"]) == (1, 1_000_000)
        assert kept <= taken["audio_bytes"] <= 1_000_000
        assert (
            f"greffier_audio_bytes {float(taken['audio_bytes'])}"
            in (await client.get("/metrics")).text
        )
        await services.desk.delete("default", holder.id)
        assert (await client.get("/v1/space")).json()["audio_bytes"] == 0
        assert await finished(services)
        with pytest.raises((SessionClosed, StorageFailed)):
            await holder.push(bytes(3_200))


async def test_what_is_deleted_is_in_no_file(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    async with build(settings) as services:
        session = await finished(services)
        journal = disk_of(services)
        await services.store.enqueue("errand", "default", session, "payload du secret")
        await journal.pack("default", session)
        assert holding(tmp_path, b"Conseil secret")
        assert holding(tmp_path, b"payload du secret")
        assert holding(tmp_path, RECORD)
        await services.desk.delete("default", session)
        for needle in (b"Conseil secret", b"payload du secret", RECORD):
            assert holding(tmp_path, needle) == []
        # That it was there stays on record, with the hash of its end and nothing it said.
        assert holding(tmp_path, session.encode()) == ["heads.jsonl"]
        assert list((tmp_path / "audio").rglob("*.gj*")) == []
        assert journal.space.total_bytes == 0


async def test_space_is_right_after_a_start_and_after_packing(tmp_path: Path) -> None:
    def on_disk() -> int:
        return sum(path.stat().st_size for path in (tmp_path / "a").rglob("*.gj*"))

    journal = DiskJournal(tmp_path / "a", segment_bytes=50_000)
    recording = await journal.open("t", "s")
    for at in range(0, len(AUDIO), 10_000):
        await recording.append(AUDIO[at : at + 10_000])
        assert journal.space.total_bytes == on_disk()
    before = on_disk()
    assert await journal.pack("t", "s") >= 1  # the segments it has left, while it goes on
    assert journal.space.total_bytes == on_disk() < before
    await recording.append(AUDIO)
    await recording.seal()
    assert await journal.unpacked() == [("t", "s")]
    await journal.pack("t", "s")
    assert await journal.unpacked() == []
    assert journal.space.total_bytes == on_disk()
    assert b"".join(await asyncio.to_thread(lambda: list(recording.read(0)))) == AUDIO * 2
    await journal.close()
    again = DiskJournal(tmp_path / "a")
    await again.take_stock()
    assert again.space.of("t").audio_bytes == on_disk()
    assert again.space.of("t").sessions == 1
    with pytest.raises(SessionClosed):
        await recording.append(b"late")
    reopened = await again.open("t", "s")
    assert reopened.sealed
    assert b"".join(await asyncio.to_thread(lambda: list(reopened.read(0)))) == AUDIO * 2
    await again.delete("t", "s")
    with pytest.raises(SessionClosed):
        await reopened.append(b"late")
    assert again.space.total_bytes == on_disk() == 0
    await again.close()


async def test_a_session_deleted_while_it_is_packed_is_let_go(tmp_path: Path) -> None:
    journal = DiskJournal(tmp_path / "a")
    recording = await journal.open("t", "s")
    await recording.append(AUDIO * 8)
    await recording.seal()
    packing = asyncio.create_task(journal.pack("t", "s"))
    await until(lambda: packing.done() or list((tmp_path / "a").rglob("*.part")))
    await journal.delete("t", "s")
    await packing
    assert list((tmp_path / "a").rglob("*.*")) == []
    assert journal.space.total_bytes == 0
    await journal.close()


async def test_what_is_packed_while_it_is_opened_to_be_read_is_found(tmp_path: Path) -> None:
    owner = DiskJournal(tmp_path / "a")
    recording = await owner.open("t", "s")
    await recording.append(AUDIO)
    await recording.seal()
    loop = asyncio.get_running_loop()

    class Meanwhile(LocalFileSystem):
        """The owner packs between the reader's look at the folder and at the file."""

        packed = False

        def read(self, path: Path, limit: int = -1) -> bytes:
            if not self.packed:
                self.packed = True
                asyncio.run_coroutine_threadsafe(owner.pack("t", "s"), loop).result(timeout=60)
            return super().read(path, limit)

    reader = DiskJournal(tmp_path / "a", files=Meanwhile(), read_only=True)
    opened = await reader.open("t", "s")
    assert [path.suffix for path in (tmp_path / "a").rglob("*.gj*")] == [".gjc"]
    assert b"".join(await asyncio.to_thread(lambda: list(opened.read(0)))) == AUDIO
    await reader.close()
    await owner.close()
