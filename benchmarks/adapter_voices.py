"""Deepgram's, Vosk's and WhisperLive's protocols for ``benchmarks.adapters``: a function each.

Each speaks 16 kHz s16 audio at a pace and returns the text when the last word is there. Wyoming is
left out: it has a port of its own, and its framing is measured by what the others cost.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any, Final

import numpy as np
from websockets.asyncio.client import connect

__all__ = ["deepgram", "vosk", "whisperlive"]

_STEP_MS: Final = 100
_BYTES_PER_MS: Final = 32


async def deepgram(url: str, pcm: bytes, pace: float) -> str:
    """``/v1/listen``, with interim results as captions want them."""
    query = "encoding=linear16&sample_rate=16000&language=en&minutes=false&interim_results=true"
    async with connect(f"{url}/v1/listen?{query}", compression=None, proxy=None) as socket:

        async def send() -> None:
            async for step in _steps(pcm, pace):
                await socket.send(step)
            await socket.send('{"type":"CloseStream"}')

        async with asyncio.TaskGroup() as group:
            group.create_task(send())
            finals = [
                message["channel"]["alternatives"][0]["transcript"]
                async for message in _messages(socket)
                if message["type"] == "Results" and message["is_final"]
            ]
    return " ".join(text for text in finals if text)


async def vosk(url: str, pcm: bytes, pace: float) -> str:
    """``/vosk``: a reply for each frame."""
    results: list[str] = []
    address = f"{url}/vosk?language=en&punctuated=true&minutes=false"
    async with connect(address, compression=None, proxy=None) as socket:
        await socket.send('{"config":{"sample_rate":16000}}')
        async for step in _steps(pcm, pace):
            await socket.send(step)
            results.append(json.loads(await socket.recv()).get("text", ""))
        await socket.send('{"eof" : 1}')
        results.append(json.loads(await socket.recv())["text"])
    return " ".join(text for text in results if text)


async def whisperlive(url: str, pcm: bytes, pace: float) -> str:
    """``/whisperlive``: floating-point frames; every message repeats the last segments."""
    kept: list[dict[str, Any]] = []
    address = f"{url}/whisperlive?minutes=false"
    async with connect(address, compression=None, proxy=None) as socket:
        await socket.send(json.dumps({"uid": "u", "language": "en"}))
        await socket.recv()

        async def send() -> None:
            async for step in _steps(pcm, pace):
                samples = np.frombuffer(step, dtype="<i2").astype("<f4") / 32768.0
                await socket.send(samples.tobytes())
            await socket.send(b"END_OF_AUDIO")

        async with asyncio.TaskGroup() as group:
            group.create_task(send())
            async for message in _messages(socket):
                for segment in message.get("segments", []):
                    begins = float(segment["start"])
                    if segment["completed"] and (not kept or begins >= float(kept[-1]["end"])):
                        kept.append(segment)
    return "".join(segment["text"] for segment in kept).strip()


async def _messages(socket: AsyncIterable[str | bytes]) -> AsyncGenerator[dict[str, Any], None]:
    async for frame in socket:
        message: dict[str, Any] = json.loads(frame)
        if message.get("type") == "Error" or message.get("status") == "ERROR":
            raise RuntimeError(f"the server refused: {message}")
        yield message


async def _steps(pcm: bytes, pace: float) -> AsyncGenerator[bytes, None]:
    clock = asyncio.get_running_loop().time
    begun, step = clock(), _STEP_MS * _BYTES_PER_MS
    for at in range(0, len(pcm), step):
        yield pcm[at : at + step]
        due_s = begun + (at + step) / _BYTES_PER_MS / 1_000 / pace
        await asyncio.sleep(max(0.0, due_s - clock()))
