"""What every rival offers the harness, and what its adapters share."""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from benchmarks.corpora import RATE, Recording
from benchmarks.lag import Playback
from benchmarks.rivals.screens import Screen
from greffier_server.child_process import LOOPBACK as HOST
from greffier_server.child_process import ChildProcess, free_port

__all__ = [
    "CHUNK_MS",
    "HOST",
    "Heard",
    "Refused",
    "Rival",
    "RivalProcess",
    "RunningServer",
    "now_ms",
    "speak",
]

CHUNK_MS = 40
BYTES_PER_MS = RATE * 2 // 1000
POLL_S = 0.2
STOP_TIMEOUT_S = 10.0


class Refused(Exception):
    """The server would not take this session, or dropped it."""


@dataclass(slots=True)
class Heard:
    """One session: what was sent and seen; times are milliseconds of this process' clock."""

    recording: Recording
    playback: Playback = field(default_factory=Playback)
    screens: list[Screen] = field(default_factory=list[Screen])
    finished_ms: float = 0.0


class RunningServer(Protocol):
    """A server that takes sessions."""

    @property
    def url(self) -> str:
        """Where clients connect."""
        ...

    @property
    def pid(self) -> int:
        """Its first process; its children belong to it."""
        ...


class Rival(Protocol):
    """One live transcription server and its protocol."""

    name: str

    def serve(
        self, *, weights: Path, scratch: Path, streams: int
    ) -> AbstractContextManager[RunningServer]:
        """The server on loopback with these CTranslate2 weights, ready inside the ``with``."""
        ...

    async def play(self, recording: Recording, url: str) -> Heard:
        """Speak at real time and read to the end.

        Raises:
            Refused: the server does not take the session.
            OSError: the connection broke.
            TimeoutError: it did not come to an end.
        """
        ...


class RivalProcess:
    """A rival's server as a child process; ready inside ``with`` and gone outside."""

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        *,
        log: Path,
        scheme_path: str = "",
        environment: Mapping[str, str] | None = None,
        ready_timeout_s: float = 180.0,
    ) -> None:
        """Describe it; nothing is started yet.

        Args:
            command: the command line for a given port.
            log: where its output goes.
            scheme_path: path of its WebSocket.
            environment: variables besides the common ones.
            ready_timeout_s: it listens within this time.
        """
        self._port = free_port()
        self._path = scheme_path
        self._ready_timeout_s = ready_timeout_s
        self._process = ChildProcess(
            command(self._port),
            log=log,
            environment={**_offline_environment(), **(environment or {})},
            stop_timeout_s=STOP_TIMEOUT_S,
        )

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"ws://{HOST}:{self._port}{self._path}"

    @property
    def pid(self) -> int:
        """Process id; the process runs."""
        if (pid := self._process.pid) is None:
            raise RuntimeError("the server is not running")
        return pid

    def __enter__(self) -> Self:
        """Start it and wait until it listens.

        Raises:
            RuntimeError: it does not.
        """
        self._process.start()
        try:
            self._wait()
        except BaseException:
            self._process.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        self._process.stop()

    def _wait(self) -> None:
        deadline = time.monotonic() + self._ready_timeout_s
        while time.monotonic() < deadline:
            if not self._process.running:
                raise RuntimeError(f"the server ended at once:\n{self._process.last_lines()}")
            try:
                with socket.create_connection((HOST, self._port), timeout=1):
                    return
            except OSError:
                time.sleep(POLL_S)
        raise RuntimeError(f"the server does not listen:\n{self._process.last_lines()}")


async def speak(
    pcm: bytes,
    send: Callable[[bytes], Awaitable[None]],
    playback: Playback,
) -> None:
    """Send 16-bit PCM in chunks of 40 ms, each when its last sample has been spoken.

    Counted from the start, so that delays do not add up.
    """
    step = CHUNK_MS * BYTES_PER_MS
    began_ms = now_ms()
    for index, offset in enumerate(range(0, len(pcm), step), 1):
        chunk = pcm[offset : offset + step]
        wait_ms = began_ms + index * CHUNK_MS - now_ms()
        if wait_ms > 0:
            await asyncio.sleep(wait_ms / 1000)
        await send(chunk)
        playback.sent((offset + len(chunk)) // BYTES_PER_MS, at_ms=now_ms())


def now_ms() -> float:
    """The clock of all times here."""
    return time.perf_counter() * 1000


def _offline_environment() -> dict[str, str]:
    """No hub, no proxy out, and as many compute threads as there are cores."""
    dead_end = f"http://{HOST}:9"
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": os.environ.get("HOME", "/"),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HTTP_PROXY": dead_end,
        "HTTPS_PROXY": dead_end,
        "http_proxy": dead_end,
        "https_proxy": dead_end,
        "OMP_NUM_THREADS": str(len(os.sched_getaffinity(0))),
        "PYTHONUNBUFFERED": "1",
    }
