"""A server dies while somebody publishes: the publisher goes on in the same session."""

import asyncio
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from greffier_server.child import ChildServer
from tests.e2e.test_whip_chromium import microphone
from tests.support.served_process import ask
from tests.support.whip_peer import ClipTrack, publishing, tone

pytestmark = pytest.mark.e2e

SETTINGS = {"GREFFIER_RECOGNITION__ENGINE": "fake", "GREFFIER_LANGUAGE_MODEL__ENGINE": "none"}


def gaps(server: ChildServer, session: str) -> list[dict[str, Any]]:
    lines = ask(server, f"/v1/sessions/{session}/events").text.splitlines()
    events = [json.loads(line)["event"] for line in lines]
    return [event for event in events if event["type"] == "GapFound"]


async def cut_off(url: str, kill: Callable[[], None]) -> tuple[str, str]:
    """Publish until the server is killed; return the session and its token."""
    async with publishing(url, ClipTrack(tone(440, 60.0), pace=1.0)) as peer:
        answer = await peer.publish(language="fr", minutes="false")
        assert answer.status_code == 201
        async with asyncio.timeout(30):
            while not peer.of("started"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await asyncio.sleep(1.0)
        await asyncio.to_thread(kill)
        return peer.session, answer.headers["greffier-resume"]


async def go_on(url: str, session: str, token: str) -> None:
    again = ClipTrack(tone(440, 1.0), pace=1.0)
    async with publishing(url, again) as peer:
        peer.token = token
        taken = await peer.publish(language="fr", minutes="false", session=session)
        assert taken.status_code == 201
        assert taken.headers["greffier-session"] == session
        async with asyncio.timeout(60):
            await again.played.wait()
            peer.channel.send('{"type": "finish"}')
            await peer.finished.wait()


def test_a_publisher_goes_on_in_its_session(tmp_path: Path) -> None:
    with ChildServer(data_dir=tmp_path, settings=SETTINGS) as server:
        url = server.url.replace("ws:", "http:")
        began = time.monotonic()
        session, token = asyncio.run(cut_off(url, server.kill))
        server.start()
        server.wait_until_ready()
        away_s = time.monotonic() - began
        asyncio.run(go_on(url, session, token))
        (gap,) = gaps(server, session)
        found = json.loads(ask(server, f"/v1/sessions/{session}").text)
    assert gap["cause"] == "client_lost_audio"
    assert gap["to_ms"] - gap["from_ms"] >= 500
    assert gap["to_ms"] <= (away_s + 10) * 1_000
    assert found["state"] == "finished"
    assert found["duration_ms"] == pytest.approx(gap["to_ms"] + 1_000, abs=100)


def test_the_page_does_so_by_itself(tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "this test needs a real browser: apt-get install chromium"
    options = [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        "--allow-loopback-in-peer-connection",
        f"--use-file-for-fake-audio-capture={microphone(tmp_path)}",
    ]
    with (
        ChildServer(data_dir=tmp_path / "server", settings=SETTINGS) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_page(locale="fr-FR")
        page.goto(server.url.replace("ws:", "http:") + "/speak")
        page.locator("details summary").first.click()
        page.locator("#transport").select_option("webrtc")
        page.get_by_role("button", name="Ouvrir la séance").click()
        page.wait_for_function("document.querySelector('#watch').href.includes('/watch/')")
        session = page.evaluate("document.querySelector('#watch').href").rsplit("/", 1)[1]
        page.wait_for_function("document.querySelector('#clock').textContent >= '0:02'")
        server.kill()
        server.start()
        server.wait_until_ready()
        deadline = time.monotonic() + 60
        while not gaps(server, session):
            assert time.monotonic() < deadline, "the page did not come back"
            page.wait_for_timeout(250)
        page.wait_for_timeout(1_000)
        page.get_by_role("button", name="Terminer la séance").click()
        page.wait_for_function(
            "document.querySelector('#state').textContent.includes('enregistré')"
        )
        browser.close()
        (gap,) = [gap for gap in gaps(server, session) if gap["cause"] == "client_lost_audio"]
        found = json.loads(ask(server, f"/v1/sessions/{session}").text)
        listed = json.loads(ask(server, "/v1/sessions").text)
    assert len(listed["sessions"]) == 1
    assert found["state"] == "finished"
    assert found["duration_ms"] >= gap["to_ms"] + 500
