"""A real browser publishes by WHIP: sound, a refused camera, an ICE restart, captions back."""

import json
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from greffier_models.encoded import encode_speech
from greffier_models.types import Word
from greffier_server.child import ChildServer
from tests.support.served_process import ask

pytestmark = pytest.mark.e2e

PUBLISH = """
async () => {
  window.said = [];
  window.states = [];
  const sound = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  window.peer = new RTCPeerConnection();
  peer.onconnectionstatechange = () => states.push(peer.connectionState);
  peer.addTransceiver("video", { direction: "sendonly" });
  peer.addTransceiver(sound.getAudioTracks()[0], { direction: "sendonly" });
  window.captions = peer.createDataChannel("captions");
  captions.onmessage = ({ data }) => said.push(JSON.parse(data));
  await peer.setLocalDescription();
  const answer = await fetch("/v1/whip?language=fr&title=Navigateur", {
    method: "POST",
    headers: { "Content-Type": "application/sdp" },
    body: peer.localDescription.sdp,
  });
  window.answerText = await answer.text();
  window.publication = answer.headers.get("Location");
  await peer.setRemoteDescription({ type: "answer", sdp: answerText });
  return { status: answer.status, session: answer.headers.get("Greffier-Session") };
}
"""
RESTART = """
async () => {
  peer.restartIce();
  await peer.setLocalDescription();
  const parts = peer.localDescription.sdp.split("\\r\\nm=");
  const audio = parts.find((part) => part.startsWith("audio"));
  const keys = audio.split("\\r\\n").filter((line) => /^a=ice-(ufrag|pwd):/.test(line));
  const fragment = [...keys, "m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:1", ""].join("\\r\\n");
  const answer = await fetch(publication, {
    method: "PATCH",
    headers: { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*" },
    body: fragment,
  });
  const fresh = (await answer.text()).split("\\r\\n");
  const find = (name) => fresh.filter((line) => line.startsWith(name));
  const candidates = find("a=candidate");
  const lines = answerText.split("\\r\\n").flatMap((line) => {
    if (line.startsWith("a=ice-ufrag")) return find("a=ice-ufrag");
    if (line.startsWith("a=ice-pwd")) return find("a=ice-pwd");
    return line.startsWith("a=candidate") ? candidates : [line];
  });
  await peer.setRemoteDescription({ type: "answer", sdp: lines.join("\\r\\n") });
  return { status: answer.status, port: candidates[0].split(" ")[5] };
}
"""
PORT = """
async () => {
  const stats = [...(await peer.getStats()).values()];
  const transport = stats.find((each) => each.type === "transport");
  const pair = stats.find((each) => each.id === transport.selectedCandidatePairId);
  return String(stats.find((each) => each.id === pair.remoteCandidateId).port);
}
"""


def microphone(folder: Path) -> Path:
    """Six seconds of a hum."""
    samples = encode_speech((Word(" mot", 100, 400, 1.0),), duration_ms=6_000)
    hum = (8_000 * np.sin(np.arange(len(samples)) / 6)).astype("<i2")
    path = folder / "hum.wav"
    with wave.open(str(path), "wb") as wav:
        wav.setparams((1, 2, 16_000, 0, "NONE", ""))
        wav.writeframes(hum.tobytes())
    return path


def test_chromium_publishes_and_restarts_ice(tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "this test needs a real browser: apt-get install chromium"
    settings = {"GREFFIER_RECOGNITION__ENGINE": "fake", "GREFFIER_LANGUAGE_MODEL__ENGINE": "none"}
    options = [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone(tmp_path)}",
    ]
    with (
        ChildServer(data_dir=tmp_path / "server", settings=settings) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_page()
        page.goto(server.url.replace("ws:", "http:") + "/healthz")
        published = page.evaluate(PUBLISH)
        assert published["status"] == 201
        page.wait_for_function("said.some((message) => message.type === 'started')")
        page.wait_for_function("peer.connectionState === 'connected'")
        first = page.evaluate(PORT)
        restarted = page.evaluate(RESTART)
        assert restarted["status"] == 200
        assert restarted["port"] != first
        page.wait_for_function(f"async () => (await ({PORT})()) === '{restarted['port']}'")
        page.wait_for_timeout(500)
        assert page.evaluate("states").count("failed") == 0
        page.evaluate("captions.send(JSON.stringify({ type: 'finish' }))")
        page.wait_for_function("said.some((message) => message.type === 'finished')")
        browser.close()
        found = json.loads(ask(server, f"/v1/sessions/{published['session']}").text)
        events = ask(server, f"/v1/sessions/{published['session']}/events").text
    assert found["title"] == "Navigateur"
    assert found["duration_ms"] >= 500
    assert '"stream_restarted"' not in events
