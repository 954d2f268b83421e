"""Mistral's realtime transcription, hosted and as vLLM speaks it, over the real desk and fakes."""

import json
from typing import Any

import numpy as np
import pytest

from greffier_server.core.events import SessionStarted
from tests.support.conversations import Conversation, conversation, encoded
from tests.support.desk import as_bytes
from tests.support.recordings import recording_of
from tests.support.served_desk import served_desk

pytestmark = pytest.mark.integration

HOSTED = "/v1/audio/transcriptions/realtime?model=voxtral-mini"
VLLM = "/v1/realtime"
SPOKEN = recording_of([(200, 300), (100, 300), (2_000, 400), (60, 300)], stops=[1, 3], end_ms=500)
PCM = as_bytes(SPOKEN.pcm)
TEXT = "w0 w1. w2 w3."


def update(**session: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": session}


def append(audio: bytes) -> dict[str, Any]:
    return {"type": "input_audio.append", "audio": encoded(audio)}


def sounding(encoding: str) -> dict[str, Any]:
    return {"encoding": encoding, "sample_rate": 16_000}


async def end(talk: Conversation) -> dict[str, Any]:
    await talk.send({"type": "input_audio.flush"})
    await talk.send({"type": "input_audio.end"})
    return await talk.receive("transcription.done")


async def test_hosted() -> None:
    async with served_desk() as server, conversation(server.url, HOSTED) as talk:
        await talk.receive("session.created")
        await talk.send(
            update(
                audio_format=sounding("pcm_s16le"),
                language="fr",
                context_bias=["SDIS"],
                target_streaming_delay_ms=480,
                turn_detection={},
                new=1,
            )
        )
        await talk.receive("session.updated")
        for at in range(0, len(PCM), 9_999):  # samples are cut in two
            await talk.send(append(PCM[at : at + 9_999]))
        done = await end(talk)
        talk.check("mistral-hosted")
        assert done["text"] == TEXT
        assert "".join(event["text"] for event in talk.of("transcription.text.delta")) == TEXT
        await talk.socket.wait_closed()
        assert talk.socket.close_code == 1000
        [session] = await server.sessions()
        started = (await server.events(session))[0]
        assert isinstance(started, SessionStarted)
        assert [entry.term for entry in started.glossary] == ["SDIS"]
        assert server.audio(session) == PCM


async def test_wider_samples_are_the_same_sound() -> None:
    samples = np.frombuffer(PCM, "<i2")
    wider = {
        "pcm_s32le": (samples.astype("<i4") << 16).tobytes(),
        "pcm_f32le": (samples / 32_768).astype("<f4").tobytes(),
    }
    async with served_desk() as server:
        for encoding, audio in wider.items():
            async with conversation(server.url, HOSTED) as talk:
                await talk.send(update(audio_format=sounding(encoding), language="fr"))
                await talk.send(append(audio))
                assert (await end(talk))["text"] == TEXT
        async with conversation(server.url, HOSTED) as talk:
            await talk.send(update(audio_format=sounding("pcm_f16le")))
            await talk.send(append(np.array([0.5, -0.25], "<f2").tobytes() + b"\x00"))
            await end(talk)
        audio = [server.audio(session) for session in await server.sessions()]
        assert np.array([0.5, -0.25], "<f4").tobytes() in audio


HOSTILE: list[Any] = [
    "{",
    b"\x00",
    {"type": "input_audio_buffer.append"},
    {"type": ["x"]},
    {"type": "input_audio.append", "audio": "?"},
    {"type": "session.update", "session": 3},
    update(audio_format={"encoding": "mp3", "sample_rate": 16_000}),
    update(audio_format={"encoding": "pcm_s16le", "sample_rate": "x"}),
    update(audio_format={"encoding": "pcm_s16le", "sample_rate": 1}),
    update(language=["fr"]),
    update(language="klingon"),
    update(context_bias="SDIS"),
]


async def test_what_cannot_be_used_is_answered() -> None:
    async with served_desk() as server, conversation(server.url, HOSTED) as talk:
        for message in HOSTILE:
            raw = message if isinstance(message, str | bytes) else json.dumps(message)
            await talk.socket.send(raw)
            error = await talk.receive("error")
            assert error["error"]["code"] == 400, message
            assert error["error"]["message"]
        await talk.send(update(language="fr"))
        await talk.send(append(PCM))
        await talk.send(update(language="en"))
        assert "before its audio" in (await talk.receive("error"))["error"]["message"]
        assert (await end(talk))["text"] == TEXT


async def test_vllm() -> None:
    async with served_desk() as server, conversation(server.url, VLLM) as talk:
        created = await talk.receive("session.created")
        assert created["id"].startswith("sess")
        assert isinstance(created["created"], int)
        await talk.send({"type": "session.update", "model": "voxtral"})
        for _ in range(2):
            await talk.send({"type": "input_audio_buffer.commit"})
            await talk.send({"type": "input_audio_buffer.append", "audio": encoded(PCM)})
            await talk.send({"type": "input_audio_buffer.commit", "final": True})
            assert (await talk.receive("transcription.done"))["text"] == TEXT
        talk.check("vllm-realtime")
        for message in ({"type": "x"}, {"type": "input_audio_buffer.append", "audio": "?"}):
            await talk.send(message)
            error = await talk.receive("error")
            assert isinstance(error["error"], str)
            assert error["code"] in {"unknown_event", "invalid_audio"}
        assert len(await server.sessions()) == 2
