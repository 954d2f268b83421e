"""Every encoding over the native protocol: what is sent is what the session keeps."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray

import greffier
from greffier.live import LiveSession
from greffier.protocol import AudioFormat, Missing
from greffier_server.core.audio import decode_frames
from greffier_server.core.events import GapFound
from greffier_server.errors import StorageFailed
from tests.support.containers import encoded
from tests.support.served import Served, outcome, receive, served, until

pytestmark = pytest.mark.integration

WAVE = np.array([0, 1 << 30, -(1 << 31), (1 << 31) - 256, -(1 << 20), 256], np.int64)


def packed(encoding: str) -> bytes:
    order = ">" if encoding.endswith("be") else "<"
    match encoding[4:7]:
        case "s16":
            return (WAVE >> 16).astype(f"{order}i2").tobytes()
        case "s24":
            raw = (WAVE >> 8).astype(f"{order}i4").tobytes()
            wide = np.frombuffer(raw, np.uint8).reshape(-1, 4)
            return (wide[:, 1:] if order == ">" else wide[:, :3]).tobytes()
        case "s32":
            return WAVE.astype(f"{order}i4").tobytes()
        case _:
            return (WAVE / 2**31).astype(f"{order}f4").tobytes()


def kept(server: Served) -> NDArray[np.float32]:
    session = server.desk.only()
    return decode_frames(bytes(session.audio), session.format)


@pytest.mark.parametrize(
    "encoding",
    [f"pcm_{kind}{order}" for kind in ("s16", "s24", "s32", "f32") for order in ("le", "be")],
)
async def test_samples_are_what_they_were(encoding: str) -> None:
    form = {"encoding": encoding, "rate": 192_000, "channels": 1}
    async with served() as server, server.speaking(format=form) as (client, _):
        await client.send(packed(encoding))
        await client.send(packed(encoding)[:-1])
        error = await receive(client, "error")
        assert error["code"] == "misaligned_audio"
        assert np.allclose(kept(server), WAVE / 2**31, atol=2**-15)
        assert server.desk.only().format.encoding == encoding.replace("be", "le")


@pytest.mark.parametrize("name", ["webm-opus", "ogg-opus", "mp4-fragmented"])
async def test_a_container_is_decoded_and_resumed_with_a_new_one(name: str) -> None:
    form = {"encoding": "encoded", "rate": 16_000, "channels": 1}
    whole = encoded(name)
    async with served() as server:
        async with server.speaking(format=form) as (client, started):
            for at in range(0, len(whole), 700):
                await client.send(whole[at : at + 700])
            await receive(client, "ack")
        session = server.desk.only()
        await until(lambda: session.detached)
        first = session.durable_samples
        assert session.format == AudioFormat("pcm_s16le", 16_000, 1)
        assert first == pytest.approx(16_000, abs=2_000)
        resume = {
            "session": started["session"],
            "token": started["token"],
            "from_sample": first,
            "after_seq": 0,
        }
        async with server.speaking(format=form, resume=resume) as (client, again):
            assert again["samples"] == first
            await client.send(whole)
            await client.send(json.dumps({"type": "finish"}))
            await receive(client, "finished")
        assert session.durable_samples == pytest.approx(2 * first, abs=2_000)


async def test_what_is_no_container_ends_the_connection_and_keeps_the_session() -> None:
    form = {"encoding": "encoded"}
    async with served() as server:
        async with server.speaking(format=form) as (client, _):
            await client.send(encoded("ogg-opus"))
            await receive(client, "ack")
        async with server.speaking(format=form) as (client, _):
            await client.send(b"#EXTM3U\nfile:///etc/passwd\n")
            assert await outcome(client) == ("undecodable_audio", 4400)
        sessions = list(server.desk.sessions.values())
        assert [bool(session.audio) for session in sessions] == [True, False]
        assert not any(session.finished for session in sessions)


async def test_damage_is_told_as_a_gap() -> None:
    whole = bytearray(encoded("flac", seconds=3.0))
    middle = len(whole) // 2
    whole[middle : middle + 40] = bytes(40)
    form = {"encoding": "encoded"}
    async with served() as server, server.speaking(format=form) as (client, _):
        await client.send(bytes(whole))
        gap = await receive(client, "gap")
        await client.send(json.dumps({"type": "finish"}))
        await receive(client, "finished")
        session = server.desk.only()
    assert gap["cause"] == "undecodable_audio"
    assert 1_000 < gap["from_ms"] < gap["to_ms"] < 2_000
    lost = np.frombuffer(bytes(session.audio), "<i2")[
        gap["from_ms"] * 16 + 16 : gap["to_ms"] * 16 - 16
    ]
    assert not lost.any()
    assert session.durable_samples == pytest.approx(48_000, abs=100)


async def test_two_talk_beside_each_other_whatever_one_sends() -> None:
    async with (
        served() as server,
        server.speaking() as (good, _),
        server.speaking(format={"encoding": "encoded"}) as (bad, _),
    ):
        await bad.send(b"fLaC" + bytes(range(256)) * 400)
        await good.send(bytes(3_200))
        assert (await receive(good, "ack"))["samples"] == 1_600
        assert (await outcome(bad))[0] in ("undecodable_audio", "")


async def test_what_a_client_missed_is_a_gap() -> None:
    async with served() as server, server.speaking() as (client, _):
        await client.send(bytes(32_000))
        missing = {"type": "missing", "from_sample": 1_600, "to_sample": 3_200}
        await client.send(json.dumps({**missing, "cause": "packet_loss"}))
        gap = await receive(client, "gap")
        assert (gap["from_ms"], gap["to_ms"], gap["cause"]) == (100, 200, "packet_loss")
        await client.send(json.dumps({**missing, "to_sample": 16_001}))
        assert await outcome(client) == ("unexpected_message", 4400)
        assert server.desk.only().durable_samples == 16_000


async def test_our_client_says_it_again_after_a_lost_connection() -> None:
    async with served() as server:
        async with greffier.connect(server.http, language="fr") as session:
            assert isinstance(session, LiveSession)
            held = server.desk.only()
            held.hold = True  # nothing becomes durable, so nothing is acknowledged
            await session.send(bytes(32_000))
            session.note_missing(Missing(1_600, 3_200, "source_lost"))
            await until(lambda: gaps_of(server))
            held.fail_acks(StorageFailed("the disk is full"))
            await until(lambda: held.detached)
            del held.audio[:]
            held.ack_error, held.hold = None, False
            await until(lambda: len(gaps_of(server)) == 2)
        assert {(gap.from_ms, gap.to_ms) for gap in gaps_of(server)} == {(100, 200)}
        assert held.durable_samples == 16_000


def gaps_of(server: Served) -> list[GapFound]:
    events = [record.event for record in server.desk.only().log.records]
    return [event for event in events if isinstance(event, GapFound)]
