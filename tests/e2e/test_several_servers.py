"""Two servers on one database and one bucket: any of them goes on with any session."""

import asyncio
import contextlib
import io
import json
import os
import signal
import time
import urllib.request
import wave
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

import greffier
from greffier_server.child import ChildServer
from greffier_server.storage.keys import new_master_key
from greffier_server.storage.sole_use import SoleUse
from tests.support.desk import as_bytes
from tests.support.postgres import PostgresServer, new_database, running_postgres
from tests.support.recordings import Recording, recording_of
from tests.support.s3 import S3Server, s3_server
from tests.support.served_process import (
    Conversation,
    ask,
    checked_events,
    clip,
    error_rate,
    run,
    speak,
)
from tests.support.weights import whisper_tiny_path

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LEASE_S = 2
PACE = 4.0
COMMITS_BEFORE = 3
SEALED = {
    "GREFFIER_ENCRYPTION__ENABLED": "true",
    "GREFFIER_ENCRYPTION__MASTER_KEY": new_master_key(),
}
SPEECH = recording_of([(40, 260)] * 60, stops=range(9, 60, 10), end_ms=500)
SECOND = 32_000
"""Bytes."""


@dataclass
class Pair:
    """Both servers, and what they stand on."""

    a: ChildServer
    b: ChildServer
    postgres: PostgresServer
    s3: S3Server


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@contextlib.contextmanager
def two_servers(
    folder: Path, postgres: PostgresServer, s3: S3Server, **engine: str
) -> Generator[Pair, None, None]:
    settings = {
        **engine,
        **s3.settings,
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        "GREFFIER_DATABASE_URL": asyncio.run(new_database(postgres.url)),
        "GREFFIER_SHARED__AUDIO": "true",
        "GREFFIER_SHARED__LEASE_S": str(LEASE_S),
        "GREFFIER_OBJECTS__SEGMENT_BYTES": "65536",
        "GREFFIER_LIMITS__GRACE_S": "20",
    }
    servers = [ChildServer(data_dir=folder / name, settings=settings) for name in ("a", "b")]
    with ExitStack() as stack:
        for server in servers:
            server.start()
            stack.callback(server.kill)
        for server in servers:
            server.wait_until_ready()
        yield Pair(servers[0], servers[1], postgres, s3)


@pytest.fixture
def pair(tmp_path: Path, postgres: PostgresServer, s3: S3Server) -> Iterator[Pair]:
    """Servers that may come to harm."""
    fake = {"GREFFIER_RECOGNITION__ENGINE": "fake"}
    with two_servers(tmp_path, postgres, s3, **fake, **SEALED) as both:
        yield both


@pytest.fixture(scope="module")
def lasting(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, s3: S3Server
) -> Iterator[Pair]:
    """Servers that several tests use, and leave alive."""
    folder = tmp_path_factory.mktemp("lasting")
    with two_servers(folder, postgres, s3, GREFFIER_RECOGNITION__ENGINE="fake") as both:
        yield both


@pytest.fixture
def hearing(tmp_path: Path, postgres: PostgresServer, s3: S3Server) -> Iterator[Pair]:
    """Servers with real weights."""
    model = str(whisper_tiny_path())
    with two_servers(tmp_path, postgres, s3, GREFFIER_RECOGNITION__MODEL=model) as both:
        yield both


class Interruption:
    """Does something once some text is committed."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self.committed: dict[int, str] = {}
        self.acknowledged_ms = 0

    def __call__(self, talk: Conversation) -> None:
        if self.committed or len(talk.committed) < COMMITS_BEFORE:
            return
        self.committed = dict(talk.committed)
        self.acknowledged_ms = talk.acknowledged_ms
        self._act()


def check_whole(
    pair: Pair, talk: Conversation, interruption: Interruption, speech: Recording
) -> list[str]:
    """Every sample is recorded and recognised, and each commit reached the client once."""
    events = checked_events(pair.b, talk.id)
    stored = {
        event["seq"]: "".join(word["text"] for word in event["event"]["words"])
        for event in events
        if event["event"]["type"] == "WordsCommitted"
    }
    kinds = [event["event"]["type"] for event in events]
    assert interruption.committed.items() <= stored.items()
    assert talk.committed == {seq: text for seq, text in stored.items() if text}
    assert len([c for c in talk.of(greffier.Caption) if c.committed]) == len(talk.committed)
    assert recorded(pair.b, talk.id) == as_bytes(speech.pcm)
    assert "GapFound" not in kinds
    ended = next(event["event"] for event in events if event["event"]["type"] == "InputEnded")
    assert ended["duration_ms"] == len(speech.pcm) // 16
    assert kinds[-2:] == ["RecognitionFinished", "SessionFinished"]
    return kinds


def recorded(server: ChildServer, session: str) -> bytes:
    """The session's audio, as any server reads it back."""
    path = f"/v1/sessions/{session}/audio?from_ms=0&to_ms=3600000"
    url = server.url.replace("ws://", "http://") + path
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310
        content = answer.read()
    with wave.open(io.BytesIO(content)) as opened:
        return opened.readframes(opened.getnframes())


def talk_through(pair: Pair, interruption: Interruption, speech: Recording) -> Conversation:
    return asyncio.run(
        speak(
            [pair.a, pair.b],
            as_bytes(speech.pcm),
            pace=PACE,
            seen=interruption,
            language="fr",
            minutes=False,
        )
    )


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_when_one_server_ends_the_client_goes_on_at_the_other(pair: Pair, end: str) -> None:
    begun: list[float] = []

    def act() -> None:
        begun.append(time.monotonic())
        if end == "kill":
            pair.a.kill()
        else:
            assert pair.a.stop() == 0

    interruption = Interruption(act)
    talk = talk_through(pair, interruption, SPEECH)
    assert talk.resumed >= 1
    check_whole(pair, talk, interruption, SPEECH)


def test_a_dead_servers_session_is_finished_by_the_other_without_any_client(pair: Pair) -> None:
    interruption = Interruption(pair.a.kill)
    pcm = as_bytes(SPEECH.pcm)
    ids: list[str] = []

    def seen(talk: Conversation) -> None:
        ids.append(talk.id)
        interruption(talk)

    with pytest.raises(greffier.ConnectionLost):
        asyncio.run(speak(pair.a, pcm, pace=PACE, seen=seen, reconnect=False, minutes=False))
    kinds: list[str] = []
    deadline = time.monotonic() + 60
    while "ClientDetached" not in kinds and "RecognitionFinished" not in kinds:
        assert time.monotonic() < deadline, "nobody took the session"
        time.sleep(0.2)
        kinds = [event["event"]["type"] for event in checked_events(pair.b, ids[0])]
        if len(kinds) > max(interruption.committed):
            break  # it goes on: the other server commits what had been heard


# --- by hand ----------------------------------------------------------------------------------


class Speaker:
    """A client whose sockets are its own affair."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.messages: list[dict[str, Any]] = []
        self.acknowledged = 0

    async def until(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(40):
            while True:
                message = json.loads(await self.socket.recv())
                self.messages.append(message)
                if message["type"] == "ack":
                    self.acknowledged = message["samples"]
                if message["type"] == kind:
                    return message

    async def say(self, pcm: bytes) -> None:
        """Send audio, and wait until it is acknowledged."""
        goal = self.acknowledged + len(pcm) // 2
        await self.socket.send(pcm)
        while self.acknowledged < goal:
            await self.until("ack")


@asynccontextmanager
async def speaker(server: ChildServer, **start: Any) -> AsyncGenerator[tuple[Speaker, Any], None]:
    socket = connect(f"{server.url}/v1/live", subprotocols=[Subprotocol("greffier.v1")], proxy=None)
    async with socket as opened:
        one = Speaker(opened)
        await opened.send(json.dumps({"type": "start", "minutes": False, **start}))
        started = await one.until("started")
        one.acknowledged = started.get("samples", 0)
        yield one, started


def resume(started: dict[str, Any], at: int) -> dict[str, Any]:
    return {
        "session": started["session"],
        "token": started["token"],
        "from_sample": at,
        "after_seq": 0,
    }


async def goodbye(one: Speaker) -> str:
    """Read to the end; return the code of the last error."""
    with contextlib.suppress(ConnectionClosed):
        await one.until("never")
    return next((m["code"] for m in reversed(one.messages) if m["type"] == "error"), "")


async def test_a_client_may_move_while_both_servers_work_and_viewers_see_it_all(
    lasting: Pair,
) -> None:
    pcm = as_bytes(SPEECH.pcm)
    async with speaker(lasting.a) as (first, started):
        viewers = [
            asyncio.create_task(watched(server, started["session"]))
            for server in (lasting.a, lasting.b)
        ]
        await first.say(pcm[: 4 * SECOND])
        begun = time.monotonic()
        async with speaker(lasting.b, resume=resume(started, first.acknowledged)) as (
            second,
            again,
        ):
            assert time.monotonic() - begun < 20
            assert again["samples"] == first.acknowledged == 4 * SECOND // 2
            assert await goodbye(first) == "session_taken_over"
            await second.say(pcm[4 * SECOND :])
            await second.socket.send(json.dumps({"type": "finish"}))
            await second.until("finished")
    stored = await asyncio.to_thread(committed, lasting.a, started["session"])
    assert await asyncio.to_thread(recorded, lasting.a, started["session"]) == pcm
    for viewer in viewers:
        assert await asyncio.wait_for(viewer, 30) == stored


async def watched(server: ChildServer, session: str) -> dict[int, str]:
    """What a viewer at `server` is shown for good."""
    seen: dict[int, str] = {}
    async for message in greffier.watch(server.url, session):
        if isinstance(message, greffier.Caption) and message.committed:
            assert message.seq not in seen
            seen[message.seq] = message.committed
    return seen


def committed(server: ChildServer, session: str) -> dict[int, str]:
    return {
        event["seq"]: text
        for event in checked_events(server, session)
        if event["event"]["type"] == "WordsCommitted"
        and (text := "".join(word["text"] for word in event["event"]["words"]))
    }


async def test_a_server_that_slept_past_its_lease_writes_nothing_more(lasting: Pair) -> None:
    pcm = as_bytes(SPEECH.pcm)
    async with speaker(lasting.a) as (first, started):
        await first.say(pcm[: 4 * SECOND])
        os.kill(lasting.a.pid, signal.SIGSTOP)
        await first.socket.send(b"\x11\x22" * 16_000)  # it lies in the sleeper's socket
        resumption = resume(started, first.acknowledged)
        async with speaker(lasting.b, resume=resumption) as (second, again):
            assert again["samples"] == first.acknowledged
            await second.say(pcm[4 * SECOND : 8 * SECOND])
            os.kill(lasting.a.pid, signal.SIGCONT)
            assert await goodbye(first) == "session_moved"
            assert first.acknowledged == 4 * SECOND // 2
            await second.say(pcm[8 * SECOND :])
            await second.socket.send(json.dumps({"type": "finish"}))
            await second.until("finished")
    for server in (lasting.a, lasting.b):  # not a sample of what the sleeper was sent
        assert await asyncio.to_thread(recorded, server, started["session"]) == pcm
        assert await asyncio.to_thread(committed, server, started["session"])
    ready = await asyncio.to_thread(ask, lasting.a, "/readyz")
    assert ready.status == 200


def test_database_and_bucket_may_fail_in_mid_session(lasting: Pair) -> None:
    def act() -> None:
        lasting.s3.stop()
        lasting.postgres.stop()
        time.sleep(1)
        lasting.postgres.start()
        time.sleep(1)
        lasting.s3.start()

    interruption = Interruption(act)
    talk = talk_through(lasting, interruption, SPEECH)
    check_whole(lasting, talk, interruption, SPEECH)
    deadline = time.monotonic() + 60  # closed stretches find their way after all
    while not any(talk.id in name for name in lasting.s3.objects()):
        assert time.monotonic() < deadline, "no object was stored"
        time.sleep(0.2)


def test_a_second_server_in_one_directory_is_told_so(tmp_path: Path) -> None:
    with contextlib.closing(Used(tmp_path)):
        done = run(
            *("serve", "--port", "0", "--data-dir", tmp_path),
            GREFFIER_RECOGNITION__ENGINE="fake",
            GREFFIER_LANGUAGE_MODEL__ENGINE="none",
            GREFFIER_LIMITS__DRAIN_S="0",
            GREFFIER_LIMITS__HANDOVER_S="0",
        )
    assert done.returncode != 0
    assert f"Another server uses {tmp_path}" in done.stderr
    assert "Traceback" not in done.stderr


class Used:
    """A directory that another server works in."""

    def __init__(self, folder: Path) -> None:
        self._use = SoleUse.take(folder)

    def close(self) -> None:
        self._use.end()


def test_real_speech_goes_on_at_the_other_server(hearing: Pair) -> None:
    radio = clip("radio-en", turns=4)
    interruption = Interruption(hearing.a.kill)
    talk = asyncio.run(
        speak(
            [hearing.a, hearing.b],
            radio.pcm,
            pace=2.0,
            seen=interruption,
            language="en",
            minutes=False,
        )
    )
    stored = committed(hearing.b, talk.id)
    assert recorded(hearing.b, talk.id) == radio.pcm
    assert talk.resumed >= 1
    assert interruption.committed
    assert interruption.committed.items() <= stored.items()
    assert talk.committed == stored
    assert error_rate(radio.text, talk.text, language="en") < 0.5
