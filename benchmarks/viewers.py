"""What viewers of one session cost, on a real server process.

``python -m benchmarks.viewers --viewers 300 --seconds 60`` starts ``greffier serve`` with the fake
recogniser and speaks one session into it at real time: first alone, then with viewers over
WebSocket, then with viewers over server-sent events, which sit in a process of their own. The
server's processor time with viewers less that without is theirs; how late audio is acknowledged
and words are committed must not change with them.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from benchmarks.acks import BYTES_PER_MS, STEP_MS
from benchmarks.lag import percentile
from benchmarks.processes import usage
from benchmarks.results import result_folder, write_result
from greffier.address import ServerAddress
from greffier.backoff import RetryPolicy
from greffier.live import LiveSession
from greffier.protocol import Caption, Start
from greffier.wire import Wire
from greffier_models.encoded import encode_speech
from greffier_models.types import Word
from greffier_server.child import ChildServer

__all__ = ["Round", "main", "measure", "server_for"]

Kind = Literal["none", "socket", "events"]

_BAR_PERCENT: Final = 10.0
_WORD_MS: Final = 330
_SETTLE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Round:
    """One session with so many viewers."""

    kind: Kind
    viewers: int
    cpu_percent: float
    """Of one core; the whole server."""
    messages_per_s: float
    """To each viewer."""
    ack_p95_ms: float
    commit_p50_ms: float
    """From the end of the newest audio to the end of the last committed word."""
    commit_p95_ms: float
    complete: int
    """Viewers that were told the end of the session."""


class _Speaker:
    """Speaks at real time; notes when audio is acknowledged and how late words are."""

    def __init__(self, url: str) -> None:
        address = ServerAddress.parse(url)
        self._sent_at: dict[int, float] = {}
        self.acks_ms: list[float] = []
        self.lags_ms: list[float] = []
        self.messages = 0
        self.session = LiveSession(
            Start(language="en", minutes=False),
            dial=lambda: Wire.open(address),
            retry=RetryPolicy(attempts=0),
            on_acknowledged=self._acknowledged,
        )

    async def speak(self, audio: bytes) -> None:
        clock = time.perf_counter
        step, begun = STEP_MS * BYTES_PER_MS, clock()
        for number, at in enumerate(range(0, len(audio), step)):
            await asyncio.sleep(max(0.0, begun + number * STEP_MS / 1_000 - clock()))
            piece = audio[at : at + step]
            self._sent_at[self.session.end_sample + len(piece) // 2] = clock()
            await self.session.send(piece)

    async def read(self) -> None:
        async for message in self.session:
            self.messages += 1
            if isinstance(message, Caption) and message.committed:
                self.lags_ms.append(float(message.lag_ms))

    def _acknowledged(self, samples: int) -> None:
        now = time.perf_counter()
        for sample in [sample for sample in self._sent_at if sample <= samples]:
            self.acks_ms.append((now - self._sent_at.pop(sample)) * 1_000)


def server_for(data_dir: Path, *, viewers: int) -> ChildServer:
    """A server without weights that takes one session and so many viewers."""
    settings = {
        "GREFFIER_RECOGNITION__ENGINE": "fake",
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        "GREFFIER_LIMITS__CONNECTIONS": str(viewers + 64),
        "GREFFIER_LOG__LEVEL": "warning",
    }
    return ChildServer(data_dir=data_dir, settings=settings)


async def measure(server: ChildServer, *, kind: Kind, viewers: int, seconds: float) -> Round:
    """Speak one session with so many viewers of one kind."""
    audio = await asyncio.to_thread(_audio, seconds)
    speaker = _Speaker(server.url)
    await speaker.session.open()
    reading = asyncio.create_task(speaker.read())
    crowd = None
    try:
        if kind != "none":
            crowd = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "benchmarks.viewers", "--view", kind),
                *("--viewers", str(viewers), "--session", speaker.session.id),
                *("--port", str(server.port)),
                stdout=asyncio.subprocess.PIPE,
            )
            assert crowd.stdout is not None
            await crowd.stdout.readline()  # all of them are there
        await asyncio.sleep(_SETTLE_S)
        before, begun = await asyncio.to_thread(usage, server.pid), time.perf_counter()
        await speaker.speak(audio)
        lasted_s = time.perf_counter() - begun
        used_s = (await asyncio.to_thread(usage, server.pid)).cpu_s - before.cpu_s
        told = speaker.messages
        await speaker.session.finish()
        await reading
        complete = 0
        if crowd is not None:
            out, _ = await asyncio.wait_for(crowd.communicate(), 60)
            complete = int(out)
    finally:
        reading.cancel()
        await speaker.session.close()
        if crowd is not None and crowd.returncode is None:
            crowd.kill()
            await crowd.wait()
    return Round(
        kind=kind,
        viewers=viewers if crowd is not None else 0,
        cpu_percent=100 * used_s / lasted_s,
        messages_per_s=told / lasted_s,
        ack_p95_ms=percentile(speaker.acks_ms, 95),
        commit_p50_ms=percentile(speaker.lags_ms, 50),
        commit_p95_ms=percentile(speaker.lags_ms, 95),
        complete=complete,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the result, print it; 1 when a bar is missed."""
    options = _options(arguments)
    if options.view:
        return asyncio.run(_view(options))
    rounds: list[Round] = []
    kinds: tuple[Kind, ...] = ("none", "socket", "events")
    for kind in kinds:
        with (
            tempfile.TemporaryDirectory(prefix="greffier-viewers-") as scratch,
            server_for(Path(scratch), viewers=options.viewers) as server,
        ):
            rounds.append(
                asyncio.run(
                    measure(server, kind=kind, viewers=options.viewers, seconds=options.seconds)
                )
            )
    alone = rounds[0]
    figures: dict[str, dict[str, float]] = {}
    for one in rounds:
        added = one.cpu_percent - alone.cpu_percent
        sent_per_s = one.viewers * one.messages_per_s
        figures[one.kind] = {
            "viewers": one.viewers,
            "complete": one.complete,
            "cpu_percent": one.cpu_percent,
            "added_cpu_percent": added,
            "messages_per_s": one.messages_per_s,
            "us_a_message": added * 10_000 / sent_per_s if sent_per_s else float("nan"),
            "ack_p95_ms": one.ack_p95_ms,
            "commit_p50_ms": one.commit_p50_ms,
            "commit_p95_ms": one.commit_p95_ms,
        }
    result: dict[str, Any] = {
        "options": {"viewers": options.viewers, "seconds": options.seconds},
        "figures": figures,
    }
    path = write_result(options.out or result_folder(options.machine), "viewers", result)
    for name in figures["none"]:
        print(f"{name:>20} " + " ".join(f"{figures[kind][name]:10.4g}" for kind in kinds))
    print(f"\nwritten to {path}")
    whole = all(one.complete == one.viewers for one in rounds)
    most = max(figures[kind]["added_cpu_percent"] for kind in kinds)
    return int(not whole or most > options.bar_percent)


async def _view(options: argparse.Namespace) -> int:
    """Be the viewers: say when all are there, read to the end, say how many heard it."""
    connections = [
        await asyncio.open_connection("127.0.0.1", options.port) for _ in range(options.viewers)
    ]
    for reader, writer in connections:
        if options.view == "events":
            writer.write(_request(f"/v1/sessions/{options.session}/live"))
            await reader.readuntil(b"retry: 2000")
        else:
            writer.write(_upgrade())
            await reader.readuntil(b"\r\n\r\n")
            writer.write(_masked(f'{{"type":"watch","session":"{options.session}"}}'.encode()))
            await reader.readuntil(b'"started"')
    print("there", flush=True)
    heard = await asyncio.gather(*(_read(reader) for reader, _ in connections))
    for _, writer in connections:
        writer.close()
    print(sum(heard), flush=True)
    return 0


async def _read(reader: asyncio.StreamReader) -> bool:
    last = b""
    while piece := await reader.read(65_536):
        last = (last + piece)[-512:]
        if b'"finished"' in last:
            return True
    return False


def _request(path: str, *lines: str) -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", "")).encode()


def _upgrade() -> bytes:
    key = b64encode(bytes(16)).decode()
    return _request(
        "/v1/live",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Protocol: greffier.v1",
    )


def _masked(text: bytes) -> bytes:
    """One text frame with a mask of zeros (RFC 6455 §5.2); shorter than 126 bytes."""
    assert len(text) < 126
    return bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text


def _audio(seconds: float) -> bytes:
    words = [
        Word(f" word-{number}{'.' if number % 12 == 11 else ''}", at, at + 300, 1.0)
        for number, at in enumerate(range(0, int(seconds * 1_000) - _WORD_MS, _WORD_MS))
    ]
    return encode_speech(words, duration_ms=int(seconds * 1_000)).astype("<i2").tobytes()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=60.0, help="of speech in each round")
    parser.add_argument("--bar-percent", type=float, default=_BAR_PERCENT)
    parser.add_argument("--machine", help="name of this machine in the result's folder")
    parser.add_argument("--out", type=Path, help="folder for the result")
    parser.add_argument("--view", choices=("socket", "events"), help=argparse.SUPPRESS)
    parser.add_argument("--session", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
