"""Whatever clients of other protocols send, they are answered, and a session beside goes on."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

import greffier
from greffier.exchange import exchange
from greffier_server.transport.wyoming.listener import open_wyoming
from greffier_server.wyoming_settings import WyomingSettings
from tests.support.served_desk import ServedDesk, served_desk
from tests.support.spoken import AUDIO
from tests.support.voices import pieces

pytestmark = pytest.mark.integration

QUIET_S = 0.5
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["type", "uid", "config", "eof", "reset", "language", "task", "hotwords", "sample_rate",
     "phrase_list", "words", "max_alternatives", "send_last_n_segments", "audio_format",
     "target_language", "enable_translation", "keyterms"]
)  # fmt: skip
KNOWN = st.sampled_from(
    [
        '{"type":"KeepAlive"}',
        '{"type":"Finalize"}',
        '{"type":"CloseStream"}',
        '{"config":{"sample_rate":16000,"phrase_list":[null,7],"words":[]}}',
        '{"reset":1}',
        '{"eof" : 1}',
        '{"uid":"u","language":null}',
        b"END_OF_AUDIO",
        b"",
        AUDIO[:6_400],
        b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data",
    ]
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)
FRAMES = st.one_of(
    KNOWN, OBJECTS.map(json.dumps), VALUES.map(json.dumps), st.text(max_size=30),
    st.binary(max_size=300),
)  # fmt: skip
PATHS = st.sampled_from(
    ["/", "/vosk", "/whisperlive", "/v1/listen", "/v1/listen?encoding=linear16&sample_rate=16000",
     "/v1/listen?encoding=mulaw&interim_results=true&utterance_end_ms=1",
     "/vosk?language=%F0&punctuated=maybe"]
)  # fmt: skip
TALKS = st.lists(st.tuples(PATHS, st.lists(FRAMES, min_size=1, max_size=4)), min_size=6, max_size=6)


def _event(kind: str, fields: dict[str, Any], payload: bytes) -> bytes:
    length = {"payload_length": len(payload)} if payload else {}
    return json.dumps({"type": kind, "data": fields, **length}).encode() + b"\n" + payload


EVENTS = st.builds(
    _event,
    st.sampled_from(["describe", "transcribe", "audio-start", "audio-chunk", "audio-stop", "x"]),
    st.just({"rate": 16_000, "width": 2, "channels": 1}) | OBJECTS,
    st.binary(max_size=40),
)
BYTES = st.lists(EVENTS | st.binary(max_size=60), min_size=1, max_size=5)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(talks=TALKS, streams=st.lists(BYTES, min_size=3, max_size=3))
def test_nothing_a_client_sends_touches_the_session_beside(
    talks: list[tuple[str, list[str | bytes]]], streams: list[list[bytes]]
) -> None:
    asyncio.run(_beside(talks, streams))


async def _beside(talks: list[tuple[str, list[str | bytes]]], streams: list[list[bytes]]) -> None:
    async with (
        served_desk(max_sessions=12) as server,
        open_wyoming(WyomingSettings(port=0), server.doorway) as listener,
        asyncio.TaskGroup() as group,
    ):
        assert listener is not None
        spoken = group.create_task(_speak(server))
        for path, frames in talks:
            group.create_task(_converse(f"{server.url}{path}", frames))
        for stream in streams:
            group.create_task(_write(listener.port, b"".join(stream)))
        text = await spoken
        assert text.split()[-1] == "w19."
        assert len(text.split()) == 20


async def _speak(server: ServedDesk) -> str:
    async def chunks() -> AsyncGenerator[bytes, None]:
        for piece in pieces(AUDIO):
            yield piece
            await asyncio.sleep(0.005)

    said = ""
    async with greffier.connect(server.url, language="fr", minutes=False) as session:
        async for message in exchange(session, chunks()):
            said += message.committed if isinstance(message, greffier.Caption) else ""
    return said


async def _converse(url: str, frames: list[str | bytes]) -> None:
    """Send everything, and read until the server closes or has no more to say."""
    with contextlib.suppress(InvalidStatus, ConnectionClosed):
        async with connect(url, proxy=None) as client:
            for frame in frames:
                await client.send(frame)
            with contextlib.suppress(TimeoutError):
                while True:
                    async with asyncio.timeout(QUIET_S):
                        answer: Any = json.loads(await client.recv())
                    assert isinstance(answer, dict)


async def _write(port: int, content: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        with contextlib.suppress(OSError):
            writer.write(content)
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(QUIET_S):
                    while await reader.read(65_536):
                        pass
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
