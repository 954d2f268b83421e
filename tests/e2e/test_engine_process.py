"""A recogniser whose process is killed, or stops, under a real server with two live sessions."""

import asyncio
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import greffier
from greffier_server.child import ChildServer
from tests.support.engine_child import engine_children, gone, wait_for_child
from tests.support.served_process import Clip, Conversation, ask, checked_events, clip, speak
from tests.support.served_process import error_rate as difference
from tests.support.weights import whisper_base_path

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PACE = 1.5
TOLERANCE = 0.3
"""Between two runs: which windows are decoded depends on the machine's load."""
STUCK_S = 6
LEAST_WEIGHTS = 60 << 20
"""Of whisper-base, eight bits a weight."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildServer]:
    settings = {
        "GREFFIER_RECOGNITION__MODEL": str(whisper_base_path()),
        "GREFFIER_RECOGNITION__STUCK_S": str(STUCK_S),
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        "GREFFIER_LIMITS__MAX_SESSIONS": "4",
    }
    with ChildServer(data_dir=tmp_path_factory.mktemp("server"), settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return [clip("meeting-fr", turns=1), clip("radio-en", turns=2)]


async def both(server: ChildServer, clips: list[Clip], *harm: Any) -> list[Conversation]:
    """Speak both clips at once; each harm is done to the engine at its share of the way."""
    begun: list[Conversation] = []
    done, next_at = 0, 2
    one_by_one = threading.Lock()

    def seen(talk: Conversation) -> None:  # of two conversations, in two threads
        nonlocal done, next_at
        with one_by_one:
            if talk not in begun:
                begun.append(talk)
            committed = sum(len(each.committed) for each in begun)
            if done < len(harm) and committed >= next_at:
                harm[done](server)
                done, next_at = done + 1, committed + 2  # words of the engine started after it

    talks = await asyncio.gather(
        *(
            speak(server, each.pcm, pace=PACE, seen=seen, language=language, minutes=False)
            for each, language in zip(clips, ("fr", "en"), strict=True)
        )
    )
    assert done == len(harm)
    return talks


def kill(server: ChildServer) -> None:
    os.kill(wait_for_child(server.pid), signal.SIGKILL)


def suspend(server: ChildServer) -> None:
    os.kill(wait_for_child(server.pid), signal.SIGSTOP)


def restarts(server: ChildServer) -> dict[str, float]:
    found = re.findall(
        r'^greffier_engine_restarts_total\{cause="(\w+)"\} (\S+)$',
        ask(server, "/metrics").text,
        re.MULTILINE,
    )
    return {cause: float(count) for cause, count in found}


def test_sessions_notice_only_that_it_takes_longer(server: ChildServer, clips: list[Clip]) -> None:
    undisturbed = asyncio.run(both(server, clips))
    assert restarts(server) == {}
    disturbed = asyncio.run(both(server, clips, kill, suspend))
    assert restarts(server) == {"died": 1, "silent": 1}
    for clip_, before, after in zip(clips, undisturbed, disturbed, strict=True):
        events = checked_events(server, after.id)
        kinds = {event["event"]["type"] for event in events}
        assert not kinds & {"GapFound", "StageFailed"}
        stored = {
            event["seq"]: "".join(word["text"] for word in event["event"]["words"])
            for event in events
            if event["event"]["type"] == "WordsCommitted"
        }
        assert after.committed == {seq: text for seq, text in stored.items() if text}
        assert after.resumed == 0
        assert after.acknowledged_ms == clip_.duration_ms
        assert len(after.of(greffier.Caption)) > 3
        assert difference(before.text, after.text, language="en") <= TOLERANCE
    assert ask(server, "/readyz").status == 200


def test_the_weights_are_held_once(server: ChildServer) -> None:
    of_server, of_engine = map(_own_bytes, (server.pid, wait_for_child(server.pid)))
    assert of_engine - of_server > LEAST_WEIGHTS


def _own_bytes(pid: int) -> int:
    """Memory that is this process's alone, swapped out or not (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    return sum(
        int(size) << 10 for size in re.findall(r"^(?:RssAnon|VmSwap):\s+(\d+)", status, re.M)
    )


def test_the_engine_ends_with_its_server_and_not_before(tmp_path: Path) -> None:
    settings = {
        "GREFFIER_RECOGNITION__ENGINE": "fake",
        "GREFFIER_RECOGNITION__ISOLATION": "process",
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
    }
    with ChildServer(data_dir=tmp_path, settings=settings) as server:
        child = wait_for_child(server.pid)
        os.kill(child, signal.SIGINT)  # as from a terminal
        time.sleep(0.3)
        assert engine_children(server.pid) == [child]
        assert server.stop() == 0
        assert gone(child)
        server.start()
        server.wait_until_ready()
        child = wait_for_child(server.pid)
        os.kill(child, signal.SIGSTOP)
        server.kill()
        assert gone(child), "though it could not see its server die"
