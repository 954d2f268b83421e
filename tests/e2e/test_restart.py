"""A server that ends in mid-session: stopped, or killed as by a power cut, and started again."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import greffier
from greffier_server.child import ChildServer
from tests.support.served_process import (
    Clip,
    Conversation,
    ask,
    checked_events,
    clip,
    error_rate,
    speak,
)
from tests.support.weights import whisper_base_path

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

WORST_ERROR_RATE = 0.35
PACE = 2.5
COMMITS_BEFORE = 3


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ChildServer]:
    settings = {
        "GREFFIER_RECOGNITION__MODEL": str(whisper_base_path()),
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        "GREFFIER_LIMITS__GRACE_S": "8",
    }
    with ChildServer(data_dir=tmp_path, settings=settings) as running:
        yield running


class Interruption:
    """Ends the server once some text is committed, and starts it again."""

    def __init__(self, server: ChildServer, end: Callable[[ChildServer], object]) -> None:
        self._server = server
        self._end = end
        self.talk = Conversation()
        self.committed: dict[int, str] = {}
        self.acknowledged_ms = 0

    def __call__(self, talk: Conversation) -> None:
        self.talk = talk
        if self.committed or len(talk.committed) < COMMITS_BEFORE:
            return
        self.committed = dict(talk.committed)
        self.acknowledged_ms = talk.acknowledged_ms
        self._end(self._server)
        self._server.start()
        self._server.wait_until_ready()


def stop(server: ChildServer) -> None:
    assert server.stop() == 0


def kill(server: ChildServer) -> None:
    server.kill()


def check_kept(events: list[dict[str, Any]], committed: dict[int, str]) -> None:
    """What was committed before is there, under the same numbers, unchanged."""
    for seq, text in committed.items():
        event = events[seq - 1]["event"]
        assert event["type"] == "WordsCommitted"
        assert "".join(word["text"] for word in event["words"]) == text


def last_of(events: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(e["event"] for e in reversed(events) if e["event"]["type"] == kind)


@pytest.mark.parametrize("end", [stop, kill])
def test_the_client_notices_nothing_but_a_delay(
    server: ChildServer, end: Callable[[ChildServer], object]
) -> None:
    radio = clip("meeting-fr", turns=4)
    interruption = Interruption(server, end)
    talk = asyncio.run(
        speak(server, radio.pcm, pace=PACE, seen=interruption, language="fr", minutes=False)
    )
    assert 0 < interruption.acknowledged_ms < radio.duration_ms
    assert talk.resumed == 1
    events = checked_events(server, talk.id)
    check_kept(events, interruption.committed)
    check_whole(radio, talk, events)


def check_whole(radio: Clip, talk: Conversation, events: list[dict[str, Any]]) -> None:
    """Every sample was recorded and decoded, and each commit reached the client once."""
    kinds = [event["event"]["type"] for event in events]
    assert last_of(events, "InputEnded") == {
        "type": "InputEnded",
        "reason": "finish",
        "duration_ms": radio.duration_ms,
    }
    assert "GapFound" not in kinds
    assert kinds[-2:] == ["RecognitionFinished", "SessionFinished"]
    stored = {
        event["seq"]: "".join(word["text"] for word in event["event"]["words"])
        for event in events
        if event["event"]["type"] == "WordsCommitted"
    }
    assert talk.committed == {seq: text for seq, text in stored.items() if text}
    assert len([c for c in talk.of(greffier.Caption) if c.committed]) == len(talk.committed)
    assert error_rate(radio.text, talk.text, language="fr") < WORST_ERROR_RATE


def test_a_session_whose_client_died_too_is_finished_from_its_journal(server: ChildServer) -> None:
    radio = clip("meeting-fr", turns=4)
    interruption = Interruption(server, kill)
    with pytest.raises(greffier.ConnectionLost):
        asyncio.run(
            speak(
                server,
                radio.pcm,
                pace=PACE,
                seen=interruption,
                language="fr",
                minutes=False,
                reconnect=False,
            )
        )
    session = interruption.talk.id
    deadline = time.monotonic() + 60
    while ask(server, f"/v1/sessions/{session}").json["state"] != "finished":
        assert time.monotonic() < deadline, "the session is not finished by itself"
        time.sleep(0.2)
    events = checked_events(server, session)
    check_kept(events, interruption.committed)
    ended = last_of(events, "InputEnded")
    assert ended["reason"] == "vanished"
    assert ended["duration_ms"] >= interruption.acknowledged_ms
    # The scene is spoken without long pauses: the words go on to the end of what was recorded.
    assert last_of(events, "WordsCommitted")["words"][-1]["end_ms"] > ended["duration_ms"] - 3_000
