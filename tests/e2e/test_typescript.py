"""The TypeScript client in Node and in Chromium, against a server process with a real model."""

import asyncio
import http.server
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from greffier_server.child import ChildServer
from greffier_server.outlets.signing import verify
from tests.support.chromium import chromium
from tests.support.node import CLIENT, built_client, node
from tests.support.proxy import Proxy
from tests.support.served_process import Clip, checked_events, clip, error_rate
from tests.support.weights import whisper_tiny_path

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TOKEN = "typescript-test-token"
SECRET = "typescript-test-webhook-secret"
WORST_ERROR_RATE = 0.5
SCRIPT = Path(__file__).parents[1] / "data" / "typescript" / "speak.mjs"


@dataclass(frozen=True)
class Stage:
    """The client built, a page's place, and a server that lets the page in."""

    folder: Path
    dist: Path
    server: ChildServer
    page: str
    clip: Clip
    hooked: list[tuple[bytes, str]]
    """Bodies and signatures that the server's webhook was sent."""


class _Pages(http.server.SimpleHTTPRequestHandler):
    """Files, and a receiver of webhooks."""

    def __init__(
        self, *args: Any, directory: str, hooked: list[tuple[bytes, str]], **more: Any
    ) -> None:
        self._hooked = hooked
        super().__init__(*args, directory=directory, **more)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._hooked.append((body, self.headers["Greffier-Signature"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("typescript")
    dist = built_client(folder)
    shutil.copy(CLIENT.parents[1] / "examples" / "obs" / "captions.html", folder)
    (folder / "index.html").write_text("<!doctype html><title>Greffier</title>")
    hooked: list[tuple[bytes, str]] = []
    handler = partial(_Pages, directory=str(folder), hooked=hooked)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as pages:
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        page = f"http://127.0.0.1:{pages.server_address[1]}"
        settings = {
            "GREFFIER_RECOGNITION__MODEL": str(whisper_tiny_path()),
            "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
            "GREFFIER_TOKENS": f"ville:{TOKEN}",
            "GREFFIER_NETWORK__ALLOWED_ORIGINS": json.dumps([page]),
            "GREFFIER_WEBHOOKS__ENDPOINTS": json.dumps(
                [{"name": "test", "tenant": "ville", "url": f"{page}/hook", "secret": SECRET}]
            ),
        }
        try:
            with ChildServer(data_dir=tmp_path_factory.mktemp("data"), settings=settings) as server:
                yield Stage(folder, dist, server, page, clip("radio-en", turns=2), hooked)
        finally:
            pages.shutdown()


def test_the_types_are_those_of_the_protocol() -> None:
    schema = CLIENT.parents[1] / "docs" / "reference" / "protocol.schema.json"
    written = subprocess.run(
        [node(), str(CLIENT / "tools" / "types.mjs"), str(schema)],
        capture_output=True,
        check=True,
    ).stdout.decode()
    kept = (CLIENT / "src" / "messages.ts").read_text(encoding="utf-8")
    assert kept == written, "run: npm run types (in clients/typescript)"


WAITS = """
const { Attempts } = await import(`${process.argv[1]}/backoff.js`);
const { GreffierError } = await import(`${process.argv[1]}/errors.js`);
const { Dropped } = await import(`${process.argv[1]}/wire.js`);
const told = [];
const policy = { attempts: 3, firstMs: 10, longestMs: 10 };
const attempts = new Attempts(policy, (again) => told.push(again.delayMs));
const { signal } = new AbortController();
const asked = new GreffierError("server_stopping", "later", true, undefined, 60);
await attempts.wait(new Dropped("", { cause: asked }), signal);
await attempts.wait(new Error("gone"), signal);
await attempts.wait(new GreffierError("closed", "gone", true, undefined, null), signal);
console.log(JSON.stringify(told));
"""


def test_a_server_that_tells_when_is_waited_for(stage: Stage) -> None:
    command = [node(), "--input-type=module", "-e", WAITS, stage.dist.as_uri()]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert 60 <= told[0] <= 90
    assert max(told[1:]) <= 10


@dataclass
class Heard:
    """What the program wrote."""

    speaker: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    viewer: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def take(self, line: bytes) -> dict[str, Any]:
        message = json.loads(line)
        (self.speaker if message["who"] == "speaker" else self.viewer).append(message)
        return message


def committed(messages: list[dict[str, Any]]) -> dict[int, str]:
    return {
        message["seq"]: message["committed"]
        for message in messages
        if message["type"] == "caption" and message["committed"]
    }


async def test_node_speaks_and_watches_across_cuts(stage: Stage) -> None:
    pcm = stage.folder / "clip.pcm"
    await asyncio.to_thread(pcm.write_bytes, stage.clip.pcm)
    heard, cuts = Heard(), 0
    async with Proxy(stage.server.port) as speaking, Proxy(stage.server.port) as watching:
        program = await asyncio.create_subprocess_exec(
            *(node(), str(SCRIPT), (stage.dist / "index.js").as_uri()),
            *(speaking.url, watching.url, str(pcm), "3", TOKEN),
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        assert program.stdout is not None
        async with asyncio.timeout(180):
            async for line in program.stdout:
                message = heard.take(line)
                if message["who"] == "speaker" and message["type"] == "caption" and cuts < 2:
                    cuts += 1
                    assert speaking.cut(after_bytes=5_000 * (cuts - 1)) == 1
                    watching.cut()
            assert await program.wait() == 0
    assert sum(message["type"] == "resumed" for message in heard.speaker) >= 1
    assert sum(message["type"] == "resumed" for message in heard.viewer) >= 1
    done = next(message for message in heard.speaker if message["type"] == "done")
    assert done["sent_ms"] == done["acknowledged_ms"] == stage.clip.duration_ms
    session = next(message for message in heard.speaker if message["type"] == "open")["session"]
    events = await asyncio.to_thread(_events, stage.server, session)
    stored = {
        event["seq"]: "".join(word["text"] for word in event["event"]["words"])
        for event in events
        if event["event"]["type"] == "WordsCommitted"
    }
    # Every word once, whatever broke; no audio missing, and none twice.
    assert committed(heard.speaker) == committed(heard.viewer) == stored
    assert not [event for event in events if event["event"]["type"] == "GapFound"]
    ended = next(e["event"] for e in events if e["event"]["type"] == "InputEnded")
    assert ended["duration_ms"] == stage.clip.duration_ms
    text = "".join(stored.values()).strip()
    assert error_rate(stage.clip.text, text, language="en") < WORST_ERROR_RATE
    seqs = [message["seq"] for message in heard.viewer if message["type"] != "resumed"]
    assert seqs == sorted(seqs)
    assert heard.viewer[-1]["type"] == "finished"
    await _hooked(stage, session, text)
    refused = heard.speaker[-1]
    assert (refused["known"], refused["code"]) == (True, "authentication_failed")


async def test_chromium_speaks_its_microphone_and_resumes(stage: Stage) -> None:
    wav = await asyncio.to_thread(stage.clip.write, stage.folder / "microphone.wav")
    seconds = min(5.0, stage.clip.duration_ms / 1000)
    async with (
        Proxy(stage.server.port) as proxy,
        chromium(
            stage.folder / "profile",
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            "--autoplay-policy=no-user-gesture-required",
            f"--use-file-for-fake-audio-capture={wav}%noloop",
        ) as page,
        asyncio.timeout(180),
    ):
        await page.open(f"{stage.page}/index.html")
        cutting = asyncio.create_task(_cut(proxy, after_s=seconds / 2))
        heard = await page.run(
            f"""
            const {{ connect, speakMicrophone }} = await import("/dist/index.js");
            let resumed = 0, loudest = 0;
            const session = await connect({json.dumps(proxy.url)}, {{
              token: {json.dumps(TOKEN)}, language: "en", minutes: false, overflow: "gap",
              onReconnect: (again) => {{ resumed += again.resumed; }},
            }});
            const microphone = await speakMicrophone(session, {{
              onLevel: (level) => {{ loudest = Math.max(loudest, level); }},
            }});
            const messages = [];
            const reading = (async () => {{
              for await (const message of session) messages.push(message);
            }})();
            await new Promise((done) => setTimeout(done, {seconds * 1000}));
            await microphone.stop();
            await session.finish();
            await reading;
            return {{ id: session.id, resumed, loudest, messages, sent: session.sentMs,
                      acknowledged: session.acknowledgedMs }};
            """
        )
        assert await cutting == 1
        # The captions page of the examples, as OBS would show it.
        address = f"{stage.page}/captions.html?server={stage.server.url.replace('ws', 'http', 1)}"
        await page.open(f"{address}&session={heard['id']}&token={TOKEN}&lines=9")
        captions = await page.run(
            """
            const place = document.querySelector("#captions");
            while (place.textContent === "") await new Promise((done) => setTimeout(done, 20));
            await new Promise((done) => setTimeout(done, 200));
            return place.textContent;
            """
        )
    assert heard["resumed"] == 1
    assert heard["loudest"] > 0.05
    assert heard["sent"] == heard["acknowledged"] >= 0.8 * seconds * 1000
    assert heard["messages"][-1]["type"] == "finished"
    events = await asyncio.to_thread(_events, stage.server, heard["id"])
    assert not [event for event in events if event["event"]["type"] == "GapFound"]
    text = "".join(committed(heard["messages"]).values()).lower()
    said = set(stage.clip.text.lower().replace(",", "").replace(".", "").split())
    assert captions.replace(" ", "").lower() == text.replace(" ", "")
    assert len(said & set(text.replace(",", "").replace(".", "").split())) >= 3


async def _hooked(stage: Stage, session: str, text: str) -> None:
    """The session was told to the server's webhook as well, word for word."""
    told: list[Any] = []
    async with asyncio.timeout(30):
        while not told or told[-1]["type"] != "finished":
            await asyncio.sleep(0.05)
            told = [json.loads(body) for body, _ in stage.hooked if session.encode() in body]
    said = " ".join(one["text"] for one in told if one["type"] == "segment")
    assert said.split() == text.split()
    for body, signature in stage.hooked:
        assert verify(body, signature, SECRET, now_s=time.time())


async def _cut(proxy: Proxy, *, after_s: float) -> int:
    async with asyncio.timeout(60):
        while not proxy.connections:  # noqa: ASYNC110 - the browser tells nobody
            await asyncio.sleep(0.05)
    await asyncio.sleep(after_s)
    return proxy.cut()


def _events(server: ChildServer, session: str) -> list[dict[str, Any]]:
    return checked_events(server, session, token=TOKEN)
