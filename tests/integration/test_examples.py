"""The worked examples, run as they are handed out."""

import asyncio
import json
import os
import shutil
import struct
import sys
import time
import wave
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from greffier.protocol import Start
from greffier_models.types import Word
from greffier_server.core.events import SegmentOpened, TailRevised, WordsCommitted
from greffier_server.outlets.notices import Notice
from greffier_server.outlets.outlet import Delivered, Failed
from greffier_server.outlets.settings import WebhookEndpoint
from greffier_server.outlets.webhook import Webhook, webhook_client
from greffier_server.settings import Settings
from tests.support.served import served, until

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).parents[2] / "examples"
TOKEN = "a-token-long-enough"
SECRET = "a-secret-of-enough-characters"


def program(name: str, package: str) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"no {name}: apt-get install {package}")


def shim(folder: Path, name: str, line: str) -> None:
    """A program of this name, to be found before others."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


@asynccontextmanager
async def running(
    *command: str | Path, **environment: str
) -> AsyncGenerator[asyncio.subprocess.Process, None]:
    """A process that is ended with the block, if it has not ended by itself."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environment},
    )
    try:
        async with asyncio.timeout(60):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_curl_prints_committed_text() -> None:
    program("curl", "curl")
    settings = Settings.model_validate({"tokens": f"ville:{TOKEN}"})
    async with served(settings) as server:
        session, _ = await server.desk.open("ville", Start(language="fr"))
        await session.log.append(
            SegmentOpened(1, 0, "fr"),
            TailRevised(1, " pas encore", 0, 1),
            WordsCommitted(1, (Word(" il a dit", 0, 1, 0.9),)),
            WordsCommitted(1, (Word(' "oui"', 1, 2, 0.9),)),
        )
        await session.finish()
        script = EXAMPLES / "captions-sse.sh"
        async with running(script, server.http, session.id, GREFFIER_TOKEN=TOKEN) as curl:
            out, _ = await curl.communicate()
        assert out.decode().splitlines() == [" il a dit", ' \\"oui\\"']
        async with running(script, server.http, session.id, GREFFIER_TOKEN="wrong" * 5) as curl:
            out, _ = await curl.communicate()
        assert b"403" in out


async def test_ffmpeg_pipes_whatever_it_reads(tmp_path: Path) -> None:
    program("ffmpeg", "ffmpeg")
    recording = tmp_path / "one second.wav"
    with wave.open(str(recording), "wb") as wav:
        wav.setparams((2, 2, 48_000, 0, "NONE", ""))
        wav.writeframes(bytes(48_000 * 4))
    shim(tmp_path, "greffier", f'exec {sys.executable} -m greffier "$@"')
    async with served() as server:
        async with running(
            EXAMPLES / "ffmpeg.sh",
            recording,
            PATH=f"{tmp_path}:{os.environ['PATH']}",
            GREFFIER_SERVER=f"ws://127.0.0.1:{server.port}",
            GREFFIER_OPTIONS="--language fr --no-minutes --fast",
        ) as pipe:
            out, _ = await pipe.communicate()
        assert pipe.returncode == 0, out.decode()
        assert len(server.desk.only().audio) == 32_000
        assert server.desk.only().finished


async def test_gstreamer_pipes_whatever_it_reads(tmp_path: Path) -> None:
    program("gst-launch-1.0", "gstreamer1.0-tools gstreamer1.0-plugins-base")
    shim(tmp_path, "greffier", f'exec {sys.executable} -m greffier "$@"')
    async with served() as server:
        async with running(
            EXAMPLES / "gstreamer.sh",
            *("audiotestsrc", "num-buffers=50", "samplesperbuffer=441"),
            *("!", "audio/x-raw,rate=44100,channels=2"),
            PATH=f"{tmp_path}:{os.environ['PATH']}",
            GREFFIER_SERVER=f"ws://127.0.0.1:{server.port}",
            GREFFIER_OPTIONS="--language fr --no-minutes --fast",
        ) as pipe:
            out, _ = await pipe.communicate()
        assert pipe.returncode == 0, out.decode()
        assert len(server.desk.only().audio) == pytest.approx(16_000, abs=200)
        assert any(server.desk.only().audio)


WEBSOCAT = """
import sys
from websockets.sync.client import connect
assert sys.argv[1:3] == ["--no-close", "--protocol"]
with connect(sys.argv[4], subprotocols=sys.argv[3].split(", "), proxy=None) as socket:
    for line in sys.stdin:
        socket.send(line)
    for message in socket:
        print(message, flush=True)
"""


async def test_what_the_websocat_script_says_is_answered(tmp_path: Path) -> None:
    """With a stand-in for websocat, which Debian has not: the server's side of it is real."""
    (tmp_path / "websocat.py").write_text(WEBSOCAT)
    shim(tmp_path, "websocat", f'exec {sys.executable} {tmp_path / "websocat.py"} "$@"')
    settings = Settings.model_validate({"tokens": f"ville:{TOKEN}"})
    async with served(settings) as server:
        session, _ = await server.desk.open("ville", Start(language="fr"))
        await session.log.append(
            SegmentOpened(1, 0, "fr"), WordsCommitted(1, (Word(" oui", 0, 1, 0.9),))
        )
        await session.finish()
        async with running(
            EXAMPLES / "websocat.sh",
            *(f"ws://127.0.0.1:{server.port}", session.id),
            PATH=f"{tmp_path}:{os.environ['PATH']}",
            GREFFIER_TOKEN=TOKEN,
        ) as script:
            out, _ = await script.communicate()
    said = [json.loads(line) for line in out.decode().splitlines()]
    assert [one["committed"] for one in said if one["type"] == "caption"] == [" oui"]


async def test_a_call_over_audiosocket_is_a_session() -> None:
    async with (
        served() as server,
        running(
            *(sys.executable, EXAMPLES / "asterisk" / "audiosocket.py"),
            *("--listen", "127.0.0.1:0", "--server", f"ws://127.0.0.1:{server.port}"),
        ) as bridge,
    ):
        assert bridge.stdout is not None
        port = int((await bridge.stdout.readline()).split()[-1])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        sound = bytes(range(160)) * 2
        writer.write(struct.pack("!BH", 0x01, 16) + bytes(16))
        for _ in range(50):
            writer.write(struct.pack("!BH", 0x10, len(sound)) + sound)
        writer.write(struct.pack("!BH", 0x00, 0))
        await writer.drain()
        await until(lambda: server.desk.sessions and server.desk.only().finished)
        writer.close()
        session = server.desk.only()
        assert (session.format.rate, session.format.channels) == (8_000, 1)
        assert bytes(session.audio) == sound * 50
        # A call that breaks off is finished, too, and does not end the bridge.
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(struct.pack("!BH", 0x01, 16) + bytes(16))
        writer.write(struct.pack("!BH", 0x10, len(sound)) + sound)
        await writer.drain()
        await until(lambda: len(server.desk.sessions) == 2)
        other = list(server.desk.sessions.values())[1]
        await until(lambda: other.audio)
        writer.close()
        await until(lambda: other.finished)


async def test_the_webhook_receiver_takes_each_notice_once() -> None:
    async with running(
        sys.executable, EXAMPLES / "webhooks" / "receiver.py", "0", SECRET=SECRET
    ) as receiver:
        assert receiver.stdout is not None
        port = int((await receiver.stdout.readline()).split()[-1])
        async with webhook_client() as client:

            def hook(secret: str, *, late_s: float = 0.0) -> Webhook:
                endpoint = WebhookEndpoint(
                    name="a", url=f"http://127.0.0.1:{port}/", secret=SecretStr(secret)
                )
                return Webhook(
                    endpoint, client=client, timeout_s=10, now_s=lambda: time.time() - late_s
                )

            said = Notice("segment", "default", "s1", 4, 0, "fr", {"text": "bonjour"})
            over = Notice("finished", "default", "s1", 9, 0, "", {"reason": "finish"})
            assert await hook("x" * 30).send(said, attempt=1) == Failed("http_401")
            assert await hook(SECRET, late_s=400).send(said, attempt=1) == Failed("http_401")
            assert await hook(SECRET).send(said, attempt=1) == Delivered()
            assert await hook(SECRET).send(said, attempt=2) == Delivered()
            assert await hook(SECRET).send(over, attempt=1) == Delivered()
            forged = await client.post(f"http://127.0.0.1:{port}/", content=b"{}")
            assert forged.status_code == 401
        assert await receiver.stdout.readline() == b"segment bonjour\n"
        assert (await receiver.stdout.readline()).startswith(b"finished")
