"""A WebRTC client that publishes by WHIP, as a browser would: aiortc on loopback."""

import asyncio
import fractions
import json
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

import av
import httpx
import numpy as np
import pytest
from aioice import Candidate, Connection
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcconfiguration import RTCBundlePolicy
from aiortc.rtp import is_rtcp
from numpy.typing import NDArray

__all__ = [
    "FRAME",
    "RATE",
    "ClipTrack",
    "Publisher",
    "on_loopback",
    "publishing",
    "restart_ice",
    "tone",
]

RATE = 48_000
FRAME = 960
"""Samples of 20 ms."""
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
        if self._began_s is None:
            self._began_s = loop.time()
        if self._at >= len(self._samples):
            self.played.set()
            await asyncio.Event().wait()
            raise MediaStreamError
        await self.hold.wait()
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

    async def publish(self, **query: str) -> httpx.Response:
        """Offer; take the answer."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        self.answered = await self.http.post(
            "/v1/whip",
            params=query,
            content=self.connection.localDescription.sdp,
            headers={"Content-Type": "application/sdp"},
        )
        if self.answered.status_code == 201:
            answer = RTCSessionDescription(self.answered.text, "answer")
            await self.connection.setRemoteDescription(answer)
        return self.answered

    @property
    def location(self) -> str:
        assert self.answered is not None
        return self.answered.headers["location"]

    @property
    def session(self) -> str:
        assert self.answered is not None
        return self.answered.headers["greffier-session"]

    def drop(self, lost: Callable[[int], bool]) -> None:
        """Do not send the RTP packets whose number (from 0) is `lost`."""
        transport: Any = self.connection.getSenders()[0].transport
        send, count = transport._send_rtp, 0

        async def lossy(data: bytes) -> None:
            nonlocal count
            if not is_rtcp(data):
                count += 1
                if lost(count - 1):
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
def on_loopback() -> Generator[None]:
    """Let peers of the block use loopback, which aioice leaves out by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aioice.ice.get_host_addresses", _loopback)
        yield


def _loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    del use_ipv4, use_ipv6
    return ["127.0.0.1"]


@asynccontextmanager
async def publishing(url: str, *tracks: ClipTrack, token: str = "") -> AsyncGenerator[Publisher]:
    """Yield a publisher; nothing is offered yet."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with on_loopback():
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as http:
            publisher = Publisher(http, tracks)
            try:
                yield publisher
            finally:
                for path in publisher.paths:
                    await path.close()
                await publisher.connection.close()
