"""What other protocols cost: the server's processor time with each adapter, against the native one.

``python -m benchmarks.adapters`` speaks the same audio through every protocol into a server with
the fake recogniser, so that only the way of the audio and of the text is counted, and compares each
with the native protocol. What that is of a whole session is told by a second server with real
weights. A protocol is one function in `PROTOCOLS`: it speaks the audio (16 kHz, mono, s16) at the
pace given and returns the text when the last word is there.
"""

import argparse
import asyncio
import base64
import json
import statistics
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect

import greffier
from benchmarks.acks import server_of_fakes
from benchmarks.adapter_voices import deepgram, vosk, whisperlive
from benchmarks.corpora import read_pcm
from benchmarks.processes import usage
from benchmarks.results import result_folder, write_result
from greffier.exchange import exchange
from greffier_models.encoded import encode_speech
from greffier_models.types import Word
from greffier_server.child import ChildServer

__all__ = ["NATIVE", "PROTOCOLS", "compare", "main", "spoken"]

Speak = Callable[[str, bytes, float], Awaitable[str]]
"""From the server's ``ws://`` address, the audio and the pace to the text."""

STEP_MS: Final = 100
BYTES_PER_MS: Final = 32
NATIVE: Final = "native"
_SCENE: Final = Path("tests/data/scenes/radio-en.flac")


async def native(url: str, pcm: bytes, pace: float) -> str:
    """``/v1/live``."""
    text = ""
    async with greffier.connect(url, language="en", minutes=False) as session:
        async for message in exchange(session, _steps(pcm, pace)):
            text += message.committed if isinstance(message, greffier.Caption) else ""
    return text.strip()


async def openai_realtime(url: str, pcm: bytes, pace: float) -> str:
    """``/v1/realtime``, committed by the client."""
    wanted = {
        "format": {"type": "audio/pcm", "rate": 16_000},
        "transcription": {"language": "en"},
        "turn_detection": None,
    }
    session = {"type": "transcription", "audio": {"input": wanted}}
    async with _talk(url + "/v1/realtime?intent=transcription") as socket:
        await _send(socket, {"type": "session.update", "session": session})
        last = "conversation.item.input_audio_transcription.completed"
        hearing = asyncio.create_task(_until(socket, last))
        async for step in _steps(pcm, pace):
            await _send(socket, {"type": "input_audio_buffer.append", "audio": _base64(step)})
        await _send(socket, {"type": "input_audio_buffer.commit"})
        return str((await hearing)["transcript"])


async def mistral_realtime(url: str, pcm: bytes, pace: float) -> str:
    """``/v1/audio/transcriptions/realtime``."""
    async with _talk(url + "/v1/audio/transcriptions/realtime?model=x") as socket:
        await _send(socket, {"type": "session.update", "session": {"language": "en"}})
        hearing = asyncio.create_task(_until(socket, "transcription.done"))
        async for step in _steps(pcm, pace):
            await _send(socket, {"type": "input_audio.append", "audio": _base64(step)})
        await _send(socket, {"type": "input_audio.end"})
        return str((await hearing)["text"])


async def vllm_realtime(url: str, pcm: bytes, pace: float) -> str:
    """``/v1/realtime`` as vLLM's clients speak it."""
    async with _talk(url + "/v1/realtime") as socket:
        await _send(socket, {"type": "session.update", "model": "x"})
        hearing = asyncio.create_task(_until(socket, "transcription.done"))
        async for step in _steps(pcm, pace):
            await _send(socket, {"type": "input_audio_buffer.append", "audio": _base64(step)})
        await _send(socket, {"type": "input_audio_buffer.commit", "final": True})
        return str((await hearing)["text"])


PROTOCOLS: Final[dict[str, Speak]] = {
    NATIVE: native,
    "openai-realtime": openai_realtime,
    "mistral-realtime": mistral_realtime,
    "vllm-realtime": vllm_realtime,
    "deepgram": deepgram,
    "vosk": vosk,
    "whisperlive": whisperlive,
}


async def spoken(
    server: ChildServer, speak: Speak, pcm: bytes, *, sessions: int, pace: float
) -> tuple[float, set[str]]:
    """Speak into several sessions at once; return processor seconds and the texts."""
    before = await asyncio.to_thread(usage, server.pid)
    texts = await asyncio.gather(*(speak(server.url, pcm, pace) for _ in range(sessions)))
    after = await asyncio.to_thread(usage, server.pid)
    return after.cpu_s - before.cpu_s, set(texts)


async def compare(
    server: ChildServer,
    pcm: bytes,
    *,
    protocols: Sequence[str],
    sessions: int,
    rounds: int,
    pace: float,
) -> tuple[dict[str, float], dict[str, set[str]]]:
    """Return the median processor seconds of each protocol for a second of audio, and its texts.

    Protocols take turns in each round, so that what else the machine does falls on all of them.
    """
    costs: dict[str, list[float]] = {name: [] for name in protocols}
    texts: dict[str, set[str]] = {name: set() for name in protocols}
    audio_s = sessions * len(pcm) / BYTES_PER_MS / 1_000
    for name in protocols:  # warm
        await spoken(server, PROTOCOLS[name], pcm[: 2_000 * BYTES_PER_MS], sessions=1, pace=pace)
    for _ in range(rounds):
        for name in protocols:
            cpu_s, said = await spoken(server, PROTOCOLS[name], pcm, sessions=sessions, pace=pace)
            costs[name].append(cpu_s / audio_s)
            texts[name] |= said
    return {name: statistics.median(values) for name, values in costs.items()}, texts


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write the result; 1 when a protocol costs more than it may."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="greffier-adapters-") as folder:
        with server_of_fakes(Path(folder) / "fakes", sessions=options.sessions) as server:
            costs, texts = asyncio.run(
                compare(
                    server,
                    _encoded(options.seconds),
                    protocols=list(PROTOCOLS),
                    sessions=options.sessions,
                    rounds=options.rounds,
                    pace=options.pace,
                )
            )
        settings = {
            "GREFFIER_RECOGNITION__MODEL": options.model,
            "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        }
        with ChildServer(data_dir=Path(folder) / "real", settings=settings) as server:
            pcm = read_pcm(_SCENE)[: int(options.seconds * 1_000) * BYTES_PER_MS]
            asyncio.run(spoken(server, native, pcm[: 4_000 * BYTES_PER_MS], sessions=1, pace=1e9))
            whole_s, _ = asyncio.run(spoken(server, native, pcm, sessions=1, pace=1.0))
    session = whole_s / (len(pcm) / BYTES_PER_MS / 1_000)
    over = {
        name: 100 * (cost - costs[NATIVE]) / session
        for name, cost in costs.items()
        if name != NATIVE
    }
    same = all(said == texts[NATIVE] and len(said) == 1 for said in texts.values())
    print(f"a native session: {session:.4f} s of processor time for a second of audio")
    for name, percent in over.items():
        print(f"{name}: {costs[name]:.5f} s against {costs[NATIVE]:.5f} s, {percent:+.2f} %")
    print(f"the same text through all: {same}")
    result: dict[str, Any] = {
        "options": {**vars(options), "out": str(options.out)},
        "session_cpu_s": session,
        "way_cpu_s": costs,
        "overhead_percent": over,
        "same_text": same,
    }
    write_result(options.out or result_folder(options.machine), "adapters", result)
    return int(not same or max(over.values()) > options.bar_percent)


def _encoded(seconds: float) -> bytes:
    """Encoded speech: two words a second, a sentence every five."""
    words = [
        Word(
            f" word{number}{'' if number % 10 else '.'}", 500 * number + 50, 500 * number + 400, 1.0
        )
        for number in range(int(seconds * 2))
    ]
    return encode_speech(words, duration_ms=int(seconds * 1_000)).astype("<i2").tobytes()


async def _steps(pcm: bytes, pace: float) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    begun, step = clock(), STEP_MS * BYTES_PER_MS
    for at in range(0, len(pcm), step):
        yield pcm[at : at + step]
        due_s = begun + (at + step) / BYTES_PER_MS / 1_000 / pace
        await asyncio.sleep(max(0.0, due_s - clock()))


@asynccontextmanager
async def _talk(url: str) -> AsyncGenerator[ClientConnection, None]:
    async with connect(url, compression=None, proxy=None, max_size=None) as socket:
        yield socket


async def _send(socket: ClientConnection, message: dict[str, Any]) -> None:
    await socket.send(json.dumps(message))


async def _until(socket: ClientConnection, kind: str) -> dict[str, Any]:
    async for frame in socket:
        message: dict[str, Any] = json.loads(frame)
        if message["type"] == "error":
            raise RuntimeError(f"the server refused: {message['error']}")
        if message["type"] == kind:
            return message
    raise RuntimeError("the server hung up")


def _base64(audio: bytes) -> str:
    return base64.b64encode(audio).decode()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adapters", description=__doc__)
    parser.add_argument("--sessions", type=int, default=4, help="at once")
    parser.add_argument("--seconds", type=float, default=60.0, help="of audio for each")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pace", type=float, default=10.0, help="times real time")
    parser.add_argument("--model", default="whisper-base", help="of the session they are part of")
    parser.add_argument("--bar-percent", type=float, default=3.0)
    parser.add_argument("--machine", help="name in the result's folder")
    parser.add_argument("--out", type=Path, help="folder of the result")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
