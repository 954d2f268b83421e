"""Real clients of other protocols, spoken through; each returns what it understood."""

import asyncio
import hashlib
import json
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias, cast

import httpx
from vosk.transcriber.transcriber import Transcriber

with warnings.catch_warnings():  # the packages import what Python and websockets deprecate
    warnings.simplefilter("ignore", DeprecationWarning)
    import deepgram.listen.v1.client  # noqa: F401 - else imported later, warning
    from deepgram import AsyncDeepgramClient
    from deepgram.environment import DeepgramClientEnvironment
    from wyoming.asr import Transcribe
    from wyoming.audio import AudioChunk, AudioStart, AudioStop
    from wyoming.client import AsyncTcpClient
    from wyoming.event import Event
    from wyoming.info import Describe, Info
    from wyoming.ping import Ping

__all__ = [
    "AsyncTcpClient",
    "Describe",
    "Event",
    "Info",
    "ListenTalk",
    "Ping",
    "deepgram_client",
    "pieces",
    "speak_deepgram",
    "speak_vosk",
    "speak_whisperlive",
    "speak_wyoming",
    "whisperlive_client",
]

_Speak: TypeAlias = Callable[[Any, Any], Awaitable[tuple[list[dict[str, Any]], int]]]
WHISPERLIVE = "whisper-live==0.10.0"
_WHISPERLIVE_SHA256 = "0a37767b4e06106ef119a5a385a0a3f7d09df446fcfb8eccd0f98167f1dd77a5"
_STEP = 3_200
RATE = 16_000


def pieces(pcm: bytes, step: int = _STEP) -> list[bytes]:
    """A tenth of a second each."""
    return [pcm[at : at + step] for at in range(0, len(pcm), step)]


# --- Deepgram ---------------------------------------------------------------------------------


@dataclass
class ListenTalk:
    """What a Deepgram client was sent."""

    messages: list[Any] = field(default_factory=list[Any])

    def of(self, kind: str) -> list[Any]:
        return [message for message in self.messages if message.type == kind]

    @property
    def finals(self) -> list[Any]:
        return [result for result in self.of("Results") if result.is_final]

    @property
    def text(self) -> str:
        texts = (result.channel.alternatives[0].transcript for result in self.finals)
        return " ".join(text for text in texts if text)


def deepgram_client(
    port: int, *, key: str = "unused", over: httpx.AsyncClient | None = None
) -> AsyncDeepgramClient:
    """Deepgram's own client against this machine."""
    http, socket = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    where = DeepgramClientEnvironment(base=http, production=socket, agent=socket, agent_rest=http)
    return AsyncDeepgramClient(api_key=key, environment=where, httpx_client=over)


async def speak_deepgram(
    port: int,
    audio: Sequence[bytes],
    *,
    finalize_after: int = -1,
    key: str = "unused",
    wait_s: float = 0.0,
    **options: Any,
) -> ListenTalk:
    """Stream audio, `wait_s` after each piece, close the stream, read to the end."""
    talk = ListenTalk()
    options = {"model": "nova-3", "encoding": "linear16", "sample_rate": RATE, **options}
    given = {name: value for name, value in options.items() if value is not None}
    async with deepgram_client(port, key=key).listen.v1.connect(**given) as stream:

        async def send() -> None:
            for index, piece in enumerate(audio):
                await stream.send_media(piece)
                await asyncio.sleep(wait_s)
                if index == finalize_after:
                    await stream.send_finalize()
            await stream.send_keep_alive()
            await stream.send_close_stream()

        sending = asyncio.create_task(send())
        async for message in stream:
            talk.messages.append(message)
        await sending
    return talk


# --- Vosk -------------------------------------------------------------------------------------


async def speak_vosk(url: str, pcm: bytes, *, pace: float = 0.0) -> list[dict[str, Any]]:
    """Let the client of the package ``vosk`` send 16 kHz PCM; return its results.

    It gets its audio `pace` times as fast as it was spoken, or at once when that is 0.
    """
    rest = memoryview(pcm)

    async def read(size: int) -> bytes:
        nonlocal rest
        piece, rest = bytes(rest[:size]), rest[size:]
        await asyncio.sleep(len(piece) / 2 / RATE / pace if pace else 0.0)
        return piece

    # Its constructor loads a model; the part that speaks to servers needs none.
    client = SimpleNamespace(args=SimpleNamespace(server=url))
    process = SimpleNamespace(stdout=SimpleNamespace(read=read))
    speak = cast("_Speak", cast("Any", Transcriber).recognize_stream_server)
    results, _ = await speak(client, process)
    return results


# --- Wyoming ----------------------------------------------------------------------------------


async def speak_wyoming(
    port: int, pcm: bytes, *, language: str | None = None, wait_s: float = 0.0
) -> list[Event]:
    """Let the client of the package ``wyoming`` speak; return the events of the answer."""
    events: list[Event] = []
    async with AsyncTcpClient("127.0.0.1", port, read_timeout=60) as client:
        await client.write_event(Transcribe(language=language).event())
        await client.write_event(AudioStart(RATE, 2, 1).event())
        for piece in pieces(pcm):
            await client.write_event(AudioChunk(RATE, 2, 1, piece).event())
            await asyncio.sleep(wait_s)
        await client.write_event(AudioStop().event())
        while not events or events[-1].type not in {"transcript-stop", "error"}:
            event = await client.read_event()
            assert event is not None, "the server left"
            events.append(event)
    return events


# --- WhisperLive ------------------------------------------------------------------------------

_SCRIPT = """
import json, sys, types
sys.modules["pyaudio"] = types.ModuleType("pyaudio")  # a microphone: not needed here
sys.modules.setdefault("scipy", types.ModuleType("scipy"))
sys.path.insert(0, sys.argv[1])
port, options, pace = sys.argv[2], json.loads(sys.argv[3]), float(sys.argv[4])
import numpy, time
from whisper_live.client import Client
heard = []
client = Client(
    "127.0.0.1", port, srt_file_path=None, log_transcription=False,
    transcription_callback=lambda text, segments: heard.append(segments), **options,
)
while not client.recording and client.ws_thread.is_alive() and not client.waiting:
    client.ws_thread.join(0.01)
pcm = numpy.frombuffer(sys.stdin.buffer.read(), dtype="<i2").astype(numpy.float32) / 32768.0
if client.recording:
    for at in range(0, len(pcm), 4096):
        client.send_packet_to_server(pcm[at : at + 4096].tobytes())
        time.sleep(4096 / 16000 / pace if pace else 0)
    client.send_packet_to_server(Client.END_OF_AUDIO.encode())
client.ws_thread.join(60)
print()
print(json.dumps({
    "transcript": client.transcript, "lists": heard, "language": client.language,
    "waiting": client.waiting, "error": str(getattr(client, "error_message", "")),
}))
"""


def whisperlive_client(folder: Path) -> Path:
    """Fetch WhisperLive's client, without the torch that its server needs; return where it is.

    Raises:
        OSError: the package index cannot be reached.
    """
    fetch = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
    done = subprocess.run([*fetch, WHISPERLIVE], capture_output=True, check=False, timeout=120)
    if done.returncode:
        raise OSError(done.stderr.decode()[-300:])
    (wheel,) = folder.glob("*.whl")
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() == _WHISPERLIVE_SHA256
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


async def speak_whisperlive(
    folder: Path, port: int, pcm: bytes, *, token: str = "", pace: float = 0.0, **options: Any
) -> dict[str, Any]:
    """Let WhisperLive's own client speak, in a process of its own; return what it kept.

    It knows no tokens: one is written behind the port, into the address that it makes.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _SCRIPT,
        str(folder),
        f"{port}/?token={token}" if token else str(port),
        json.dumps(options),
        str(pace),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate(pcm)
    assert process.returncode == 0, errors.decode()[-2_000:]
    return json.loads(out.decode().splitlines()[-1])
