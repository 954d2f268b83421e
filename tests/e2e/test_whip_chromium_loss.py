"""A real browser publishes over a network that loses: it sends again, or sends twice."""

import asyncio
import json
import shutil
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from greffier_server.child import ChildServer
from tests.e2e.test_whip_chromium import microphone
from tests.support.relay import Relay, Weather, relayed
from tests.support.served_process import ask

pytestmark = pytest.mark.e2e

LOSS = 0.15
SPOKEN_MS = 3_500

PUBLISH = """
async (again) => {
  const sound = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  window.peer = new RTCPeerConnection();
  peer.addTransceiver(sound.getAudioTracks()[0], { direction: "sendonly" });
  let { sdp } = await peer.createOffer();
  const nack = (line) => line + "a=rtcp-fb:111 nack\\r\\n";
  if (again) sdp = sdp.replace(/a=rtpmap:111 opus.*\\r\\n/, nack);
  await peer.setLocalDescription({ type: "offer", sdp });
  const offer = peer.localDescription.sdp.replace(/a=(candidate|end-of-candidates).*\\r\\n/g, "");
  const answer = await fetch("/v1/whip?minutes=false", {
    method: "POST",
    headers: { "Content-Type": "application/sdp" },
    body: offer,
  });
  window.publication = answer.headers.get("Location");
  return { answer: await answer.text(), session: answer.headers.get("Greffier-Session") };
}
"""
ACCEPT = "(sdp) => peer.setRemoteDescription({ type: 'answer', sdp })"
STATS = """
async () => {
  const all = [...(await peer.getStats()).values()];
  const sent = all.find((each) => each.type === "outbound-rtp");
  const codec = all.find((each) => each.id === sent.codecId);
  return { ...sent, mimeType: codec?.mimeType };
}
"""


@contextmanager
def relaying(port: int, weather: Weather) -> Generator[Relay]:
    """A relay in a thread of its own."""
    ready, stop = threading.Event(), asyncio.Event()
    found: list[tuple[Relay, asyncio.AbstractEventLoop]] = []

    async def relay() -> None:
        async with relayed(("127.0.0.1", port), weather) as opened:
            found.append((opened, asyncio.get_running_loop()))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(relay(),))
    thread.start()
    assert ready.wait(30)
    opened, loop = found[0]
    try:
        yield opened
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)


def published(page: Page, *, again: bool) -> tuple[dict[str, Any], Relay, str]:
    """Publish for a while; return what the browser says it sent, its relay and its session."""
    offered = page.evaluate(PUBLISH, again)
    lines: list[str] = offered["answer"].split("\r\n")
    first = next(line for line in lines if line.startswith("a=candidate:"))
    with relaying(int(first.split()[5]), Weather(loss=LOSS, seed=5)) as relay:
        by_relay = first.split()
        by_relay[4:6] = ["127.0.0.1", str(relay.port)]
        kept = [line for line in lines if not line.startswith("a=candidate:")]
        kept.insert(kept.index("a=end-of-candidates"), " ".join(by_relay))
        page.evaluate(ACCEPT, "\r\n".join(kept))
        page.wait_for_function("peer.connectionState === 'connected'")
        page.wait_for_timeout(SPOKEN_MS)
        stats = page.evaluate(STATS)
        page.evaluate("fetch(publication, { method: 'DELETE' })")
    return stats, relay, offered["session"]


def lost_ms(server: ChildServer, session: str) -> int:
    lines = ask(server, f"/v1/sessions/{session}/events").text.splitlines()
    events = [json.loads(line)["event"] for line in lines]
    return sum(e["to_ms"] - e["from_ms"] for e in events if e["type"] == "GapFound")


@pytest.mark.parametrize("again", [True, False])
def test_chromium_repairs_what_is_lost(tmp_path: Path, *, again: bool) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "this test needs a real browser: apt-get install chromium"
    settings = {"GREFFIER_RECOGNITION__ENGINE": "fake", "GREFFIER_LANGUAGE_MODEL__ENGINE": "none"}
    options = [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        "--allow-loopback-in-peer-connection",
        f"--use-file-for-fake-audio-capture={microphone(tmp_path)}",
    ]
    with (
        ChildServer(data_dir=tmp_path / "server", settings=settings) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_page()
        page.goto(server.url.replace("ws:", "http:") + "/healthz")
        stats, relay, session = published(page, again=again)
        browser.close()
        lost = lost_ms(server, session)
    assert len(relay.dropped) >= 8
    assert lost <= 20 * len(relay.dropped) / 2
    if again:
        assert stats["retransmittedPacketsSent"] >= len(relay.dropped) / 3
    else:
        assert stats["mimeType"] == "audio/red"
