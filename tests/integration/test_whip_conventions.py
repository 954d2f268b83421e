"""Offers as OBS Studio, GStreamer and Chromium write them, answered as each of them reads.

OBS (``plugins/obs-webrtc/whip-output.cpp``, over libdatachannel) named its candidates once and is
found by its checks now; it sends no PATCH, and sends lost packets again without having said so.
GStreamer is webrtcbin with bundling, behind whipclientsink, which asks with OPTIONS for servers.
"""

import asyncio
from pathlib import Path

import httpx
import pytest

from greffier_server.settings import NetworkSettings, Settings, TenantToken, hash_token
from greffier_server.transport.whip.sdp import parse_offer
from greffier_server.transport.whip.settings import WebRtcSettings
from tests.support.served import served
from tests.support.whip_peer import ClipTrack, publishing, tone

pytestmark = pytest.mark.integration

OFFERS = Path(__file__).parents[1] / "data" / "offers"
TOKEN = "0123456789abcdef"


def offer(name: str) -> str:
    return (OFFERS / f"{name}.sdp").read_bytes().decode()


def sections(answer: str) -> list[list[str]]:
    """Lines of each media section."""
    return [part.split("\r\n") for part in answer.rstrip().split("\r\nm=")[1:]]


@pytest.mark.parametrize(
    ("name", "kinds", "payload", "candidates"),
    [
        ("obs", ["audio", "video"], 111, 0),
        ("obs-30", ["audio", "video"], 111, 2),
        ("gstreamer", ["video", "audio"], 99, 1),
        ("chromium", ["audio"], 111, 0),
    ],
)
async def test_each_is_answered_in_its_own_order(
    name: str, kinds: list[str], payload: int, candidates: int
) -> None:
    assert parse_offer(offer(name)).text.count("a=candidate") == candidates
    settings = Settings(
        tokens=(TenantToken(tenant="dgfip", digest=hash_token(TOKEN)),),
        webrtc=WebRtcSettings(addresses=("127.0.0.1",)),
        network=NetworkSettings(allowed_hosts=("192.0.2.0/24", "2001:db8::/32")),
    )
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        served(settings) as server,
        httpx.AsyncClient(base_url=server.http, trust_env=False) as http,
    ):
        answer = await http.post(
            "/v1/whip?language=fr",
            content=offer(name),
            headers={
                **bearer,
                "Content-Type": "application/sdp",
                "User-Agent": "Mozilla/5.0 (OBS)",
            },
        )
        assert answer.status_code == 201
        assert answer.headers["content-type"] == "application/sdp"
        location = answer.headers["location"]
        assert location.startswith("/v1/whip/")
        found = sections(answer.text)
        assert [lines[0].split()[0] for lines in found] == kinds
        for lines in found:
            kind, port = lines[0].split()[:2]
            assert (port == "0") == (kind == "video")
        audio = found[kinds.index("audio")]
        assert any(line.lower() == f"a=rtpmap:{payload} opus/48000/2" for line in audio)
        assert "a=recvonly" in audio
        assert "a=rtcp-mux" in audio
        assert any(line.startswith("a=setup:") and "actpass" not in line for line in audio)
        assert any(line.startswith("a=candidate:") for line in audio)
        assert "a=end-of-candidates" in audio
        mids = [line for lines in found for line in lines if line.startswith("a=mid:")]
        assert len(mids) == len(kinds)
        assert (await http.delete(location)).status_code == 401
        ended = await http.delete(location, headers=bearer)
        assert ended.status_code == 200


@pytest.mark.parametrize(
    ("name", "said", "unsaid"),
    [
        ("gstreamer", "a=rtcp-fb:99 nack\r\n", " red/48000"),
        ("obs", "a=rtpmap:111 opus", "nack"),
        ("chromium", " UDP/TLS/RTP/SAVPF 63 111\r\n", "nack"),
    ],
)
async def test_what_is_lost_is_asked_for_as_each_can_give_it(
    name: str, said: str, unsaid: str
) -> None:
    """An answer must not hold feedback that was not offered (RFC 4585 §4.2)."""
    settings = Settings(network=NetworkSettings(allowed_hosts=("192.0.2.0/24", "2001:db8::/32")))
    async with (
        served(settings) as server,
        httpx.AsyncClient(base_url=server.http, trust_env=False) as http,
    ):
        answer = await http.post(
            "/v1/whip", content=offer(name), headers={"Content-Type": "application/sdp"}
        )
        assert said in answer.text
        assert unsaid not in answer.text
        assert "useinbandfec=0" in answer.text
        if name == "chromium":
            assert "a=fmtp:63 111/111\r\n" in answer.text


async def test_a_certificate_of_rsa_is_taken() -> None:
    """GStreamer shows one, as the server of DTLS that the answer makes it."""
    track = ClipTrack(tone(440, 0.4))
    async with served() as server, publishing(server.http, track) as peer:
        peer.with_rsa()
        answer = await peer.publish()
        assert "a=setup:active" in answer.text
        async with asyncio.timeout(30):
            await track.played.wait()
            peer.channel.send('{"type": "finish"}')
            await peer.finished.wait()
        assert any(server.desk.only().audio)


async def test_servers_are_named_before_and_with_the_answer() -> None:
    settings = Settings(
        webrtc=WebRtcSettings(stun="stun:127.0.0.1:9", addresses=("127.0.0.1",)),
        network=NetworkSettings(allowed_hosts=("192.0.2.0/24",)),
    )
    async with (
        served(settings) as server,
        httpx.AsyncClient(base_url=server.http, trust_env=False) as http,
    ):
        asked = await http.options("/v1/whip")
        assert asked.status_code == 204
        assert asked.headers["link"] == '<stun:127.0.0.1:9>; rel="ice-server"'
        assert asked.headers["accept-post"] == "application/sdp"
