"""Every protocol of sockets: a good conversation of each, and ways to have a bad one."""

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.support.containers import encoded as container
from tests.support.conversations import encoded
from tests.support.fuzz_frames import Frame, bent_bytes, bent_frames
from tests.support.spoken import AUDIO
from tests.support.voices import pieces

__all__ = ["SOCKETS", "Talk", "converse", "talks", "together", "write", "wyoming_streams"]

_QUIET_S: Final = 0.1
"""Nothing came for so long: the server has said what it had to say."""
_HANG_S: Final = 30.0
_SOUND: Final = AUDIO[:12_800]


@dataclass(frozen=True, slots=True)
class Talk:
    """What one client does."""

    path: str
    frames: tuple[Frame, ...]
    subprotocol: str | None = None


@dataclass(frozen=True, slots=True)
class Protocol:
    """Where it is spoken, and how it goes well."""

    path: str
    good: tuple[Frame, ...]
    query: tuple[tuple[str, str], ...] = ()
    subprotocol: str | None = None


def _json(**fields: Any) -> str:
    return json.dumps(fields)


_WANTED = {
    "format": {"type": "audio/pcm", "rate": 16_000},
    "transcription": {"model": "whisper-1", "language": "fr", "prompt": "SDIS"},
    "turn_detection": None,
    "noise_reduction": {"type": "far_field"},
}
_WEBM: Final = container("webm-opus", seconds=1.0)

SOCKETS: Final[Mapping[str, Protocol]] = {
    "native": Protocol(
        "/v1/live",
        (
            _json(
                type="start",
                language="fr",
                format={"encoding": "pcm_s16le", "rate": 16_000, "channels": 1},
                glossary=[{"term": "SDIS"}],
                translate_to=["en"],
                title="a",
                minutes=False,
            ),
            _SOUND,
            _json(type="missing", from_sample=0, to_sample=10, cause="packet_loss", channel=0),
            _SOUND,
            _json(type="finish"),
        ),
        subprotocol="greffier.v1",
    ),
    "native-container": Protocol(
        "/v1/live",
        (
            _json(
                type="start",
                language="fr",
                minutes=False,
                format={"encoding": "encoded", "rate": 16_000, "channels": 1},
            ),
            *pieces(_WEBM, 1_500),
            _json(type="finish"),
        ),
        subprotocol="greffier.v1",
    ),
    "openai-realtime": Protocol(
        "/v1/realtime",
        (
            _json(
                type="session.update",
                session={"type": "transcription", "audio": {"input": _WANTED}},
            ),
            _json(type="input_audio_buffer.append", audio=encoded(_SOUND), event_id="e1"),
            _json(type="input_audio_buffer.clear"),
            _json(type="input_audio_buffer.append", audio=encoded(_SOUND)),
            _json(type="input_audio_buffer.commit"),
        ),
        query=(("intent", "transcription"), ("model", "x")),
    ),
    "openai-realtime-before": Protocol(
        "/v1/realtime",
        (
            _json(
                type="transcription_session.update",
                session={
                    "input_audio_format": "g711_ulaw",
                    "input_audio_transcription": {"model": "x", "language": "fr"},
                    "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
                },
            ),
            _json(type="input_audio_buffer.append", audio=encoded(_SOUND)),
            _json(type="input_audio_buffer.commit"),
        ),
    ),
    "mistral-realtime": Protocol(
        "/v1/audio/transcriptions/realtime",
        (
            _json(
                type="session.update",
                session={
                    "audio_format": {"encoding": "pcm_s16le", "sample_rate": 16_000},
                    "language": "fr",
                    "context_bias": ["SDIS"],
                    "turn_detection": {},
                },
            ),
            _json(type="input_audio.append", audio=encoded(_SOUND)),
            _json(type="input_audio.flush"),
            _json(type="input_audio.end"),
        ),
        query=(("model", "x"),),
    ),
    "vllm-realtime": Protocol(
        "/v1/realtime",
        (
            _json(type="session.update", model="voxtral"),
            _json(type="input_audio_buffer.commit"),
            _json(type="input_audio_buffer.append", audio=encoded(_SOUND)),
            _json(type="input_audio_buffer.commit", final=True),
        ),
    ),
    "deepgram": Protocol(
        "/v1/listen",
        (
            _SOUND,
            '{"type":"KeepAlive"}',
            '{"type":"Finalize"}',
            _SOUND,
            '{"type":"Configure","keyterms":["a"]}',
            '{"type":"CloseStream"}',
        ),
        query=(
            ("encoding", "linear16"),
            ("sample_rate", "16000"),
            ("channels", "1"),
            ("interim_results", "true"),
            ("utterance_end_ms", "1000"),
            ("vad_events", "true"),
            ("keyterm", "SDIS"),
            ("language", "fr"),
            ("endpointing", "300"),
        ),
    ),
    "deepgram-container": Protocol(
        "/v1/listen",
        (*pieces(_WEBM, 1_500), '{"type":"CloseStream"}'),
        query=(("language", "fr"), ("channels", "1")),
    ),
    "whisperlive": Protocol(
        "/whisperlive",
        (
            _json(
                uid="u",
                language="fr",
                task="transcribe",
                model="small",
                send_last_n_segments=10,
                word_timestamps=True,
                hotwords="SDIS, Rennes",
                audio_format="int16",
                enable_translation=False,
                target_language="en",
            ),
            _SOUND,
            b"END_OF_AUDIO",
        ),
    ),
    "vosk": Protocol(
        "/vosk",
        (
            _json(
                config={
                    "sample_rate": 16_000,
                    "words": 1,
                    "max_alternatives": 0,
                    "phrase_list": ["a", "[unk]"],
                }
            ),
            _SOUND,
            '{"reset" : 1}',
            _SOUND,
            '{"eof" : 1}',
        ),
        query=(("language", "fr"), ("punctuated", "true"), ("profile", "radio")),
    ),
    "root": Protocol("/", (_json(uid="u", language=None), _SOUND, b"END_OF_AUDIO")),
}


def talks(name: str, *, at_once: int) -> st.SearchStrategy[list[Talk]]:
    """Some bad conversations of a protocol, to be had at once."""
    spoken = SOCKETS[name]
    given = st.text(max_size=8).map(quote) | st.sampled_from(["-1", "0", "1e9", "9" * 30, "%ff"])
    pairs = [st.just(f"{key}={value}") | given.map(f"{key}={{}}".format) | st.just("")
             for key, value in spoken.query]  # fmt: skip
    query = st.tuples(*pairs).map(lambda parts: "&".join(part for part in parts if part))
    path = query.map(lambda text: f"{spoken.path}?{text}" if text else spoken.path)
    one = st.builds(Talk, path, bent_frames(spoken.good).map(tuple), st.just(spoken.subprotocol))
    return st.lists(one, min_size=at_once, max_size=at_once)


async def converse(port: int, talk: Talk) -> None:
    """Say everything, read what is answered, and leave.

    Raises:
        AssertionError: an answer that no client could read.
        TimeoutError: the server hangs.
    """
    wanted = [Subprotocol(talk.subprotocol)] if talk.subprotocol else None
    with contextlib.suppress(InvalidStatus, ConnectionClosed):
        async with (
            asyncio.timeout(_HANG_S),
            connect(
                f"ws://127.0.0.1:{port}{talk.path}",
                subprotocols=wanted,
                proxy=None,
                compression=None,
                close_timeout=5,
            ) as socket,
        ):
            for frame in talk.frames:
                await socket.send(_sendable(frame))
            with contextlib.suppress(TimeoutError):
                while True:
                    answer = json.loads(await asyncio.wait_for(socket.recv(), _QUIET_S))
                    assert isinstance(answer, dict), answer


def _sendable(frame: Frame) -> Frame:
    """A lone surrogate cannot be sent as text: its bytes are, which no text frame may have."""
    if isinstance(frame, bytes):
        return frame
    try:
        frame.encode()
    except UnicodeEncodeError:
        return frame.encode(errors="surrogatepass")
    return frame


def _event(kind: str, fields: dict[str, Any], payload: bytes = b"") -> bytes:
    length = {"payload_length": len(payload)} if payload else {}
    return json.dumps({"type": kind, "data": fields, **length}).encode() + b"\n" + payload


_FORM = {"rate": 16_000, "width": 2, "channels": 1}
_WYOMING: Final = (
    _event("describe", {}),
    _event("transcribe", {"language": "fr"}),
    _event("audio-start", _FORM),
    _event("audio-chunk", _FORM, _SOUND),
    _event("ping", {"text": "a"}),
    _event("audio-stop", {}),
)


def wyoming_streams(*, at_once: int) -> st.SearchStrategy[list[bytes]]:
    """Bytes of some bad Wyoming connections."""
    events = [st.just(event) | bent_bytes(event) | st.just(b"") for event in _WYOMING]
    return st.lists(st.tuples(*events).map(b"".join), min_size=at_once, max_size=at_once)


async def write(port: int, content: bytes) -> None:
    """Write bytes to a port, read what comes, and leave.

    Raises:
        TimeoutError: the server hangs.
    """
    async with asyncio.timeout(_HANG_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            with contextlib.suppress(OSError):
                writer.write(content)
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    while await asyncio.wait_for(reader.read(65_536), _QUIET_S):
                        pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def together(port: int, some: Sequence[Talk]) -> None:
    """Have conversations at once."""
    async with asyncio.TaskGroup() as group:
        for talk in some:
            group.create_task(converse(port, talk))
