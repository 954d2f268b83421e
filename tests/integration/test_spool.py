"""Store and forward: audio that waits on disk, over links that fail, to a real desk."""

import asyncio
import base64
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import greffier
from greffier.backoff import RetryPolicy
from greffier.cli import build
from greffier.errors import AudioKept, ServerRefused, SpoolUnusable
from greffier.protocol import Continuation, Finished, ServerMessage, Start
from greffier.spool import Recording, recordings_in
from greffier.spooled import SpooledSession
from greffier_server.core.events import GapFound, SessionStarted
from greffier_server.pipeline.session import SessionLimits
from tests.support.desk import until
from tests.support.link import Link, LinkState
from tests.support.served_desk import TENANT, served_desk

pytestmark = pytest.mark.integration

SECOND = 32_000
AUDIO = random.Random(4).randbytes(20 * SECOND)
QUICK = RetryPolicy(attempts=6, first_s=0.01, longest_s=0.05)


async def pieces(audio: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(audio), SECOND // 10):
        yield audio[at : at + SECOND // 10]


async def kept_in(folder: Path) -> list[Path]:
    return await asyncio.to_thread(recordings_in, folder)


async def rest_of(session: SpooledSession) -> list[ServerMessage]:
    async with asyncio.timeout(20):
        return [message async for message in session]


async def capture(session: SpooledSession, audio: bytes) -> None:
    """As from a microphone, only faster; the disk is the only thing it may wait for."""
    async with asyncio.timeout(30):
        async for piece in pieces(audio):
            await session.send(piece)


def flip_a_bit(folder: Path) -> None:
    (path,) = folder.glob("*.gsp")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def lose_the_end(folder: Path) -> None:
    note = folder / "recording.json"
    note.write_text(note.read_text().replace('"acknowledged": 48000', '"acknowledged": 0'))
    for path in folder.glob("*.gsp"):
        path.write_bytes(path.read_bytes()[: 2 * SECOND])


@asynccontextmanager
async def spooling(url: str, folder: Path, **options: Any) -> AsyncGenerator[SpooledSession, None]:
    wanted: dict[str, Any] = {
        "reconnect": QUICK,
        "spool_pace": 1_000.0,
        "minutes": False,
        "language": "fr",
    }
    async with greffier.connect(url, spool=folder, **(wanted | options)) as session:
        assert isinstance(session, SpooledSession)
        yield session


@pytest.mark.parametrize("state", ["refusing", "bad-gateway", "elsewhere"])
async def test_a_server_that_was_never_reached_gets_it_later(
    state: LinkState, tmp_path: Path
) -> None:
    async with served_desk() as server, Link(server.port, state=state) as link:
        async with spooling(link.url, tmp_path) as session:
            await capture(session, AUDIO)
            assert session.id == ""
            assert session.waiting_ms == 20_000
            link.become("up")
            await session.finish()
            messages = await rest_of(session)
        assert isinstance(messages[-1], Finished)
        (only,) = await server.sessions()
        assert server.audio(only) == AUDIO
        assert await kept_in(tmp_path) == []


@pytest.mark.parametrize("state", ["refusing", "bad-gateway", "elsewhere", "frozen"])
async def test_a_link_that_fails_in_the_middle(
    state: LinkState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greffier.wire._SILENCE_S", 1.0)
    async with served_desk(ping_s=0.3) as server, Link(server.port) as link:
        async with spooling(link.url, tmp_path) as session:
            await capture(session, AUDIO[: 5 * SECOND])
            await until(lambda: session.acknowledged_ms > 1_000, timeout_s=30)
            link.become(state)
            await capture(session, AUDIO[5 * SECOND :])
            await asyncio.sleep(0.3)
            link.become("up")
            await session.finish()
            messages = await rest_of(session)
        assert isinstance(messages[-1], Finished)
        (only,) = await server.sessions()
        assert server.audio(only) == AUDIO
        assert not [e for e in await server.events(only) if isinstance(e, GapFound)]


async def test_what_is_left_at_the_end_is_kept_and_sent_by_another_process(tmp_path: Path) -> None:
    async with served_desk() as server, Link(server.port) as link:
        async with spooling(link.url, tmp_path) as session:
            await capture(session, AUDIO[: 5 * SECOND])
            await until(lambda: session.acknowledged_ms == 5_000, timeout_s=30)
            link.become("refusing")
            await capture(session, AUDIO[5 * SECOND :])
            await session.finish()
            with pytest.raises(AudioKept) as kept:
                await rest_of(session)
        (folder,) = await kept_in(tmp_path)
        assert str(folder) in kept.value.message
        assert kept.value.waiting_ms == 15_000
        link.become("up")
        async with greffier.forward(folder, reconnect=QUICK, pace=1_000) as session:
            messages = await rest_of(session)
        assert isinstance(messages[-1], Finished)
        (only,) = await server.sessions()
        assert server.audio(only) == AUDIO
        assert await kept_in(tmp_path) == []


async def test_a_recording_without_an_end_was_killed_and_goes_on(tmp_path: Path) -> None:
    async with served_desk() as server, Link(server.port) as link:
        async with spooling(link.url, tmp_path) as session:
            await capture(session, AUDIO[:SECOND])
            await until(lambda: session.acknowledged_ms == 1_000, timeout_s=30)
            link.become("refusing")
            await capture(session, AUDIO[SECOND:])
        (folder,) = await kept_in(tmp_path)
        link.become("up")
        async with greffier.forward(folder, reconnect=QUICK, pace=1_000) as session:
            await rest_of(session)
        (only,) = await server.sessions()
        assert server.audio(only) == AUDIO


async def test_a_session_that_was_finished_meanwhile_is_continued_by_another(
    tmp_path: Path,
) -> None:
    limits = SessionLimits(grace_s=0.1, spool_grace_s=0.2)
    async with served_desk(limits=limits) as server, Link(server.port) as link:
        async with spooling(link.url, tmp_path, title="Patrouille") as session:
            await capture(session, AUDIO[: 5 * SECOND])
            await until(lambda: session.acknowledged_ms == 5_000, timeout_s=30)
            first = session.id
            link.become("refusing")
            await until(lambda: server.kit.desk.live_count == 0, timeout_s=30)
            await capture(session, AUDIO[5 * SECOND :])
            link.become("up")
            await session.finish()
            messages = await rest_of(session)
        assert [type(m) for m in messages].count(Finished) == 1
        one, two = await server.sessions()
        assert first in (one, two)
        second = two if first == one else one
        assert server.audio(first) + server.audio(second) == AUDIO
        started = (await server.events(second))[0]
        assert isinstance(started, SessionStarted)
        assert started.continues == Continuation(first, 5_000)
        assert started.title == "Patrouille (2)"


async def test_a_spool_is_waited_for_longer_than_others(tmp_path: Path) -> None:
    limits = SessionLimits(grace_s=0.1, spool_grace_s=30)
    async with (
        served_desk(limits=limits, max_sessions=1) as server,
        Link(server.port) as link,
        spooling(link.url, tmp_path) as session,
    ):
        await capture(session, AUDIO[:SECOND])
        await until(lambda: session.acknowledged_ms == 1_000, timeout_s=30)
        link.become("refusing")
        await asyncio.sleep(0.4)
        assert server.kit.desk.live_count == 1
        async with greffier.connect(server.url, language="fr") as other:  # it holds no place
            await other.finish()
            assert [m async for m in other]
        link.become("up")
        await capture(session, AUDIO[SECOND:])
        await session.finish()
        await rest_of(session)
        assert server.audio(session.id) == AUDIO


async def test_audio_without_room_is_a_gap_and_not_a_wait(tmp_path: Path) -> None:
    async with served_desk() as server, Link(server.port, state="refusing") as link:
        async with spooling(link.url, tmp_path, spool_limit_bytes=3 * SECOND) as session:
            await capture(session, AUDIO)
            lost_ms = session.lost_ms
            assert 17_000 <= lost_ms < 18_000
            link.become("up")
            await session.finish()
            await rest_of(session)
            only = session.id
        audio = server.audio(only)
        kept = len(AUDIO) - lost_ms * SECOND // 1_000
        assert audio[:kept] == AUDIO[:kept]
        assert audio[kept:] == bytes(len(AUDIO) - kept)
        gaps = [e for e in await server.events(only) if isinstance(e, GapFound)]
        assert [(g.from_ms, g.to_ms) for g in gaps] == [(20_000 - lost_ms, 20_000)]


async def test_damage_in_the_spool_is_a_gap_and_the_rest_arrives(tmp_path: Path) -> None:
    async with served_desk() as server, Link(server.port, state="refusing") as link:
        async with spooling(link.url, tmp_path) as session:
            await capture(session, AUDIO)
            await session.finish()
            with pytest.raises(AudioKept):
                await rest_of(session)
        (folder,) = await kept_in(tmp_path)
        await asyncio.to_thread(flip_a_bit, folder)
        link.become("up")
        async with greffier.forward(folder, reconnect=QUICK, pace=1_000) as session:
            await rest_of(session)
        (only,) = await server.sessions()
        (gap,) = [e for e in await server.events(only) if isinstance(e, GapFound)]
        assert gap.to_ms - gap.from_ms == 100
        begin, end = gap.from_ms * SECOND // 1_000, gap.to_ms * SECOND // 1_000
        audio = server.audio(only)
        assert (audio[:begin], audio[end:]) == (AUDIO[:begin], AUDIO[end:])


async def test_a_deleted_session_is_not_sent_again_unless_asked(tmp_path: Path) -> None:
    async with served_desk() as server, Link(server.port) as link:
        async with spooling(link.url, tmp_path) as session:
            await capture(session, AUDIO[:SECOND])
            await until(lambda: session.acknowledged_ms == 1_000, timeout_s=30)
            link.become("refusing")
            await capture(session, AUDIO[SECOND:])
            only = session.id
        await server.kit.desk.delete(TENANT, only)
        link.become("up")
        (folder,) = await kept_in(tmp_path)
        with pytest.raises(ServerRefused) as refused:
            async with greffier.forward(folder, reconnect=QUICK) as session:
                await rest_of(session)
        assert refused.value.code == "session_not_found"
        async with greffier.forward(folder, reconnect=QUICK, pace=1_000, anew=True) as session:
            await rest_of(session)
            assert server.audio(session.id) == AUDIO[SECOND:]
        assert await kept_in(tmp_path) == []


def test_a_recording_belongs_to_one_process(tmp_path: Path) -> None:
    recording = Recording.create(tmp_path, server="ws://127.0.0.1:1", start=Start())
    with pytest.raises(SpoolUnusable, match="another process"):
        Recording.open(recording.folder)
    recording.close()


async def test_what_the_server_refuses_at_once_is_an_error_and_keeps_nothing(
    tmp_path: Path,
) -> None:
    async with served_desk() as server:
        with pytest.raises(ServerRefused) as refused:
            async with spooling(server.url, tmp_path, translate_to=["klingon"]):
                pass
    assert refused.value.code == "unknown_language"
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []


async def test_a_server_that_has_more_than_the_disk_kept(tmp_path: Path) -> None:
    """A power cut takes what was not yet synced here, and had arrived there."""
    async with served_desk() as server, Link(server.port) as link:
        async with spooling(link.url, tmp_path) as session:
            await capture(session, AUDIO[: 3 * SECOND])
            await until(lambda: session.acknowledged_ms == 3_000, timeout_s=30)
            link.become("refusing")
            await asyncio.sleep(0.1)
        (folder,) = await kept_in(tmp_path)
        await asyncio.to_thread(lose_the_end, folder)
        link.become("up")
        async with greffier.forward(folder, reconnect=QUICK) as session:
            await rest_of(session)
        (only,) = await server.sessions()
        assert server.audio(only) == AUDIO[: 3 * SECOND]
        assert await kept_in(tmp_path) == []


async def test_an_encrypted_recording_is_sent_by_who_has_the_key(tmp_path: Path) -> None:
    spool, key = tmp_path / "spool", tmp_path / "field.key"
    options = ["forward", str(spool)]

    def secret_of(path: Path) -> greffier.SpoolSecret:
        path.write_text(base64.b64encode(bytes(range(32))).decode())
        return greffier.SpoolSecret.from_file(path)

    def run(*more: str) -> Result:
        return CliRunner().invoke(build("en"), [*options, *more])

    def on_disk() -> bytes:
        return b"".join(path.read_bytes() for path in spool.rglob("*") if path.is_file())

    secret = await asyncio.to_thread(secret_of, key)
    async with served_desk() as server, Link(server.port, state="refusing") as link:
        async with spooling(link.url, spool, spool_secret=secret, title="Patrouille") as session:
            await capture(session, AUDIO)
        kept = await asyncio.to_thread(on_disk)
        assert len(kept) > len(AUDIO)
        assert AUDIO[9:40] not in kept
        assert b"Patrouille" not in kept
        link.become("up")
        refused = await asyncio.to_thread(run)
        assert refused.exit_code
        assert "encrypted" in refused.output
        sent = await asyncio.to_thread(run, "--spool-key", str(key), "--pace", "100")
        assert sent.exit_code == 0, sent.output
        (only,) = await server.sessions()
        assert server.audio(only) == AUDIO
        assert await kept_in(spool) == []
