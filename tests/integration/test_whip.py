"""WHIP with a real WebRTC peer on loopback: sound in, its losses told, messages back."""

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from greffier_server.core.events import GapFound
from tests.support.served import Served, served, until
from tests.support.whip_peer import FRAME, RATE, ClipTrack, publishing, restart_ice, tone

pytestmark = pytest.mark.integration


def heard(server: Served) -> NDArray[np.int16]:
    session = server.desk.only()
    return np.frombuffer(bytes(session.audio), "<i2").reshape(-1, session.format.channels)


def loudness(samples: NDArray[np.int16]) -> float:
    return float(np.sqrt(np.mean(np.square(samples.astype(np.float64)))))


async def test_a_tone_arrives_on_the_clock_of_its_sender() -> None:
    track = ClipTrack(tone(440, 2.0))
    async with served() as server, publishing(server.http, track) as peer:
        answer = await peer.publish(language="fr", title="Essai")
        assert answer.status_code == 201
        await track.played.wait()
        peer.channel.send('{"type": "finish"}')
        async with asyncio.timeout(10):
            await peer.finished.wait()
        sound = heard(server)
        row = await server.store.get("default", peer.session)
    assert row is not None
    assert (row.title, row.language) == ("Essai", "fr")
    assert len(sound) % FRAME == 0
    assert len(sound) >= 1.9 * RATE
    # The peer spreads mono over two channels, at -3 dB each.
    assert loudness(sound[FRAME * 5 : FRAME * 50]) == pytest.approx(8_192 / 2, rel=0.1)
    assert peer.messages[0]["type"] == "started"
    assert not peer.of("gap")


async def test_lost_packets_are_silence_of_their_length_and_gaps() -> None:
    track = ClipTrack(tone(440, 3.0))
    lost = (20, 40, 41, 42, 80)
    async with served() as server, publishing(server.http, track) as peer:
        await peer.publish()
        peer.drop(lambda number: number in lost)
        await track.played.wait()
        peer.channel.send('{"type": "finish"}')
        async with asyncio.timeout(10):
            await peer.finished.wait()
        sound = heard(server)
        events = [record.event for record in server.desk.only().log.records]
    gaps = [event for event in events if isinstance(event, GapFound)]
    assert [gap.cause for gap in gaps] == ["packet_loss"] * 3
    first = gaps[0].from_ms // 20
    assert [(gap.from_ms // 20 - first, gap.to_ms - gap.from_ms) for gap in gaps] == [
        (0, 20),
        (20, 60),
        (60, 20),
    ]
    for gap in gaps:
        assert not sound[gap.from_ms * 48 : gap.to_ms * 48].any()
    assert len(sound) % FRAME == 0
    assert len(sound) >= 2.9 * RATE
    assert [gap["cause"] for gap in peer.of("gap")] == ["packet_loss"] * 3


async def test_a_speaker_each() -> None:
    quiet = ClipTrack(tone(440, 2.0) // 8)
    loud = ClipTrack(tone(880, 2.0))
    async with served() as server, publishing(server.http, quiet, loud) as peer:
        answer = await peer.publish(speakers="Anne,Benoît")
        assert answer.status_code == 201
        await quiet.played.wait()
        await loud.played.wait()
        ended = await peer.http.delete(peer.location)
        assert ended.status_code == 200
        sound = heard(server)
        again = await peer.http.delete(peer.location)
        assert again.status_code == 404
        assert server.desk.only().finished
    assert sound.shape[1] == 2
    middle = sound[RATE // 2 : RATE]
    assert loudness(middle[:, :1]) == pytest.approx(loudness(middle[:, 1:]) / 8, rel=0.3)


async def test_ice_is_restarted_below_a_living_session() -> None:
    track = ClipTrack(tone(440, 4.0), pace=4)
    async with served() as server, publishing(server.http, track) as peer:
        answer = await peer.publish()
        await until(lambda: len(server.desk.only().audio) > RATE)
        restart = await restart_ice(peer, "*")
        assert restart.status_code == 200
        assert restart.headers["etag"] != answer.headers["etag"]
        before = len(server.desk.only().audio)
        await until(lambda: len(server.desk.only().audio) > before + RATE)
        stale = await restart_ice(peer, answer.headers["etag"])
        assert stale.status_code == 412
        assert (await restart_ice(peer, None)).status_code == 428
        await peer.http.delete(peer.location)
        assert len(server.desk.sessions) == 1
