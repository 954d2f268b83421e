"""A thousand connects a second against a real server, beside a session that must not notice.

``python -m benchmarks.connects --per-s 1000 --seconds 20`` starts ``greffier serve`` with the fake
recogniser and floods it from another process, twice: clients that leave when they have their
answer, and clients that stay. Exit status 1 when the rate was not offered, memory grew beyond
bounds, or an answer had no code.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

import greffier
from benchmarks.beside import healthy_session
from benchmarks.lag import percentile
from benchmarks.results import result_folder, write_result
from greffier_server.child import ChildServer

__all__ = ["Newcomers", "Watched", "flood", "main", "untyped"]

_LOOK_S = 0.25
_NEWCOMER_S = 1.0
_LEAST_OFFERED = 0.95
_MEMORY_MB = 96.0
_UNTYPED = ("closed", "reset", "refused", "silent")


@dataclass
class Watched:
    """The server's process during a flood."""

    process: psutil.Process
    before_mb: float = 0.0
    most_mb: float = 0.0
    cpu_s: float = 0.0

    async def look(self) -> None:
        """Look again and again, until cancelled."""
        self.before_mb = self.most_mb = self._resident_mb()
        before_s = sum(self.process.cpu_times()[:2])
        while True:
            await asyncio.sleep(_LOOK_S)
            self.most_mb = max(self.most_mb, self._resident_mb())
            self.cpu_s = sum(self.process.cpu_times()[:2]) - before_s

    def _resident_mb(self) -> float:
        resident: int = self.process.memory_info().rss
        return resident / 1e6


@dataclass
class Newcomers:
    """Honest clients that want a session meanwhile, one a second."""

    opened: int = 0
    refused: dict[str, int] = field(default_factory=dict[str, int])
    """By code, at their first attempt: they would come again."""
    open_ms: list[float] = field(default_factory=list[float])

    async def come(self, url: str) -> None:
        """Come again and again, until cancelled."""
        while True:
            await asyncio.sleep(_NEWCOMER_S)
            begun = time.perf_counter()
            try:
                async with greffier.connect(url, language="fr", minutes=False, reconnect=False):
                    self.opened += 1
                    self.open_ms.append((time.perf_counter() - begun) * 1_000)
            except greffier.GreffierError as error:
                self.refused[error.code] = self.refused.get(error.code, 0) + 1


async def flood(
    port: int, *, per_s: float, seconds: float, hold: bool = False, patience_s: float = 10.0
) -> dict[str, Any]:
    """Run `benchmarks.flood` in a process of its own; return what it found."""
    arguments = ["--port", str(port), "--per-s", str(per_s), "--seconds", str(seconds)]
    arguments += ["--patience-s", str(patience_s), *(["--hold"] if hold else [])]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.flood",
        *arguments,
        cwd=Path(__file__).parents[1],
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        answer, _ = await process.communicate()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    found: dict[str, Any] = json.loads(answer)
    return found


def untyped(found: dict[str, Any]) -> int:
    """Connects that were not told anything a program could act on."""
    return sum(count for how, count in found["answers"].items() if how in _UNTYPED)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the result, print it."""
    options = _options(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="greffier-connects-") as folder,
        ChildServer(data_dir=Path(folder), settings=_settings(options)) as server,
    ):
        result = asyncio.run(_measure(server, options))
    path = write_result(options.out or result_folder(options.machine), "connects", result)
    print(json.dumps(result, indent=2))
    print(f"\nwritten to {path}")
    return int(bool(result["failures"]))


def _settings(options: argparse.Namespace) -> dict[str, str]:
    return {
        "GREFFIER_RECOGNITION__ENGINE": "fake",
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        "GREFFIER_LIMITS__CONNECTIONS": str(options.connections),
        "GREFFIER_LIMITS__GRACE_S": "1",
        "GREFFIER_LIMITS__MAX_SESSIONS": "64",
        "GREFFIER_LOG__LEVEL": "warning",
    }


async def _measure(server: ChildServer, options: argparse.Namespace) -> dict[str, Any]:
    result: dict[str, Any] = {"connections_limit": options.connections, "failures": []}
    async with healthy_session(server.url) as beside:
        await asyncio.sleep(options.seconds / 2)
    result["undisturbed"] = beside.figures()
    for name, hold in (("leaving", False), ("staying", True)):
        watched, newcomers = Watched(psutil.Process(server.pid)), Newcomers()
        async with healthy_session(server.url) as beside, asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(watched.look())
            coming = tasks.create_task(newcomers.come(server.url))
            found = await flood(
                server.port, per_s=options.per_s, seconds=options.seconds, hold=hold
            )
            looking.cancel()
            coming.cancel()
        result[name] = {
            **found,
            "beside": beside.figures(),
            "server_before_mb": watched.before_mb,
            "server_most_mb": watched.most_mb,
            "server_cpu_s": watched.cpu_s,
            "newcomers_opened": newcomers.opened,
            "newcomers_refused": newcomers.refused,
            "newcomers_open_p50_ms": percentile(newcomers.open_ms, 50)
            if newcomers.open_ms
            else float("nan"),
        }
        result["failures"] += _failures(name, result[name])
        await asyncio.sleep(2)
    return result


def _failures(name: str, found: dict[str, Any]) -> list[str]:
    failures: list[str] = []
    if found["offered_per_s"] < _LEAST_OFFERED * found["asked_per_s"]:
        failures.append(f"{name}: only {found['offered_per_s']:.0f} connects a second were made")
    if found["server_most_mb"] - found["server_before_mb"] > _MEMORY_MB:
        failures.append(f"{name}: the server grew by more than {_MEMORY_MB:.0f} MB")
    if count := untyped(found):
        failures.append(f"{name}: {count} connects had no answer with a code")
    return failures


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.connects", description=__doc__)
    parser.add_argument("--per-s", type=float, default=1_000.0)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each flood")
    parser.add_argument("--connections", type=int, default=512, help="the server's limit")
    parser.add_argument("--machine", help="names the folder of results")
    parser.add_argument("--out", type=Path, help="folder of the result")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
