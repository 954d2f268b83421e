"""A browser speaks by WebRTC where three packets in a row are lost: what is lost is sent again.

Chromium does so although it does not offer it (RFC 4585); redundant audio (RFC 2198) alone would
leave gaps where more than one packet is lost in a row.
"""

import asyncio
import json
import re
import threading
import wave
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from greffier_server.child import ChildServer
from tests.support.browser import chromium, visitor
from tests.support.relay import Relay, Weather
from tests.support.served_process import ask

pytestmark = pytest.mark.e2e

SETTINGS = {"GREFFIER_RECOGNITION__ENGINE": "fake", "GREFFIER_LANGUAGE_MODEL__ENGINE": "none"}
WEATHER = Weather(loss=0.05, burst=3.0, jitter_s=0.01, seed=3)
SPOKEN_S = 6
SLOW_MS = 60_000


class LoopbackRelay(Relay):
    """Only for who comes from this machine's inner address; browsers try their others, too."""

    def from_client(self, datagram: bytes, client: tuple[str, int]) -> None:
        if client[0].startswith("127."):
            super().from_client(datagram, client)


@dataclass
class Relays:
    """Lossy ways to a server, one for each publication."""

    loop: asyncio.AbstractEventLoop
    opened: list[Relay] = field(default_factory=list[Relay])

    def to(self, host: str, port: int) -> int:
        """Port of a new one to this address."""

        async def open_one() -> int:
            relay = LoopbackRelay((host, port), WEATHER)
            await relay.open("127.0.0.1")
            self.opened.append(relay)
            return relay.port

        return asyncio.run_coroutine_threadsafe(open_one(), self.loop).result(30)


@contextmanager
def lossy_ways() -> Generator[Relays]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="relays", daemon=True)
    thread.start()
    relays = Relays(loop)
    try:
        yield relays
    finally:
        for relay in relays.opened:
            asyncio.run_coroutine_threadsafe(relay.close(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


THROUGH = """
const take = RTCPeerConnection.prototype.setRemoteDescription;
RTCPeerConnection.prototype.setRemoteDescription = async function ({ type, sdp }) {
  const [, address, port] = /^a=candidate:\\S+ 1 udp \\d+ ([0-9.]+) (\\d+)/im.exec(sdp);
  const relay = await window.wayTo(address, Number(port));

  const only = `a=candidate:1 1 udp 2130706431 127.0.0.1 ${relay} typ host`;
  let first = true;
  const lines = sdp.split("\\r\\n").flatMap((line) => {
    if (!line.startsWith("a=candidate:")) return [line];
    if (!first) return [];
    first = false;
    return [only];
  });
  return take.call(this, { type, sdp: lines.join("\\r\\n") });
};
const post = window.fetch;
window.fetch = (address, options) => {
  if (!String(options?.body ?? "").startsWith("v=0")) return post(address, options);
  const lines = options.body.split("\\r\\n").filter((line) => !line.startsWith("a=candidate:"));
  return post(address, { ...options, body: lines.join("\\r\\n") });
};
"""
"""The server is reached by the relay only, and does not know where else the browser is."""


def microphone(folder: Path) -> Path:
    hum = (8_000 * np.sin(np.arange(SPOKEN_S * 16_000) / 6)).astype("<i2")
    path = folder / "hum.wav"
    with wave.open(str(path), "wb") as wav:
        wav.setparams((1, 2, 16_000, 0, "NONE", ""))
        wav.writeframes(hum.tobytes())
    return path


def gaps(server: ChildServer, session: str) -> list[dict[str, Any]]:
    lines = ask(server, f"/v1/sessions/{session}/events").text.splitlines()
    events = [json.loads(line)["event"] for line in lines]
    return [event for event in events if event["type"] == "GapFound"]


def test_what_is_lost_in_bursts_is_sent_again(tmp_path: Path) -> None:
    with (
        ChildServer(data_dir=tmp_path / "data", settings=SETTINGS) as server,
        chromium("--allow-loopback-in-peer-connection", microphone=microphone(tmp_path)) as browser,
        lossy_ways() as ways,
        visitor(browser, server.url.replace("ws://", "http://")) as guest,
    ):
        guest.context.expose_function("wayTo", ways.to)  # pyright: ignore[reportUnknownMemberType]
        guest.context.add_init_script(THROUGH)
        page = guest.open("/speak")
        page.get_by_text("Vocabulaire et autres réglages").click()
        page.locator("#transport").select_option("webrtc")
        page.get_by_role("button", name="Ouvrir la séance").click()
        expect(page.locator("#way")).to_contain_text("Son envoyé en WebRTC", timeout=SLOW_MS)
        watch = page.locator("#watch")
        expect(watch).to_have_attribute("href", re.compile("^/watch/.+"), timeout=SLOW_MS)
        session = (watch.get_attribute("href") or "").removeprefix("/watch/")
        page.wait_for_function(LONG_ENOUGH, arg=SPOKEN_S, timeout=SLOW_MS)
        page.get_by_role("button", name="Terminer la séance").click()
        expect(page.locator("#state")).to_contain_text("tout est enregistré", timeout=SLOW_MS)
        assert "Son envoyé en WebRTC" in page.locator("#way").inner_text()  # to its end
        (relay,) = ways.opened
        missing = gaps(server, session)
    slots = sum(gap["to_ms"] - gap["from_ms"] for gap in missing) // 20
    bursts = set(relay.dropped) & {number + 1 for number in relay.dropped}
    assert len(bursts) >= 2
    assert {gap["cause"] for gap in missing} <= {"packet_loss"}
    assert slots <= len(bursts) / 3


LONG_ENOUGH = """(seconds) => {
  const [minutes, rest] = document.querySelector('#clock').textContent.split(':').map(Number);
  return minutes * 60 + rest >= seconds;
}"""
