"""The product as its users run it: command line and server as processes, real recordings."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
import wave
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import greffier
from benchmarks.accuracy import count_errors
from benchmarks.corpora import RATE, read_pcm
from greffier.exchange import exchange
from greffier.protocol import ServerMessage
from greffier_server.child import ChildServer
from tests.support.scenes import load_scene
from tests.support.wheel import ROOT

__all__ = [
    "ROOT",
    "Answer",
    "Clip",
    "Conversation",
    "ask",
    "checked_events",
    "clip",
    "command",
    "environment",
    "error_rate",
    "run",
    "speak",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Clip:
    """Whole turns of a scene."""

    pcm: bytes
    """16 kHz, mono, s16."""
    text: str
    turns: tuple[tuple[int, int, str, str], ...]
    """Start, end, language, text."""

    @property
    def duration_ms(self) -> int:
        return len(self.pcm) // 2 * 1000 // RATE

    def write(self, path: Path) -> Path:
        """Write it as a WAV file."""
        with wave.open(str(path), "wb") as wav:
            wav.setparams((1, 2, RATE, 0, "NONE", ""))
            wav.writeframes(self.pcm)
        return path


def clip(scene_name: str, *, turns: int) -> Clip:
    """The first turns of a scene, cut in the pause behind them."""
    scene = load_scene(scene_name)
    kept = scene.turns[:turns]
    after_ms = scene.turns[turns].start_ms if turns < len(scene.turns) else scene.duration_ms
    end_ms = (kept[-1].end_ms + after_ms) // 2
    return Clip(
        pcm=read_pcm(scene.audio)[: end_ms * RATE // 1000 * 2],
        text=" ".join(turn.text for turn in kept),
        turns=tuple((turn.start_ms, turn.end_ms, turn.language, turn.text) for turn in kept),
    )


def command(*arguments: str | Path) -> list[str]:
    """The command line of this environment."""
    return [sys.executable, "-m", "greffier", *map(str, arguments)]


def environment(**settings: str) -> dict[str, str]:
    """This process' environment in English, with `settings`; nobody's own settings leak in."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GREFFIER_") or name == "GREFFIER_MODELS_DIR"
    }
    return {**kept, "LC_ALL": "C.UTF-8", **settings}


def run(
    *arguments: str | Path, timeout_s: float = 180, stdin: bytes | None = None, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run ``greffier`` to its end."""
    done = subprocess.run(
        command(*arguments),
        capture_output=True,
        check=False,
        timeout=timeout_s,
        input=stdin,
        env=environment(**settings),
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def error_rate(reference: str, text: str, *, language: str) -> float:
    """Word error rate, normalised as published figures are."""
    return count_errors(reference, text, language=language).rate


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said over HTTP."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def ask(server: ChildServer, path: str, *, method: str = "GET", token: str | None = None) -> Answer:
    """One HTTP request."""
    address = server.url.replace("ws://", "http://") + path
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(address, method=method, headers=headers)  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as response:
            return Answer(response.status, response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read().decode())


def checked_events(
    server: ChildServer, session: str, *, token: str | None = None
) -> list[dict[str, Any]]:
    """The session's stored events, after a check of their numbers and of the hash chain."""
    previous = "0" * 64
    events: list[dict[str, Any]] = []
    path = f"/v1/sessions/{session}/events"
    for line in ask(server, path, token=token).text.splitlines():
        event = json.loads(line)
        assert event["seq"] == len(events) + 1
        assert event["prev_hash"] == previous, f"the chain is broken at {event['seq']}"
        previous = hashlib.sha256(line.encode()).hexdigest()
        events.append(event)
    return events


@dataclass
class Conversation:
    """A session as its client saw it."""

    id: str = ""
    messages: list[ServerMessage] = field(default_factory=list[ServerMessage])
    resumed: int = 0
    acknowledged_ms: int = 0

    def of(self, kind: type[T]) -> list[T]:
        """The messages of one type, in order."""
        return [message for message in self.messages if isinstance(message, kind)]

    @property
    def committed(self) -> dict[int, str]:
        """Text that was said to be final, by the number of its event."""
        return {c.seq: c.committed for c in self.of(greffier.Caption) if c.committed}

    @property
    def text(self) -> str:
        return "".join(self.committed.values()).strip()


async def speak(
    server: ChildServer | Sequence[ChildServer],
    pcm: bytes,
    *,
    pace: float | None = None,
    seen: Callable[[Conversation], object] = lambda _: None,
    **options: Any,
) -> Conversation:
    """Speak `pcm` into a new session and read it to its end.

    Args:
        server: runs; several are tried in turn.
        pcm: 16 kHz, mono, s16.
        pace: times real time; None = at once.
        seen: told after each message; may be slow, it runs in a thread.
        **options: of `greffier.connect`.
    """
    talk = Conversation()

    def reconnected(notice: greffier.Reconnection) -> None:
        talk.resumed += notice.resumed

    options.setdefault("on_reconnect", reconnected)
    urls = server.url if isinstance(server, ChildServer) else [one.url for one in server]
    async with greffier.connect(urls, **options) as session:
        talk.id = session.id
        async for message in exchange(session, _chunks(pcm, pace)):
            talk.messages.append(message)
            talk.acknowledged_ms = session.acknowledged_ms
            await asyncio.to_thread(seen, talk)
        talk.acknowledged_ms = session.acknowledged_ms
    return talk


async def _chunks(pcm: bytes, pace: float | None, step_ms: int = 100) -> AsyncIterator[bytes]:
    step = RATE * step_ms // 1000 * 2
    clock = asyncio.get_running_loop().time
    start_s = clock()
    for at in range(0, len(pcm), step):
        yield pcm[at : at + step]
        if pace is not None:
            await asyncio.sleep(max(0.0, start_s + (at + step) / 2 / RATE / pace - clock()))
