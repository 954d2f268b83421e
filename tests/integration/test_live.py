"""The native WebSocket over real sockets: the way of a session, from start to finished."""

import asyncio
import json

import pytest
from websockets.asyncio.client import ClientConnection

from greffier.codec import decode_server
from greffier_models.types import Word
from greffier_server.core.events import (
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    TailRevised,
    WordsCommitted,
)
from greffier_server.services import Readiness
from greffier_server.settings import LimitSettings, Settings
from tests.support.served import outcome, receive, served, until

pytestmark = pytest.mark.integration

SECOND = b"\x01\x00" * 16_000
WORDS = (Word(" one", 0, 300, 0.9), Word(" two", 300, 700, 0.8))


async def test_a_session_from_start_to_finished() -> None:
    async with served() as server, server.speaking(title="Net", language="fr") as (client, started):
        assert client.subprotocol == "greffier.v1"
        assert started["samples"] == 0
        assert started["token"]
        await client.send(SECOND)
        assert await receive(client, "ack") == {"type": "ack", "samples": 16_000}
        session = server.desk.only()
        session.finish_by_itself = False
        await session.log.append(
            SegmentOpened(1, 0, "fr", "A"), TailRevised(1, " on", 0, 300, "fr", lag_ms=40)
        )
        tail = await receive(client, "caption")
        assert (tail["committed"], tail["tail"], tail["speaker"]) == ("", " on", "A")
        await session.log.append(WordsCommitted(1, WORDS, " thr", lag_ms=900))
        caption = await receive(client, "caption")
        assert caption["committed"] == " one two"
        assert [word["text"] for word in caption["words"]] == [" one", " two"]
        assert (caption["tail"], caption["lag_ms"], caption["language"]) == (" thr", 900, "fr")
        await session.log.append(SegmentClosed(1, 0, 800), SegmentTranslated(1, "en", "One two"))
        last = await receive(client, "caption")
        assert (last["closed"], last["committed"], last["end_ms"]) == (True, "", 800)
        assert (await receive(client, "translation"))["committed"] == "One two"
        await client.send('{"type":"finish"}')
        await session.complete()
        assert (await receive(client, "finished"))["reason"] == "finish"
        assert (await outcome(client))[1] == 1000
        assert session.detached == []
        assert bytes(session.audio) == SECOND


async def test_every_message_is_one_of_the_protocol() -> None:
    async with served() as server, server.speaking() as (client, _):
        await client.send(SECOND)
        session = server.desk.only()
        await session.log.append(SegmentOpened(1, 0, "fr"), WordsCommitted(1, WORDS))
        await client.send('{"type":"finish"}')
        kinds = [type(decode_server(frame)).__name__ async for frame in client]
        assert kinds.count("Finished") == 1
        assert kinds[-1] == "Finished"
        assert {"Ack", "Caption"} <= set(kinds)


@pytest.mark.parametrize("audio", [b"", bytes(32_000)])
async def test_silent_or_no_audio_ends_cleanly(audio: bytes) -> None:
    async with served() as server, server.speaking() as (client, _):
        await client.send(audio)
        await client.send('{"type":"finish"}')
        assert (await receive(client, "finished"))["reason"] == "finish"
        assert (await outcome(client))[1] == 1000


async def test_acknowledged_is_what_is_durable() -> None:
    async with served() as server, server.speaking() as (client, _):
        session = server.desk.only()
        session.hold = True
        await client.send(SECOND)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await client.recv()
        session.sync()
        assert (await receive(client, "ack"))["samples"] == 16_000


async def test_a_full_buffer_stops_the_reading_and_nothing_is_lost() -> None:
    async with served() as server, server.speaking() as (client, _):
        session = server.desk.only()
        session.full.clear()
        sending = asyncio.create_task(_send(client, frames=600))
        await asyncio.sleep(0.5)
        assert not sending.done()
        session.full.set()
        await sending
        await client.send('{"type":"finish"}')
        await receive(client, "finished")
        assert len(session.audio) == 600 * len(SECOND)


async def _send(client: ClientConnection, *, frames: int) -> None:
    for _ in range(frames):
        await client.send(SECOND)


async def test_a_client_that_vanishes_detaches_and_resumes() -> None:
    async with served() as server:
        async with server.speaking() as (client, started):
            await client.send(SECOND)
            await receive(client, "ack")
            session = server.desk.only()
            await session.log.append(SegmentOpened(1, 0, "fr", "B"), WordsCommitted(1, WORDS))
            seen = await receive(client, "caption")
            client.transport.abort()
        await until(lambda: session.detached)
        resume = {
            "session": started["session"],
            "token": started["token"],
            "from_sample": 16_000,
            "after_seq": seen["seq"],
        }
        async with server.speaking(resume=resume) as (client, again):
            assert again["samples"] == 16_000
            assert again["session"] == started["session"]
            await session.log.append(SegmentClosed(1, 0, 800))
            caption = await receive(client, "caption")
            assert caption["closed"]
            assert caption["speaker"] == "B"  # learnt from events before the cursor
            await client.send(SECOND)
            assert (await receive(client, "ack"))["samples"] == 32_000


async def test_viewers_get_history_then_live_in_their_languages() -> None:
    async with served() as server, server.speaking(translate_to=["en", "de"]) as (_, started):
        session = server.desk.only()
        await session.log.append(SegmentOpened(1, 0, "fr"), WordsCommitted(1, WORDS))
        async with server.connect() as viewer:
            watch = {"type": "watch", "session": started["session"], "languages": ["en"]}
            await viewer.send(json.dumps(watch))
            greeting = await receive(viewer)
            assert greeting["type"] == "started"
            assert greeting["token"] == ""
            assert (await receive(viewer, "caption"))["committed"] == " one two"
            await session.log.append(
                SegmentTranslated(1, "de", "Eins zwei"), SegmentTranslated(1, "en", "One two")
            )
            assert (await receive(viewer))["language"] == "en"
            await session.finish()
            await receive(viewer, "finished")
            assert (await outcome(viewer))[1] == 1000


async def test_a_viewer_goes_on_after_its_last_event() -> None:
    async with served() as server, server.speaking() as (_, started):
        session = server.desk.only()
        await session.log.append(SegmentOpened(1, 0, "fr"), WordsCommitted(1, WORDS[:1]))
        after = session.log.seq
        await session.log.append(WordsCommitted(1, WORDS[1:]))
        async with server.connect() as viewer:
            watch = {"type": "watch", "session": started["session"], "after_seq": after}
            await viewer.send(json.dumps(watch))
            assert (await receive(viewer, "caption"))["committed"] == " two"


async def test_a_slow_viewer_does_not_slow_the_session() -> None:
    async with served() as server, server.speaking() as (speaker, started):
        session = server.desk.only()
        async with server.connect(max_queue=1) as viewer:
            await viewer.send(json.dumps({"type": "watch", "session": started["session"]}))
            await session.log.append(SegmentOpened(1, 0, "fr"))
            filler = Word(" " + "x" * 20_000, 0, 1, 1.0)
            reading = asyncio.create_task(receive(speaker, "finished"))
            for _ in range(400):
                await session.log.append(WordsCommitted(1, (filler,)))
            await session.finish()
            assert (await reading)["reason"] == "finish"  # the viewer has read nothing yet
            captions = 0
            while (message := json.loads(await viewer.recv()))["type"] != "finished":
                captions += message["type"] == "caption"
            assert captions == 400


async def test_a_stopping_server_acknowledges_and_says_so() -> None:
    async with served() as server, server.speaking() as (client, _):
        session = server.desk.only()
        session.hold = True
        await client.send(SECOND)
        await until(lambda: session.accepted_samples)
        server.server.should_exit = True
        await asyncio.sleep(0.2)
        session.sync()
        assert (await receive(client, "ack"))["samples"] == 16_000
        error = await receive(client, "error")
        assert (error["code"], error["retryable"]) == ("server_stopping", True)
        assert (await outcome(client))[1] == 1012
        assert session.detached == ["server_stopping"]


async def test_a_session_that_is_deleted_ends_its_viewers() -> None:
    async with served() as server, server.speaking() as (_, started), server.connect() as viewer:
        await viewer.send(json.dumps({"type": "watch", "session": started["session"]}))
        await receive(viewer, "started")
        await server.desk.delete("default", started["session"])
        assert (await receive(viewer, "error"))["code"] == "session_closed"
        assert (await outcome(viewer))[1] == 4410


async def test_missing_weights_refuse_the_session_with_the_command() -> None:
    async with served() as server, server.connect() as client:
        server.readiness.append(Readiness(ready=False, reason="run greffier models pull x"))
        await client.send('{"type":"start"}')
        error = await receive(client)
        assert (error["code"], error["retryable"]) == ("model_not_loaded", True)
        assert "greffier models pull x" in error["message"]
        assert (await outcome(client))[1] == 1013
        assert b'sessions_rejected_total{reason="model_not_loaded"} 1.0' in (
            server.metrics.exposition()
        )


async def test_while_the_recogniser_is_down_old_sessions_resume_and_new_ones_wait() -> None:
    async with served() as server:
        async with server.speaking() as (client, started):
            session = server.desk.only()
            client.transport.abort()
        await until(lambda: session.detached)
        server.readiness.append(Readiness(ready=False, reason="It fails.", resumable=True))
        async with server.connect() as other:
            await other.send('{"type":"start"}')
            assert (await receive(other))["code"] == "model_not_loaded"
        resume = {"session": started["session"], "token": started["token"]}
        async with server.speaking(resume=resume) as (_, again):
            assert again["session"] == started["session"]


async def test_connections_are_limited() -> None:
    settings = Settings(limits=LimitSettings(connections=1))
    async with served(settings) as server, server.speaking(), server.connect() as second:
        assert (await receive(second))["code"] == "server_busy"
        assert (await outcome(second))[1] == 1013


async def test_no_task_is_left_behind() -> None:
    async with served() as server:
        before = len(asyncio.all_tasks())
        for ending in ('{"type":"finish"}', '{"type":"start"}', "no json"):
            async with server.speaking() as (client, _):
                await client.send(ending)
                await outcome(client)
        await until(lambda: len(asyncio.all_tasks()) <= before and server.connections.count == 0)
