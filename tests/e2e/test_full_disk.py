"""A disk that fills up in mid-session: it is said, and nothing acknowledged is lost.

Two ways to a full disk: a file system of a few megabytes, where the system lets us mount one, and
everywhere a limit on the size of files, which is lifted with the process running.
"""

import asyncio
import os
import resource
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import greffier
from greffier_server.child import ChildServer
from tests.support.served_process import (
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
ROOM_BYTES = 640_000
"""20 s of audio: the session below is longer."""
FULL = {"storage_failed", "storage_unavailable"}


@dataclass(frozen=True)
class Disk:
    """A server whose disk is about to be full."""

    server: ChildServer
    fill: Callable[[int], object]
    """Leaves room for so many bytes."""
    free: Callable[[], object]


def settings() -> dict[str, str]:
    return {
        "GREFFIER_RECOGNITION__MODEL": str(whisper_base_path()),
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        "GREFFIER_LIMITS__GRACE_S": "300",
        "GREFFIER_LIMITS__MAX_SESSIONS": "8",  # not by the speed of a busy machine
    }


@contextmanager
def limited_files(folder: Path) -> Generator[Disk]:
    """No file may grow beyond the limit."""

    def limit(size: int) -> None:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    with ChildServer(data_dir=folder, settings=settings()) as server:
        yield Disk(server, limit, lambda: limit(resource.RLIM_INFINITY))


@contextmanager
def small_file_system(folder: Path) -> Generator[Disk]:
    """A file system of its own for the data directory."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a file system is not allowed here")
    ballast = folder / "ballast"

    def fill(room_bytes: int) -> None:
        space = os.statvfs(folder)
        # The server writes, too: what it took in the meantime is not there for us.
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            file.write(bytes(space.f_bavail * space.f_frsize - room_bytes))

    try:
        with ChildServer(data_dir=folder, settings=settings()) as server:
            yield Disk(server, fill, ballast.unlink)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(params=[limited_files, small_file_system])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    with request.param(tmp_path) as made:
        yield made


async def speak_until_full(
    server: ChildServer,
    pcm: bytes,
    *,
    pace: float | None = None,
    seen: Callable[[Conversation], object] = lambda _: None,
) -> Conversation:
    """Speak without reconnecting; return what was seen until the server gave up."""
    talks: list[Conversation] = []

    def watch(talk: Conversation) -> None:
        talks.append(talk)
        seen(talk)

    with pytest.raises(greffier.ConnectionLost):
        await speak(
            server,
            pcm,
            pace=pace,
            seen=watch,
            language="fr",
            minutes=False,
            reconnect=False,
        )
    return talks[-1]


def test_a_full_disk_is_said_and_nothing_acknowledged_is_lost(disk: Disk) -> None:
    radio = clip("meeting-fr", turns=4)
    disk.fill(ROOM_BYTES)
    talk = asyncio.run(asyncio.wait_for(speak_until_full(disk.server, radio.pcm), 120))
    error = talk.messages[-1]
    assert isinstance(error, greffier.Error)
    assert error.code in FULL
    assert error.retryable
    assert "disk" in error.message
    assert 0 < talk.acknowledged_ms < radio.duration_ms

    assert ask(disk.server, "/healthz").status == 200
    assert ask(disk.server, "/readyz").status == 200

    disk.free()
    again = asyncio.run(speak(disk.server, radio.pcm, language="fr", minutes=False))
    assert error_rate(radio.text, again.text, language="fr") < WORST_ERROR_RATE
    check_kept(checked_events(disk.server, talk.id), talk)
    stored = sum(file.stat().st_size for file in audio_of(disk.server, talk.id))
    assert stored >= talk.acknowledged_ms * 32


def audio_of(server: ChildServer, session: str) -> list[Path]:
    return list((server.data_dir / "audio" / "default" / session).iterdir())


def check_kept(events: list[dict[str, Any]], talk: Conversation) -> None:
    for seq, text in talk.committed.items():
        words = events[seq - 1]["event"]["words"]
        assert "".join(word["text"] for word in words) == text


def test_a_client_that_waits_goes_on_when_there_is_space(disk: Disk) -> None:
    radio = clip("meeting-fr", turns=4)
    disk.fill(ROOM_BYTES)
    told: list[greffier.Error] = []

    def seen(talk: Conversation) -> None:
        if not told and talk.of(greffier.Error):
            told.extend(talk.of(greffier.Error))
            disk.free()

    talk = asyncio.run(
        asyncio.wait_for(
            speak(disk.server, radio.pcm, seen=seen, language="fr", minutes=False), 120
        )
    )
    assert told
    assert {error.code for error in told} <= FULL
    assert talk.resumed >= 1
    assert talk.acknowledged_ms == radio.duration_ms
    assert error_rate(radio.text, talk.text, language="fr") < WORST_ERROR_RATE
    events = checked_events(disk.server, talk.id)
    assert "GapFound" not in {event["event"]["type"] for event in events}


def test_a_server_on_a_full_disk_can_be_stopped(disk: Disk) -> None:
    disk.fill(ROOM_BYTES)
    asyncio.run(
        asyncio.wait_for(speak_until_full(disk.server, clip("meeting-fr", turns=4).pcm), 120)
    )
    assert disk.server.stop() == 0


def test_not_a_byte_left_in_mid_session(disk: Disk) -> None:
    """Neither audio nor events nor the server's own log can be written."""
    full = False

    def fill(talk: Conversation) -> None:
        nonlocal full
        if not full and len(talk.committed) >= 2:
            full = True
            disk.fill(0)

    meeting = clip("meeting-fr", turns=4)
    speaking = speak_until_full(disk.server, meeting.pcm, pace=3.0, seen=fill)
    talk = asyncio.run(asyncio.wait_for(speaking, 60))
    assert full
    assert [error.code in FULL for error in talk.of(greffier.Error)] == [True]
    assert ask(disk.server, "/readyz").status == 200
    disk.free()
    check_kept(checked_events(disk.server, talk.id), talk)
    assert disk.server.stop() == 0
