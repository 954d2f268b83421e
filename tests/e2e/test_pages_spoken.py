"""Words spoken into one browser are read in others, through cuts, restarts and every source."""

import json
import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from greffier_server.child import ChildServer
from tests.support.broken_network import broken_network
from tests.support.browser import Visitor, chromium, violations, visitor
from tests.support.served_process import Clip, ask, clip, error_rate

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SETTINGS = {
    "GREFFIER_RECOGNITION__MODEL": "whisper-tiny.en",
    "GREFFIER_RECOGNITION__EXPECTED_LANGUAGES": '["en"]',
    "GREFFIER_LANGUAGE_MODEL__ENGINE": "fake",
}
CUT = ("WebSocket connection", "ERR_CONNECTION", "Failed to load resource")
SLOW_MS = 120_000


@dataclass
class Room:
    """A server, a browser whose microphone hears a clip once, and the clip."""

    server: ChildServer
    browser: Browser
    clip: Clip
    recording: Path

    @property
    def url(self) -> str:
        return self.server.url.replace("ws://", "http://")


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Generator[Room, None, None]:
    folder = tmp_path_factory.mktemp("room")
    spoken = clip("radio-en", turns=1)
    recording = spoken.write(folder / "spoken.wav")
    with (
        ChildServer(data_dir=folder / "data", settings=SETTINGS) as server,
        chromium("--allow-loopback-in-peer-connection", microphone=recording) as browser,
    ):
        yield Room(server, browser, spoken, recording)


def filled(guest: Visitor, *, title: str) -> Page:
    """The form to open a session, filled in."""
    page = guest.open("/speak")
    page.get_by_label("Titre", exact=True).fill(title)
    page.locator("#language").select_option("en")
    page.locator("#targets").get_by_label("français").check()
    return page


def session_of(page: Page) -> str:
    watch = page.locator("#watch")
    expect(watch).to_have_attribute("href", re.compile("^/watch/.+"), timeout=SLOW_MS)
    return (watch.get_attribute("href") or "").removeprefix("/watch/")


def text_on(page: Page, kind: str) -> str:
    """Committed text on a page, as it is read; what is only perhaps said is left out."""
    cells = page.locator(f".captions__block:not([hidden]) .captions__cell--{kind}")
    said: list[str] = cells.evaluate_all("cells => cells.map((cell) => cell.firstChild.data)")
    return " ".join(" ".join(said).split())


def test_a_microphone_is_read_elsewhere_through_a_restart(room: Room) -> None:
    with (
        visitor(room.browser, room.url, forgive=CUT) as speaker,
        visitor(room.browser, room.url, forgive=CUT) as reader,
    ):
        page = filled(speaker, title="Convoi")
        page.get_by_role("button", name="Ouvrir la séance").click()
        session = session_of(page)
        original = reader.open(f"/watch/{session}")
        french = reader.open(f"/watch/{session}?view=translation:fr")
        half_s = room.clip.duration_ms / 2000
        expect(page.locator("#clock")).to_have_text(f"0:{int(half_s):02d}", timeout=SLOW_MS)
        before = text_on(original, "original")
        room.server.kill()
        for tab in (page, original):
            expect(tab.locator("#state")).to_contain_text("nouvelle tentative", timeout=SLOW_MS)
        assert text_on(original, "original").startswith(before)
        room.server.start()
        room.server.wait_until_ready()
        expect(page.locator("#state")).to_contain_text("En direct", timeout=SLOW_MS)
        said_ms = room.clip.duration_ms + 500
        page.wait_for_function(WHOLE, arg=said_ms / 1000, timeout=SLOW_MS)
        page.get_by_role("button", name="Terminer la séance").click()
        told = {page: "tout est enregistré", original: "Séance terminée", french: "Séance terminée"}
        for tab, word in told.items():
            expect(tab.locator("#state")).to_contain_text(word, timeout=SLOW_MS)
        events = events_of(room, session)
        assert not [event for event in events if event["type"] == "GapFound"]
        written = written_of(events)
        for tab in (page, original):
            assert text_on(tab, "original") == written
        assert error_rate(room.clip.text, written, language="en") < 0.5
        assert text_on(french, "translation")
        assert text_on(french, "translation") != written


KEPT = """(() => {
  const seconds = (place) => {
    const [minutes, rest] = document.querySelector(place).textContent.match(/\\d+/g).map(Number);
    return minutes * 60 + rest;
  };
  return seconds('#clock') - seconds('#kept');
})()"""
ALL_KEPT = f"() => {KEPT} <= 0"
UNKEPT = f"() => {KEPT} >= 1"
"""Seconds said that the server has not said it has."""


def test_a_cut_and_a_dead_path_lose_nothing(room: Room) -> None:
    """The network goes, and comes back; then it forgets open connections without a word."""
    with (
        broken_network(room.server.url) as network,
        visitor(room.browser, network.url, forgive=CUT) as speaker,
        visitor(room.browser, network.url, forgive=CUT) as reader,
    ):
        page = filled(speaker, title="Convoi sans réseau")
        page.clock.install()
        page.get_by_role("button", name="Ouvrir la séance").click()
        session = session_of(page)
        original = reader.open(f"/watch/{session}")
        original.clock.install()
        tabs = (page, original)
        quarter_s = room.clip.duration_ms / 4000
        page.wait_for_function(WHOLE, arg=quarter_s, timeout=SLOW_MS)
        before = text_on(original, "original")
        assert network.cut() >= 2
        for tab in tabs:
            expect(tab.locator("#state")).to_contain_text("nouvelle tentative", timeout=SLOW_MS)
        page.wait_for_function(WHOLE, arg=quarter_s * 2, timeout=SLOW_MS)
        page.wait_for_function(UNKEPT, timeout=SLOW_MS)  # said into a tab without a network
        assert text_on(original, "original").startswith(before)
        network.mend()
        for tab in tabs:
            expect(tab.locator("#state")).to_contain_text("En direct", timeout=SLOW_MS)
        page.wait_for_function(ALL_KEPT, timeout=SLOW_MS)
        assert network.freeze() >= 2
        seen = len(events_of(room, session))
        page.wait_for_function(WHOLE, arg=room.clip.duration_ms / 1000 + 0.5, timeout=SLOW_MS)
        page.wait_for_function(UNKEPT, timeout=SLOW_MS)
        for tab in tabs:
            tab.clock.fast_forward(60_000)  # its timers and its clock, not its sound
        page.wait_for_function(ALL_KEPT, timeout=SLOW_MS)
        page.get_by_role("button", name="Terminer la séance").click()
        told = {page: "tout est enregistré", original: "Séance terminée"}
        for tab, word in told.items():
            expect(tab.locator("#state")).to_contain_text(word, timeout=SLOW_MS)
        events = events_of(room, session)
        assert len(events) > seen
        assert not [event for event in events if event["type"] == "GapFound"]
        written = written_of(events)
        for tab in tabs:
            assert text_on(tab, "original") == written
        assert error_rate(room.clip.text, written, language="en") < 0.5


def events_of(room: Room, session: str) -> list[dict[str, Any]]:
    lines = ask(room.server, f"/v1/sessions/{session}/events").text.splitlines()
    return [json.loads(line)["event"] for line in lines]


def written_of(events: list[dict[str, Any]]) -> str:
    """Everything that was committed, in the order in which segments began."""
    segments: dict[int, str] = {}
    for event in events:
        if event["type"] == "WordsCommitted":
            words = "".join(word["text"] for word in event["words"])
            segments[event["segment"]] = segments.get(event["segment"], "") + words
    return " ".join(" ".join(segments.values()).split())


WHOLE = """(seconds) => {
  const [minutes, rest] = document.querySelector('#clock').textContent.split(':').map(Number);
  return minutes * 60 + rest >= seconds;
}"""


def by_webrtc(guest: Visitor, *, title: str) -> Page:
    """The form, to be sent by WebRTC."""
    page = filled(guest, title=title)
    page.get_by_text("Vocabulaire et autres réglages").click()
    page.locator("#transport").select_option("webrtc")
    return page


def test_webrtc_goes_on_by_websocket_through_a_restart(room: Room) -> None:
    """Nothing that was said is lost, and viewers stay in the same session."""
    assert ask(room.server, "/v1/whip", method="OPTIONS").status == 204
    with (
        visitor(room.browser, room.url, forgive=CUT) as speaker,
        visitor(room.browser, room.url, forgive=CUT) as reader,
    ):
        page = by_webrtc(speaker, title="Convoi par WebRTC")
        page.get_by_role("button", name="Ouvrir la séance").click()
        session = session_of(page)
        original = reader.open(f"/watch/{session}")
        french = reader.open(f"/watch/{session}?view=translation:fr")
        expect(page.locator("#way")).to_contain_text("Son envoyé en WebRTC")
        assert violations(page) == []  # as it is while somebody speaks
        half_s = room.clip.duration_ms / 2000
        page.wait_for_function(WHOLE, arg=half_s, timeout=SLOW_MS)
        before = text_on(original, "original")
        room.server.kill()
        expect(page.locator("#way")).to_contain_text("WebRTC s’est coupé", timeout=SLOW_MS)
        page.wait_for_function(WHOLE, arg=room.clip.duration_ms / 1000 + 1, timeout=SLOW_MS)
        room.server.start()
        room.server.wait_until_ready()
        expect(page.locator("#state")).to_contain_text("En direct", timeout=SLOW_MS)
        page.get_by_role("button", name="Terminer la séance").click()
        told = {page: "tout est enregistré", original: "Séance terminée", french: "Séance terminée"}
        for tab, word in told.items():
            expect(tab.locator("#state")).to_contain_text(word, timeout=SLOW_MS)
        events = events_of(room, session)
        missing = [event for event in events if event["type"] == "GapFound"]
        assert not [gap for gap in missing if gap["cause"] != "packet_loss"]
        written = written_of(events)
        for tab in (page, original):
            assert text_on(tab, "original") == written
        assert written.startswith(before)
        assert error_rate(room.clip.text, written, language="en") < 0.5
        assert text_on(french, "translation") not in ("", written)


NO_PATH = """RTCPeerConnection.prototype.setRemoteDescription = new Proxy(
  RTCPeerConnection.prototype.setRemoteDescription,
  { apply: (call, peer, [{ type, sdp }]) =>
      call.call(peer, { type, sdp: sdp.replace(/a=ice-pwd:.{8}/g, 'a=ice-pwd:otherone') }) },
);"""
"""Of all ways, none is the one that the server answers on."""


@pytest.mark.parametrize("lacking", ["extra", "path"])
def test_without_webrtc_the_websocket_is_taken_and_it_is_said(room: Room, lacking: str) -> None:
    """The server has no WebRTC, or its network lets none through: what was said is there."""
    with visitor(room.browser, room.url, forgive=CUT) as guest:
        if lacking == "extra":
            refusal = '{"code": "webrtc_missing", "message": "", "retryable": false}'
            guest.context.route(
                "**/v1/whip?*", lambda route: route.fulfill(status=501, body=refusal)
            )
        else:
            guest.context.add_init_script(NO_PATH)
        page = by_webrtc(guest, title=f"Sans {lacking}")
        page.get_by_role("button", name="Ouvrir la séance").click()
        expect(page.locator("#way")).to_contain_text("Pas de WebRTC", timeout=SLOW_MS)
        session = session_of(page)
        page.wait_for_function(WHOLE, arg=room.clip.duration_ms / 1000 + 0.5, timeout=SLOW_MS)
        page.get_by_role("button", name="Terminer la séance").click()
        expect(page.locator("#state")).to_contain_text("tout est enregistré", timeout=SLOW_MS)
        written = written_of(events_of(room, session))
        assert text_on(page, "original") == written
        assert error_rate(room.clip.text, written, language="en") < 0.5
        sessions = json.loads(ask(room.server, "/v1/sessions").text)["sessions"]
        named = [one for one in sessions if one["title"] == f"Sans {lacking}"]
        assert [one["session"] for one in named] == [session]  # no empty one is left behind


def test_a_file_is_spoken_as_fast_as_it_is_written(room: Room) -> None:
    with visitor(room.browser, room.url) as guest:
        page = filled(guest, title="Fichier")
        page.get_by_text("Fichier", exact=True).click()
        page.locator("#file").set_input_files(room.recording)
        page.get_by_role("button", name="Ouvrir la séance").click()
        expect(page.locator("#state")).to_contain_text("tout est enregistré", timeout=SLOW_MS)
        kept_s = room.clip.duration_ms // 1000
        expect(page.locator("#kept")).to_contain_text(f"0:{kept_s:02d} enregistrées")
        assert error_rate(room.clip.text, text_on(page, "original"), language="en") < 0.5


def test_what_cannot_be_heard_is_said(room: Room, tmp_path: Path) -> None:
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"not a recording")
    with visitor(room.browser, room.url) as guest:
        page = filled(guest, title="")
        page.get_by_text("Fichier", exact=True).click()
        page.locator("#file").set_input_files(noise)
        page.get_by_role("button", name="Ouvrir la séance").click()
        expect(page.get_by_role("alert").first).to_contain_text("ne sait pas lire")
        expect(page.locator("#running")).to_be_hidden()


def test_a_newcomer_sees_it_work(room: Room) -> None:
    with visitor(room.browser, room.url) as guest:
        page = guest.open("/")
        page.get_by_role("button", name="Essayer").click()
        expect(page.locator(".captions__cell--original").first).not_to_be_empty(timeout=SLOW_MS)
        page.get_by_role("button", name="Arrêter").click()
        expect(page.locator("#try").get_by_role("link")).to_have_attribute(
            "href", re.compile("^/(watch|sessions)/"), timeout=SLOW_MS
        )
