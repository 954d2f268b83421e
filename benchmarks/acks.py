"""Acknowledgement latency of fed sessions, and what idle ones cost, on a real server process.

``python -m benchmarks.acks --sessions 50 --seconds 60 --idle 200`` starts ``greffier serve`` with
the fake recogniser, so that only the way to the disk and back is measured: from the moment a client
hands 100 ms of audio to its socket to the moment it hears that they are on disk. The fed sessions
speak encoded text at real time, at phases spread over the 100 ms. Then sessions are opened that
send nothing, and the server's processor time is counted over a while.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.lag import percentile
from benchmarks.processes import usage
from benchmarks.results import result_folder, write_result
from greffier.address import ServerAddress
from greffier.backoff import RetryPolicy
from greffier.live import LiveSession
from greffier.protocol import Start
from greffier.wire import Wire
from greffier_models.encoded import encode_speech
from greffier_models.types import Word
from greffier_server.child import ChildServer

__all__ = ["Fed", "Idle", "feed", "idle", "main", "server_of_fakes"]

STEP_MS: Final = 100
BYTES_PER_MS: Final = 32
_SETTLE_S: Final = 5.0


@dataclass
class Fed:
    """What one round of feeding showed."""

    latencies_ms: list[float] = field(default_factory=list[float])
    """Of every 100 ms of every session."""
    unacknowledged_ms: int = 0
    """At the end; anything but 0 is a loss."""
    server_cpu_s: float = 0.0
    seconds: float = 0.0

    def figures(self) -> dict[str, float]:
        """For the result."""
        return {
            "ack_p50_ms": percentile(self.latencies_ms, 50),
            "ack_p95_ms": percentile(self.latencies_ms, 95),
            "ack_worst_ms": max(self.latencies_ms, default=float("nan")),
            "fed_cpu_percent": 100 * self.server_cpu_s / max(self.seconds, 1e-9),
            "unacknowledged_ms": float(self.unacknowledged_ms),
        }


@dataclass(frozen=True, slots=True)
class Idle:
    """What sessions that send nothing cost."""

    cpu_percent: float
    """Of one core."""
    memory_mb: float
    """Per session."""


class _Speaker:
    """One session, and when each step was sent and acknowledged."""

    def __init__(self, address: ServerAddress) -> None:
        self._sent_at: dict[int, float] = {}
        self.latencies_ms: list[float] = []
        self.session = LiveSession(
            Start(language="en", minutes=False),
            dial=lambda: Wire.open(address),
            retry=RetryPolicy(attempts=0),
            on_acknowledged=self._acknowledged,
        )
        self._reader: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self.session.open()
        self._reader = asyncio.create_task(self._read())

    async def close(self) -> None:
        await self.session.close()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    async def speak(self, audio: bytes, *, delay_s: float) -> None:
        clock = time.perf_counter
        step = STEP_MS * BYTES_PER_MS
        begun = clock() + delay_s
        for number, at in enumerate(range(0, len(audio), step)):
            await asyncio.sleep(max(0.0, begun + number * STEP_MS / 1_000 - clock()))
            piece = audio[at : at + step]
            self._sent_at[self.session.end_sample + len(piece) // 2] = clock()
            await self.session.send(piece)

    def _acknowledged(self, samples: int) -> None:
        now = time.perf_counter()
        for sample in [sample for sample in self._sent_at if sample <= samples]:
            self.latencies_ms.append((now - self._sent_at.pop(sample)) * 1_000)

    async def _read(self) -> None:
        async for _ in self.session:
            pass


def server_of_fakes(data_dir: Path, *, sessions: int) -> ChildServer:
    """A server without weights that takes so many sessions."""
    settings = {
        "GREFFIER_RECOGNITION__ENGINE": "fake",
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        "GREFFIER_LIMITS__MAX_SESSIONS": str(sessions + 8),
        "GREFFIER_LIMITS__CONNECTIONS": str(sessions + 64),
        "GREFFIER_LIMITS__IDLE_TIMEOUT_S": "3600",
        "GREFFIER_LIMITS__GRACE_S": "1",
        "GREFFIER_LOG__LEVEL": "warning",
    }
    return ChildServer(data_dir=data_dir, settings=settings)


async def feed(server: ChildServer, *, sessions: int, seconds: float) -> Fed:
    """Speak into `sessions` at once, at real time."""
    address = ServerAddress.parse(server.url)
    audio = await asyncio.to_thread(_audio, seconds)
    speakers = [_Speaker(address) for _ in range(sessions)]
    fed = Fed()
    try:
        for speaker in speakers:
            await speaker.open()
        before, begun = await asyncio.to_thread(usage, server.pid), time.perf_counter()
        phases = [STEP_MS / 1_000 * number / sessions for number in range(sessions)]
        speaking = zip(speakers, phases, strict=True)
        await asyncio.gather(*(s.speak(audio, delay_s=phase) for s, phase in speaking))
        fed.seconds = time.perf_counter() - begun
        fed.server_cpu_s = (await asyncio.to_thread(usage, server.pid)).cpu_s - before.cpu_s
        await _acknowledged(speakers)
    finally:
        await asyncio.gather(*(speaker.close() for speaker in speakers))
    fed.latencies_ms = [latency for speaker in speakers for latency in speaker.latencies_ms]
    fed.unacknowledged_ms = sum(s.session.sent_ms - s.session.acknowledged_ms for s in speakers)
    return fed


async def idle(server: ChildServer, *, sessions: int, seconds: float) -> Idle:
    """Open `sessions` that send nothing, and look at the server for a while."""
    address = ServerAddress.parse(server.url)
    empty = await asyncio.to_thread(usage, server.pid)
    speakers = [_Speaker(address) for _ in range(sessions)]
    try:
        for speaker in speakers:
            await speaker.open()
        await asyncio.sleep(min(_SETTLE_S, seconds / 2))
        before, begun = await asyncio.to_thread(usage, server.pid), time.perf_counter()
        await asyncio.sleep(seconds)
        after = await asyncio.to_thread(usage, server.pid)
        lasted_s = time.perf_counter() - begun
    finally:
        await asyncio.gather(*(speaker.close() for speaker in speakers))
    return Idle(
        cpu_percent=100 * (after.cpu_s - before.cpu_s) / lasted_s,
        memory_mb=(after.resident_mb - empty.resident_mb) / sessions,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the result, print it; 1 when a bar is missed."""
    options = _options(arguments)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="greffier-acks-") as scratch:
        with server_of_fakes(Path(scratch) / "fed", sessions=options.sessions) as server:
            fed = asyncio.run(feed(server, sessions=options.sessions, seconds=options.seconds))
        figures |= fed.figures()
        with server_of_fakes(Path(scratch) / "idle", sessions=options.idle) as server:
            cost = asyncio.run(idle(server, sessions=options.idle, seconds=options.idle_seconds))
        figures |= {"idle_cpu_percent": cost.cpu_percent, "idle_mb_a_session": cost.memory_mb}
    result: dict[str, Any] = {"options": _plain(options), "figures": figures}
    path = write_result(options.out or result_folder(options.machine), "acks", result)
    for name, value in figures.items():
        print(f"{name:>24} {value:.4g}")
    print(f"\nwritten to {path}")
    missed = (
        figures["ack_p95_ms"] > options.ack_bar_ms
        or figures["idle_cpu_percent"] > options.idle_bar_percent
        or figures["unacknowledged_ms"] > 0
    )
    return int(missed)


async def _acknowledged(speakers: Sequence[_Speaker]) -> None:
    try:
        async with asyncio.timeout(_SETTLE_S * 4):
            for speaker in speakers:
                while speaker.session.acknowledged_ms < speaker.session.sent_ms:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
    except TimeoutError:
        return  # the result says how much is missing


def _audio(seconds: float) -> bytes:
    """Encoded speech: two words a second."""
    words = [
        Word(f" word{number}", 500 * number + 50, 500 * number + 400, 1.0)
        for number in range(int(seconds * 2))
    ]
    return encode_speech(words, duration_ms=int(seconds * 1_000)).astype("<i2").tobytes()


def _plain(options: argparse.Namespace) -> dict[str, Any]:
    kept = {name: value for name, value in vars(options).items() if name not in {"out", "machine"}}
    return {name: str(value) if isinstance(value, Path) else value for name, value in kept.items()}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.acks", description=__doc__)
    parser.add_argument("--sessions", type=int, default=50, help="fed at once")
    parser.add_argument("--seconds", type=float, default=60.0, help="of audio for each")
    parser.add_argument("--idle", type=int, default=200, help="sessions that send nothing")
    parser.add_argument("--idle-seconds", type=float, default=60.0)
    parser.add_argument("--ack-bar-ms", type=float, default=400.0)
    parser.add_argument("--idle-bar-percent", type=float, default=2.0)
    parser.add_argument("--machine", help="name in the result's folder")
    parser.add_argument("--out", type=Path, help="folder of the result")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
