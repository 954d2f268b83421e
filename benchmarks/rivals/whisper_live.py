"""WhisperLive (MIT) with its faster-whisper backend, over its own WebSocket protocol."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks.corpora import Recording, read_pcm
from benchmarks.rivals.install import environment_python
from benchmarks.rivals.port import HOST, Heard, Refused, RivalProcess, RunningServer, now_ms, speak
from benchmarks.rivals.screens import Screen

__all__ = ["Transcript", "WhisperLive"]

# Its own file client asks for the end after 15 s without an answer; here it gets twice that.
QUIET_S = 30.0
LAST_WORDS_S = 120.0
CLOSE_S = 5.0
# Its package has no command: this is what its `run_server.py` does with these options.
PROGRAM = """
import sys
from whisper_live.server import TranscriptionServer
host, port, weights, clients, batch = sys.argv[1:]
TranscriptionServer().run(
    host,
    port=int(port),
    backend="faster_whisper",
    faster_whisper_custom_model_path=weights,
    single_model=True,
    max_clients=int(clients),
    max_connection_time=36000,
    batch_enabled=batch == "batch",
)
"""


@dataclass(slots=True)
class Transcript:
    """The text that its messages add up to, as its own client keeps it."""

    completed: dict[float, str] = field(default_factory=dict[float, str])
    """By start (s): the list is repeated in every message."""
    tail: str = ""

    def take(self, segments: Iterable[dict[str, Any]]) -> None:
        """Take one message's list; times are strings of seconds."""
        self.tail = ""
        for segment in segments:
            if segment.get("completed"):
                self.completed[float(segment["start"])] = str(segment["text"]).strip()
            else:
                self.tail = str(segment["text"]).strip()

    @property
    def final(self) -> str:
        """All completed segments in order."""
        return " ".join(text for _, text in sorted(self.completed.items()))


class WhisperLive:
    """The server with one shared model, each stream decoded in turn, or with its batch mode."""

    def __init__(self, environments: Path, *, batch: bool = False) -> None:
        """`environments` is where `benchmarks.rivals.install` put the rivals."""
        self.name = "whisper-live-batch" if batch else "whisper-live"
        self._python = environment_python(environments, "whisper-live")
        self._batch = batch

    def serve(
        self, *, weights: Path, scratch: Path, streams: int
    ) -> AbstractContextManager[RunningServer]:
        """The server on a free port."""
        mode = "batch" if self._batch else "serial"
        return RivalProcess(
            lambda port: [
                *(str(self._python), "-c", PROGRAM),
                *(HOST, str(port), str(weights), str(streams + 1), mode),
            ],
            log=scratch / f"{self.name}.log",
        )

    async def play(self, recording: Recording, url: str) -> Heard:
        """Speak, wait until it has been quiet for long, ask for the end as its own client does."""
        heard = Heard(recording)
        pcm = await asyncio.to_thread(read_pcm, recording.path)
        uid = str(uuid.uuid4())
        async with (
            asyncio.timeout(recording.duration_ms / 1000 + 2 * LAST_WORDS_S),
            connect(url, max_size=None, ping_interval=None, proxy=None) as socket,
        ):
            await socket.send(json.dumps(_hello(uid, recording.language)))
            await _ready(socket)
            answered = asyncio.Event()
            reader = asyncio.create_task(_read(socket, heard, answered))
            try:
                await speak(pcm, lambda chunk: socket.send(_float32(chunk)), heard.playback)
                await _quiet(answered)
                with contextlib.suppress(ConnectionClosed):
                    await socket.send(b"END_OF_AUDIO")
                await asyncio.wait({reader}, timeout=CLOSE_S)
            finally:
                reader.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await reader
        heard.finished_ms = now_ms()
        return heard


def _hello(uid: str, language: str) -> dict[str, Any]:
    """The options of its own client, at their defaults."""
    return {
        "uid": uid,
        "language": None if language == "auto" else language,
        "task": "transcribe",
        "model": "base",
        "use_vad": True,
        "send_last_n_segments": 10,
        "no_speech_thresh": 0.45,
        "clip_audio": False,
        "same_output_threshold": 10,
    }


async def _ready(socket: ClientConnection) -> None:
    """Wait for the word that audio may be sent."""
    async for raw in socket:
        message = cast("dict[str, Any]", json.loads(raw))
        if message.get("message") == "SERVER_READY":
            return
        if message.get("status") in {"WAIT", "ERROR"}:
            raise Refused(f"WhisperLive answered {message['status']}")
    raise Refused("WhisperLive closed the connection")


async def _read(socket: ClientConnection, heard: Heard, answered: asyncio.Event) -> None:
    transcript = Transcript()
    with contextlib.suppress(ConnectionClosed):
        async for raw in socket:
            at_ms = now_ms()
            message = cast("dict[str, Any]", json.loads(raw))
            if "segments" in message:
                transcript.take(cast("list[dict[str, Any]]", message["segments"]))
                heard.screens.append(Screen(at_ms, transcript.final, transcript.tail))
                answered.set()


async def _quiet(answered: asyncio.Event) -> None:
    """Return when nothing has come for `QUIET_S`, after `LAST_WORDS_S` at the latest."""
    deadline_ms = now_ms() + LAST_WORDS_S * 1000
    while now_ms() < deadline_ms:
        answered.clear()
        try:
            await asyncio.wait_for(answered.wait(), QUIET_S)
        except TimeoutError:
            return


def _float32(chunk: bytes) -> bytes:
    samples = np.frombuffer(chunk, dtype="<i2").astype("<f4") / 32768.0
    return samples.astype("<f4").tobytes()
