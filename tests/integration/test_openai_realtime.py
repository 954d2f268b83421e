"""OpenAI's realtime transcription over the real desk and fake engines."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from greffier_server.core.events import SessionFinished, SessionStarted
from tests.support.conversations import Conversation, conversation, encoded
from tests.support.desk import as_bytes, until
from tests.support.recordings import recording_of
from tests.support.served_desk import ServedDesk, served_desk

pytestmark = pytest.mark.integration

PATH = "/v1/realtime?intent=transcription"
SPOKEN = recording_of([(200, 300), (100, 300), (2_000, 400), (60, 300)], stops=[1, 3], end_ms=500)
PCM = as_bytes(SPOKEN.pcm)
DELTA = "conversation.item.input_audio_transcription.delta"
COMPLETED = "conversation.item.input_audio_transcription.completed"
COMMIT = {"type": "input_audio_buffer.commit"}


def update(**given: Any) -> dict[str, Any]:
    """A session of 16 kHz PCM in French; `given` goes into ``audio.input``."""
    wanted = {
        "format": {"type": "audio/pcm", "rate": 16_000},
        "transcription": {"model": "whisper-1", "language": "fr"},
        **given,
    }
    return {
        "type": "session.update",
        "session": {"type": "transcription", "audio": {"input": wanted}},
    }


def append(audio: bytes = PCM) -> dict[str, Any]:
    return {"type": "input_audio_buffer.append", "audio": encoded(audio)}


def transcripts(talk: Conversation) -> list[str]:
    return [event["transcript"] for event in talk.of(COMPLETED)]


async def speak(talk: Conversation, *, manual: bool = True) -> str:
    """Say everything; return what was understood."""
    await talk.receive("session.created")
    await talk.send(update(turn_detection=None if manual else {"type": "server_vad"}))
    await talk.receive("session.updated")
    await talk.send(append())
    await talk.send(COMMIT)
    await talk.receive(COMPLETED, count=1 if manual else 2)
    return " ".join(transcripts(talk))


async def starts(server: ServedDesk) -> list[SessionStarted]:
    """What every session was asked to do."""
    events = [await server.events(session) for session in await server.sessions()]
    return [event for [event, *_] in events if isinstance(event, SessionStarted)]


async def test_items_are_found_by_pauses() -> None:
    async with served_desk() as server, conversation(server.url, PATH) as talk:
        assert await speak(talk, manual=False) == "w0 w1. w2 w3."
        talk.check("openai-realtime-vad")
        first, second = talk.of("input_audio_buffer.committed")
        assert first["previous_item_id"] is None
        assert second["previous_item_id"] == first["item_id"]
        for item in (first["item_id"], second["item_id"]):
            said = "".join(event["delta"] for event in talk.of(DELTA) if event["item_id"] == item)
            [whole] = [event for event in talk.of(COMPLETED) if event["item_id"] == item]
            assert said == whole["transcript"]
        [session] = await server.sessions()
        assert server.audio(session) == PCM  # nothing is added, nothing is lost


async def test_items_that_the_client_commits() -> None:
    async with served_desk() as server, conversation(server.url, PATH) as talk:
        assert await speak(talk) == "w0 w1. w2 w3."
        await talk.send(append(PCM[: 16 * 2 * 1_500]))
        await talk.send(append(PCM[16 * 2 * 1_500 :]))
        await talk.send(COMMIT)
        await talk.receive(COMPLETED)
        talk.check("openai-realtime-manual")
        assert transcripts(talk)[1] == "w0 w1. w2 w3."
        sessions = await server.sessions()
        [link] = [start.continues for start in await starts(server) if start.continues]
        assert link.session in sessions
        assert link.from_ms == SPOKEN.duration_ms


async def test_the_shape_of_before() -> None:
    headers = {"OpenAI-Beta": "realtime=v1"}
    async with served_desk() as server, conversation(server.url, PATH, headers=headers) as talk:
        await talk.receive("transcription_session.created")
        told = {
            "input_audio_format": "g711_ulaw",
            "input_audio_transcription": {"model": "gpt-4o-transcribe", "language": "fr"},
            "turn_detection": {"type": "server_vad", "threshold": 0.6},
            "include": ["item.input_audio_transcription.logprobs"],
        }
        await talk.send({"type": "transcription_session.update", "session": told})
        await talk.receive("transcription_session.updated")
        await talk.send(append(b"\xff" * 8_000))
        await talk.send(COMMIT)
        await talk.receive(COMPLETED)
        talk.check("openai-realtime-before")
        [session] = await server.sessions()
        assert server.audio(session) == b"\xff" * 8_000


async def test_a_change_holds_for_the_audio_behind_it() -> None:
    async with served_desk() as server, conversation(server.url, PATH) as talk:
        await talk.receive("session.created")
        await talk.send(update())
        await talk.send(append())
        await talk.send(update(transcription={"model": "whisper-1", "language": "en"}))
        await talk.send(append())
        await talk.send(COMMIT)
        await talk.receive(COMPLETED, count=4)
        assert transcripts(talk) == ["w0 w1.", "w2 w3."] * 2
        begun = talk.of("input_audio_buffer.speech_started")
        assert begun[2]["audio_start_ms"] == begun[0]["audio_start_ms"] + SPOKEN.duration_ms
        assert {start.language for start in await starts(server)} == {"fr", "en"}


async def test_a_cleared_buffer_is_not_told() -> None:
    async with served_desk() as server, conversation(server.url, PATH) as talk:
        await talk.receive("session.created")
        await talk.send(update(turn_detection=None))
        await talk.send(append())
        await talk.send({"type": "input_audio_buffer.clear"})
        await talk.receive("input_audio_buffer.cleared")
        await talk.send(append())
        await talk.send(COMMIT)
        await talk.receive(COMPLETED)
        assert transcripts(talk) == ["w0 w1. w2 w3."]
        assert len(await server.sessions()) == 2


async def test_who_leaves_ends_the_session() -> None:
    async with served_desk() as server:
        async with conversation(server.url, PATH) as talk:
            await talk.receive("session.created")
            await talk.send(update())
            await talk.send(append(PCM[:16_001]))  # half a sample stays behind
            await talk.receive("session.updated")
            await until(server.kit.disk.files.values, timeout_s=30)
        await until(lambda: not server.kit.desk.live_count, timeout_s=30)
        [session] = await server.sessions()
        assert server.audio(session) == PCM[:16_000]
        assert isinstance((await server.events(session))[-1], SessionFinished)


HOSTILE: list[tuple[Any, str, str | None]] = [
    ("{", "malformed_message", None),
    ("[" * 5_000, "malformed_message", None),
    ("[1]", "malformed_message", None),
    ('{"type":NaN}', "malformed_message", None),
    (b"\x00\x01", "malformed_message", None),
    ({}, "invalid_value", "type"),
    ({"type": {"a": []}}, "invalid_value", "type"),
    ({"type": "response.create"}, "invalid_value", "type"),
    ({"type": "input_audio_buffer.append"}, "invalid_audio", None),
    ({"type": "input_audio_buffer.append", "audio": 7}, "invalid_audio", None),
    ({"type": "input_audio_buffer.append", "audio": "é€"}, "invalid_audio", None),
    ({"type": "input_audio_buffer.append", "audio": "AAA"}, "invalid_audio", None),
    (COMMIT, "input_audio_buffer_commit_empty", None),
    ({"type": "session.update"}, "invalid_value", "session"),
    ({"type": "session.update", "session": []}, "invalid_value", "session"),
    ({"type": "session.update", "session": {"type": "realtime"}}, "invalid_value", "session.type"),
    (update(format={"type": "audio/mp3"}), "invalid_value", "session.audio.input.format.type"),
    (
        update(format={"type": "audio/pcm", "rate": 10**40}),
        "invalid_value",
        "session.audio.input.format.rate",
    ),
    (
        update(transcription={"language": "klingon"}),
        "invalid_value",
        "session.audio.input.transcription.language",
    ),
    (
        update(transcription={"prompt": ["x"]}),
        "invalid_value",
        "session.audio.input.transcription.prompt",
    ),
    (
        update(turn_detection={"type": "magic"}),
        "invalid_value",
        "session.audio.input.turn_detection.type",
    ),
]


async def test_what_cannot_be_used_is_answered_and_the_conversation_goes_on() -> None:
    async with served_desk() as server, conversation(server.url, PATH) as talk:
        await talk.receive("session.created")
        for message, code, param in HOSTILE:
            event_id = None
            if isinstance(message, Mapping):
                event_id = "mine"
                await talk.socket.send(json.dumps({**message, "event_id": event_id}))
            else:
                await talk.socket.send(message)
            error = (await talk.receive("error"))["error"]
            shown = (error["code"], error["param"], error["event_id"], error["type"])
            assert shown == (code, param, event_id, "invalid_request_error"), message
        assert await server.sessions() == []
        unknown = {"noise_reduction": {"type": "far_field"}, "new": [1], "turn_detection": None}
        await talk.send({**update(**unknown), "also": "\ud800"})
        await talk.receive("session.updated")
        await talk.send(append())
        await talk.send(COMMIT)
        await talk.receive(COMPLETED)
        assert transcripts(talk) == ["w0 w1. w2 w3."]


async def test_a_client_that_does_not_mend_its_ways_is_let_go() -> None:
    async with served_desk() as server, conversation(server.url, PATH) as talk:
        for _ in range(101):
            await talk.socket.send("{")
        with pytest.raises(ConnectionClosed) as ended:
            await talk.receive("never")
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 4400


async def test_no_room_is_told_and_can_be_tried_again() -> None:
    async with (
        served_desk(max_sessions=1) as server,
        conversation(server.url, PATH) as first,
        conversation(server.url, PATH) as talk,
    ):
        await first.send(update())
        await first.send(append(PCM[:3_200]))
        await until(lambda: server.kit.desk.live_count, timeout_s=30)
        await talk.send(update(turn_detection=None))
        await talk.send(append())
        error = await talk.receive("error")
        assert error["error"]["code"] == "server_busy"
        assert error["error"]["type"] == "server_error"
        await first.socket.close()
        await until(lambda: not server.kit.desk.live_count, timeout_s=30)
        await talk.send(append())
        await talk.send(COMMIT)
        await talk.receive(COMPLETED)
        assert transcripts(talk) == ["w0 w1. w2 w3."]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "audio", "input", "format", "rate", "transcription", "language", "prompt"]
            )
            | st.text(max_size=6),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
KINDS = st.sampled_from(
    [
        "session.update",
        "transcription_session.update",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "input_audio_buffer.clear",
        "input_audio.append",
        "input_audio.flush",
        "x",
    ]
)
NAMES = st.sampled_from(["session", "audio", "event_id", "model", "final"])


def _frame(kind: str, rest: dict[str, Any]) -> str:
    return json.dumps({**rest, "type": kind})


FRAMES = st.one_of(
    st.builds(
        _frame,
        KINDS,
        st.dictionaries(NAMES, VALUES | st.binary(max_size=400).map(encoded), max_size=3),
    ),
    VALUES.map(json.dumps),
    st.text(max_size=40),
    st.binary(max_size=40),
)
PATHS = ("/v1/realtime", "/v1/audio/transcriptions/realtime?model=x")


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(talks=st.lists(st.lists(FRAMES, min_size=1, max_size=6), min_size=10, max_size=10))
def test_no_conversation_harms_the_server_or_another_one(talks: list[list[str | bytes]]) -> None:
    asyncio.run(_beside(talks))


async def _beside(talks: list[list[str | bytes]]) -> None:
    async with served_desk(max_sessions=12) as server, conversation(server.url, PATH) as calm:
        speaking = asyncio.create_task(speak(calm))
        for place, frames in enumerate(talks):
            await _say(server, PATHS[place % 2], frames)
        assert await speaking == "w0 w1. w2 w3."


async def _say(server: ServedDesk, path: str, frames: list[str | bytes]) -> None:
    async with conversation(server.url, path) as talk:
        await talk.receive("session.created")
        for frame in frames:
            await talk.socket.send(frame)
        await talk.socket.send("{")  # so that there is an answer to wait for
        await talk.receive("error")
