"""WHIP with a real WebRTC peer on loopback: sound in, its losses told, messages back."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from numpy.typing import NDArray

from greffier_server.core.events import GapFound
from greffier_server.settings import NetworkSettings, Settings, TenantToken, hash_token
from greffier_server.transport.whip.settings import WebRtcSettings
from tests.support.fake_desk import FakeSession
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
        async with asyncio.timeout(30):
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


async def test_lost_packets_are_gaps_of_their_length_bridged_for_a_tenth_of_a_second() -> None:
    track = ClipTrack(tone(440, 3.0))
    lost = (20, 40, 41, 42, *range(80, 90))
    async with served() as server, publishing(server.http, track) as peer:
        await peer.publish()
        peer.drop(lambda number: number in lost)
        await track.played.wait()
        peer.channel.send('{"type": "finish"}')
        async with asyncio.timeout(30):
            await peer.finished.wait()
        sound = heard(server)
        events = [record.event for record in server.desk.only().log.records]
    gaps = [event for event in events if isinstance(event, GapFound)]
    assert [gap.cause for gap in gaps] == ["packet_loss"] * 3
    first = gaps[0].from_ms // 20
    assert [(gap.from_ms // 20 - first, gap.to_ms - gap.from_ms) for gap in gaps] == [
        (0, 20),
        (20, 60),
        (60, 200),
    ]
    for gap in gaps:
        bridge = sound[gap.from_ms * 48 : min(gap.to_ms, gap.from_ms + 60) * 48]
        assert 1_000 < loudness(bridge) < 8_192
    assert not sound[(gaps[2].from_ms + 100) * 48 : gaps[2].to_ms * 48].any()
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


async def test_left_and_right_of_a_stereo_track_are_two_speakers() -> None:
    left, right = tone(440, 2.0), tone(880, 2.0)
    track = ClipTrack(np.concatenate([left, right], axis=1))
    async with served() as server, publishing(server.http, track) as peer:
        peer.stereo = True
        answer = await peer.publish(channels="separate", speakers="Anne,Benoît")
        assert answer.status_code == 201
        assert "stereo=1" in answer.text
        await track.played.wait()
        assert (await peer.http.delete(peer.location)).status_code == 200
        sound = heard(server)
    assert sound.shape[1] == 2
    middle = sound[RATE // 2 : RATE]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))[:, np.newaxis], axis=0))
    assert [2 * int(np.argmax(spectrum[:, side])) for side in (0, 1)] == [440, 880]
    for side, own, foreign in ((0, 440, 880), (1, 880, 440)):
        assert spectrum[foreign // 2, side] < spectrum[own // 2, side] / 30


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


async def test_what_is_no_offer_is_refused() -> None:
    settings = Settings(webrtc=WebRtcSettings(peers=1))
    async with (
        served(settings) as server,
        publishing(server.http, ClipTrack(tone(440, 9.0))) as peer,
    ):
        offer = {"Content-Type": "application/sdp"}
        whole = await offered()
        refusals = [
            ("v=0", 400, "malformed_offer"),
            ("\0\xff" * 900, 400, "malformed_offer"),
            (whole.replace("a=fingerprint", "a=x"), 400, "malformed_offer"),
            (whole.replace("a=ice-ufrag:", "a=ice-ufrag: "), 400, "malformed_offer"),
            (whole.replace("opus", "speex"), 422, "unsupported_offer"),
            (whole.replace("a=group:BUNDLE", "a=x"), 400, "malformed_offer"),
            ("x" * 70_000, 413, "frame_too_large"),
        ]
        for body, status, code in refusals:
            answer = await peer.http.post("/v1/whip", content=body.encode(), headers=offer)
            assert (answer.status_code, answer.json()["code"]) == (status, code), body[:80]
        wrong = await peer.http.post("/v1/whip", content="{}")
        assert wrong.status_code == 415
        assert not server.desk.sessions
        assert (await peer.publish()).status_code == 201
        full = await peer.http.post("/v1/whip", content=whole, headers=offer)
        assert (full.status_code, full.json()["code"]) == (503, "server_busy")
        assert (await peer.publish(language="klingon!")).status_code in (400, 503)


async def test_the_token_and_the_origin_are_asked_for() -> None:
    tokens = tuple(
        TenantToken(tenant=tenant, digest=hash_token(token))
        for tenant, token in (("dgfip", "0123456789abcdef"), ("insee", "fedcba9876543210"))
    )
    settings = Settings(
        tokens=tokens, network=NetworkSettings(allowed_origins=("https://meet.example.org",))
    )
    own, other = "0123456789abcdef", "fedcba9876543210"
    track = ClipTrack(tone(440, 9.0))
    async with served(settings) as server, publishing(server.http, track, token=own) as peer:
        nobody = await peer.http.post("/v1/whip", headers={"Authorization": ""})
        assert nobody.status_code == 401
        evil = await peer.http.post("/v1/whip", headers={"Origin": "https://evil.example"})
        assert evil.status_code == 403
        asked = await peer.http.options(
            "/v1/whip", headers={"Origin": "https://meet.example.org", "Authorization": ""}
        )
        assert asked.headers["access-control-allow-origin"] == "https://meet.example.org"
        assert "PATCH" in asked.headers["access-control-allow-methods"]
        assert asked.headers["accept-post"] == "application/sdp"
        peer.http.headers["Origin"] = "https://meet.example.org"
        answer = await peer.publish()
        assert answer.status_code == 201
        assert "Location" in answer.headers["access-control-expose-headers"]
        stranger = {"Authorization": f"Bearer {other}"}
        assert (await peer.http.delete(peer.location, headers=stranger)).status_code == 404
        assert (await peer.http.delete(peer.location)).status_code == 200


async def test_a_peer_that_closes_has_finished_and_one_that_never_comes_is_given_up() -> None:
    settings = Settings(webrtc=WebRtcSettings(connect_timeout_s=0.2))
    async with served(settings) as server:
        async with publishing(server.http, ClipTrack(tone(440, 9.0))) as peer:
            await peer.publish()
            await until(lambda: len(server.desk.only().audio) > FRAME)
        await until(lambda: server.desk.only().finished)
        async with publishing(server.http, ClipTrack(tone(440, 9.0))) as peer:
            whole = await offered()
            answer = await peer.http.post(
                "/v1/whip", content=whole, headers={"Content-Type": "application/sdp"}
            )
            session = server.desk.sessions[answer.headers["greffier-session"]]
            await until(lambda: session.finished)


async def offered() -> str:
    """An offer of another connection, which is never answered."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTransceiver("audio", direction="sendonly")
    connection.createDataChannel("captions")
    await connection.setLocalDescription(await connection.createOffer())
    text = connection.localDescription.sdp
    await connection.close()
    return text


async def test_a_server_without_webrtc_says_so_and_one_that_stops_keeps_the_session() -> None:
    offer = {"Content-Type": "application/sdp"}
    async with served(Settings(webrtc=WebRtcSettings(peers=0))) as server:
        async with httpx.AsyncClient(base_url=server.http, trust_env=False) as http:
            answer = await http.post("/v1/whip", content=await offered(), headers=offer)
        assert (answer.status_code, answer.json()["code"]) == (501, "no_webrtc")
    track = ClipTrack(tone(440, 9.0))
    async with publishing_to_stopping(track) as session:
        pass
    assert session.detached == ["server stopping"]
    assert not session.finished


@asynccontextmanager
async def publishing_to_stopping(track: ClipTrack) -> AsyncGenerator[FakeSession]:
    """A server that stops while a peer speaks."""
    async with served() as server:
        async with publishing(server.http, track) as peer:
            await peer.publish()
            session = server.desk.only()
            await until(lambda: len(session.audio) > FRAME)
            server.server.should_exit = True
            await until(lambda: session.detached)
        yield session
