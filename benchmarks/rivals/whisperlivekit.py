"""WhisperLiveKit (Apache-2.0) with faster-whisper, over its own WebSocket protocol.

Its policy here is LocalAgreement: its other one, SimulStreaming, decodes with PyTorch weights in
another form than the CTranslate2 folder that all servers share in this comparison.
"""

import asyncio
import contextlib
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks.corpora import Recording, read_pcm
from benchmarks.rivals.install import environment_python
from benchmarks.rivals.port import HOST, Heard, Refused, RivalProcess, RunningServer, now_ms, speak
from benchmarks.rivals.screens import Screen

__all__ = ["WhisperLiveKit", "screen_of"]

SILENCE_SPEAKER = -2
LAST_WORDS_S = 180.0


class WhisperLiveKit:
    """The server with raw PCM input and everything else at its defaults."""

    name = "whisperlivekit"

    def __init__(self, environments: Path) -> None:
        """`environments` is where `benchmarks.rivals.install` put the rivals."""
        self._python = environment_python(environments, self.name)

    def serve(
        self, *, weights: Path, scratch: Path, streams: int
    ) -> AbstractContextManager[RunningServer]:
        """The server on a free port; it has no limit of sessions to set."""
        del streams
        return RivalProcess(
            lambda port: [
                *(str(self._python), "-m", "whisperlivekit.basic_server"),
                *("--host", HOST, "--port", str(port), "--pcm-input", "--warmup-file", ""),
                *("--backend", "faster-whisper", "--backend-policy", "localagreement"),
                *("--model_dir", str(weights), "--log-level", "WARNING"),
            ],
            log=scratch / f"{self.name}.log",
            scheme_path="/asr",
        )

    async def play(self, recording: Recording, url: str) -> Heard:
        """Speak, send the empty message that ends the audio, read until it says it is done."""
        heard = Heard(recording)
        pcm = await asyncio.to_thread(read_pcm, recording.path)
        language = recording.language
        query = "" if language == "auto" else f"?{urlencode({'language': language})}"
        async with (
            asyncio.timeout(recording.duration_ms / 1000 + LAST_WORDS_S),
            connect(f"{url}{query}", max_size=None, ping_interval=None, proxy=None) as socket,
        ):
            reader = asyncio.create_task(_read(socket, heard))
            try:
                await speak(pcm, socket.send, heard.playback)
                await socket.send(b"")
                await reader
            except ConnectionClosed as error:
                raise Refused("WhisperLiveKit closed the connection") from error
            finally:
                reader.cancel()
                with contextlib.suppress(asyncio.CancelledError, Refused):
                    await reader
        heard.finished_ms = now_ms()
        return heard


def screen_of(message: dict[str, Any], *, at_ms: float) -> Screen:
    """What its page shows for one message: its lines are final, its buffer is not."""
    lines = cast("list[dict[str, Any]]", message.get("lines", []))
    final = " ".join(
        str(line["text"]).strip()
        for line in lines
        if line.get("text") and line.get("speaker") != SILENCE_SPEAKER
    )
    return Screen(at_ms, final, str(message.get("buffer_transcription") or "").strip())


async def _read(socket: ClientConnection, heard: Heard) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for raw in socket:
            at_ms = now_ms()
            message = cast("dict[str, Any]", json.loads(raw))
            kind = message.get("type")
            if kind == "ready_to_stop":
                return
            if kind == "error" or message.get("error"):
                raise Refused("WhisperLiveKit answered with an error")
            if "lines" in message:
                heard.screens.append(screen_of(message, at_ms=at_ms))
