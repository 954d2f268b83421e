"""A WebRTC client that publishes by WHIP, as a browser would: aiortc on loopback."""

import asyncio
import fractions
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, cast

import av
import httpx
import numpy as np
import pytest
from aioice import Candidate, Connection
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcconfiguration import RTCBundlePolicy
from aiortc.rtcdtlstransport import RTCCertificate, generate_certificate
from aiortc.rtp import is_rtcp
from cryptography.hazmat.primitives.asymmetric import rsa
from numpy.typing import NDArray

from tests.support.relay import Relay, Weather, relayed

__all__ = [
    "FRAME",
    "RATE",
    "ClipTrack",
    "Publisher",
    "on_loopback",
    "publishing",
    "restart_ice",
    "through",
    "tone",
    "without_candidates",
]

RATE = 48_000
FRAME = 960
"""Samples of 20 ms."""
RED = 63
"""Payload type of redundant audio, as Chromium names it."""
FRAGMENT = "application/trickle-ice-sdpfrag"


def tone(hz: float, seconds: float, *, channels: int = 1) -> NDArray[np.int16]:
    """A sine at a quarter of full scale; one row a sample."""
    phase = 2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE
    wave = np.rint(8_192 * np.sin(phase)).astype(np.int16)
    return np.tile(wave[:, np.newaxis], (1, channels))


class ClipTrack(MediaStreamTrack):
    """Plays samples at 48 kHz, `pace` times real time; RTP timestamps are those of the clip."""

    kind = "audio"

    def __init__(self, samples: NDArray[np.int16], *, pace: float = 20.0) -> None:
        super().__init__()
        self._samples = samples
        self._pace = pace
        self._at = 0
        self._began_s: float | None = None
        self.played = asyncio.Event()
        self.hold = asyncio.Event()
        self.hold.set()

    async def recv(self) -> av.AudioFrame:
        loop = asyncio.get_running_loop()
        await self.hold.wait()
        if self._began_s is None:
            self._began_s = loop.time()
        if self._at >= len(self._samples):
            self.played.set()
            await asyncio.Event().wait()
            raise MediaStreamError
        due_s = self._began_s + self._at / RATE / self._pace
        await asyncio.sleep(max(0.0, due_s - loop.time()))
        part = self._samples[self._at : self._at + FRAME]
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(part).reshape(1, -1),
            format="s16",
            layout="stereo" if part.shape[1] == 2 else "mono",
        )
        frame.sample_rate = RATE
        frame.pts = self._at
        frame.time_base = fractions.Fraction(1, RATE)
        self._at += FRAME
        return frame


class Publisher:
    """One publication and what came back on its data channel."""

    def __init__(self, http: httpx.AsyncClient, tracks: Sequence[ClipTrack]) -> None:
        self.http = http
        self.connection = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        for track in tracks:
            self.connection.addTrack(track)
        self.channel = self.connection.createDataChannel("captions")
        self.channel.on("message", self._take)
        self.messages: list[dict[str, Any]] = []
        self.finished = asyncio.Event()
        self.answered: httpx.Response | None = None
        self.paths: list[Connection] = []
        self.detour: Callable[[str, int], Awaitable[tuple[str, int]]] | None = None
        """Where to go instead of the server's address; nothing is told of the own ones then."""
        self.token = ""
        """Resumes the session of another publication."""
        self.twice = False
        self.stereo = False
        """The offer says that its tracks have two channels that differ."""
        """Offer redundant audio (RFC 2198)."""

    async def publish(self, **query: str) -> httpx.Response:
        """Offer; take the answer."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        offer = self.connection.localDescription.sdp
        if self.detour is not None:
            offer = without_candidates(offer)
        if self.twice:
            offer = with_redundant(offer)
        if self.stereo:  # as Chromium and OBS say it; aiortc codes two channels and says nothing
            offer = re.sub(
                r"(a=rtpmap:(\d+) opus/48000/2\r\n)",
                r"\1a=fmtp:\2 sprop-stereo=1;stereo=1\r\n",
                offer,
            )
        self.answered = await self.http.post(
            "/v1/whip",
            params=query,
            content=offer,
            headers={"Content-Type": "application/sdp"}
            | ({"Greffier-Resume": self.token} if self.token else {}),
        )
        if self.answered.status_code == 201:
            text = self.answered.text
            if self.detour is not None:
                text = await self._by_detour(text)
            await self.connection.setRemoteDescription(RTCSessionDescription(text, "answer"))
        return self.answered

    async def _by_detour(self, answer: str) -> str:
        assert self.detour is not None
        lines = answer.split("\r\n")
        first = next(line for line in lines if line.startswith("a=candidate:"))
        parts = first.split(" ")
        host, port = await self.detour(parts[4], int(parts[5]))
        parts[4:6] = [host, str(port)]
        candidate = " ".join(parts)
        return "".join(
            f"{candidate}\r\n{line}\r\n" if line.startswith("a=ice-ufrag:") else f"{line}\r\n"
            for line in without_candidates(answer).rstrip().split("\r\n")
        )

    def send_twice(self) -> None:
        """Send redundant audio (RFC 2198): each packet carries the one before it."""
        self.deafen()
        transport: Any = self.connection.getSenders()[0].transport
        send = transport._send_rtp
        before = b""

        async def doubled(data: bytes) -> None:
            nonlocal before
            if is_rtcp(data):
                await send(data)
                return
            begin = 12 + 4 * (data[0] & 0x0F)
            if data[0] & 0x10:
                begin += 4 + 4 * int.from_bytes(data[begin + 2 : begin + 4])
            payload, kind = data[begin:], data[1] & 0x7F
            older = (0x80 | kind) << 24 | FRAME << 10 | len(before)
            head = bytes([data[0], data[1] & 0x80 | RED]) + data[2:begin]
            blocks = older.to_bytes(4) + bytes([kind]) + before if before else bytes([kind])
            before = payload
            await send(head + blocks + payload)

        transport._send_rtp = doubled

    def with_rsa(self) -> None:
        """Show a certificate of RSA, as webrtcbin does; for the server of DTLS, which this is."""
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        transport: Any = self.connection.getSenders()[0].transport
        transport._RTCDtlsTransport__local_certificate = _RsaCertificate(key)

    def deafen(self) -> None:
        """Send nothing again, whoever asks."""
        sender: Any = self.connection.getSenders()[0]
        sender._retransmit = _nothing

    @property
    def location(self) -> str:
        assert self.answered is not None
        return self.answered.headers["location"]

    @property
    def session(self) -> str:
        assert self.answered is not None
        return self.answered.headers["greffier-session"]

    def drop(self, lost: Callable[[int], bool]) -> None:
        """Do not send the RTP packets whose number (from 0) is `lost`, however often."""
        transport: Any = self.connection.getSenders()[0].transport
        send = transport._send_rtp
        first: int | None = None

        async def lossy(data: bytes) -> None:
            nonlocal first
            if not is_rtcp(data):
                number = int.from_bytes(data[2:4])
                first = number if first is None else first
                if lost((number - first) & 0xFFFF):
                    return
            await send(data)

        transport._send_rtp = lossy

    @property
    def text(self) -> str:
        """Words that came back for good."""
        return "".join(m.get("committed", "") for m in self.messages if m["type"] == "caption")

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    def _take(self, message: str) -> None:
        self.messages.append(json.loads(message))
        if self.messages[-1]["type"] == "finished":
            self.finished.set()


class _RsaCertificate(RTCCertificate):
    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        made: Any = generate_certificate
        super().__init__(cast("Any", key), made(key))

    def _create_ssl_context(self, srtp_profiles: list[Any]) -> Any:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(b"ALL")  # as OpenSSL has it by itself: all of RSA's
        return context


def with_redundant(offer: str) -> str:
    """An offer of redundant Opus beside the plain one."""
    lines: list[str] = []
    for line in offer.split("\r\n"):
        lines.append(line.replace("SAVPF 96", f"SAVPF 96 {RED}") if "m=audio" in line else line)
        if line.startswith("a=rtpmap:96 opus"):
            lines += [f"a=rtpmap:{RED} red/48000/2", f"a=fmtp:{RED} 96/96"]
    return "\r\n".join(lines)


def without_candidates(description: str) -> str:
    """A description that names no address."""
    lines = description.split("\r\n")
    kept = ("a=candidate:", "a=end-of-candidates")
    return "\r\n".join(line for line in lines if not line.startswith(kept))


async def _nothing(sequence_number: int) -> None:
    del sequence_number


@asynccontextmanager
async def through(
    publisher: Publisher, weather: Weather, *, host: str = "127.0.0.1"
) -> AsyncGenerator[list[Relay]]:
    """Let what a publisher sends from now on go through a bad network; yield its relays."""
    relays: list[Relay] = []
    async with AsyncExitStack() as stack:

        async def detour(to_host: str, to_port: int) -> tuple[str, int]:
            relay = await stack.enter_async_context(relayed((to_host, to_port), weather, host=host))
            relays.append(relay)
            return host, relay.port

        publisher.detour = detour
        yield relays


async def restart_ice(publisher: Publisher, if_match: str | None) -> httpx.Response:
    """Restart ICE, which aiortc cannot do: a new path is put below its DTLS."""
    transport: Any = publisher.connection.getSenders()[0].transport.transport
    fresh = Connection(ice_controlling=True)
    await fresh.gather_candidates()
    lines = [
        f"a=ice-ufrag:{fresh.local_username}",
        f"a=ice-pwd:{fresh.local_password}",
        "m=audio 9 UDP/TLS/RTP/SAVPF 0",
        "a=mid:0",
        *(f"a=candidate:{candidate.to_sdp()}" for candidate in fresh.local_candidates),
        "a=end-of-candidates",
    ]
    headers = {"Content-Type": FRAGMENT} | ({"If-Match": if_match} if if_match else {})
    answer = await publisher.http.patch(
        publisher.location, content="\r\n".join(lines), headers=headers
    )
    if answer.status_code != 200:
        await fresh.close()
        return answer
    for line in answer.text.splitlines():
        name, _, value = line.partition(":")
        match name:
            case "a=ice-ufrag":
                fresh.remote_username = value
            case "a=ice-pwd":
                fresh.remote_password = value
            case "a=candidate":
                await fresh.add_remote_candidate(Candidate.from_sdp(value))
            case _:
                pass
    await fresh.add_remote_candidate(None)
    await fresh.connect()
    publisher.paths.append(transport._connection)
    cast("Any", fresh)._queue = transport._connection._queue  # what DTLS waits at
    transport._connection, transport._send = fresh, fresh.send
    return answer


@contextmanager
def on_loopback(address: str = "127.0.0.1") -> Generator[None]:
    """Let peers of the block use loopback, which aioice leaves out by itself, or one address."""

    def only(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        del use_ipv4, use_ipv6
        return [address]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aioice.ice.get_host_addresses", only)
        yield


@asynccontextmanager
async def publishing(
    url: str, *tracks: ClipTrack, token: str = "", address: str = "127.0.0.1"
) -> AsyncGenerator[Publisher]:
    """Yield a publisher; nothing is offered yet."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with on_loopback(address):
        async with httpx.AsyncClient(
            base_url=url, headers=headers, trust_env=False, timeout=60
        ) as http:
            publisher = Publisher(http, tracks)
            try:
                yield publisher
            finally:
                for path in publisher.paths:
                    await path.close()
                await publisher.connection.close()
