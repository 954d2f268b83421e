"""A server dies while somebody publishes: the publisher goes on in the same session."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from greffier_server.child import ChildServer
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
