"""Many live streams at once into a real server at real time, against one stream alone.

Every stream is a client with a WebSocket of its own that plays recordings one after the other, each
into a session; the streams begin one after the other and at different recordings, so that they do
not speak in step. ``python -m benchmarks.streams --help``; figures as in README.md.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.accuracy import WordErrors, count_errors, total
from benchmarks.corpora import Recording, load_manifest, load_scenes, select
from benchmarks.lag import commit_lags, percentile, screen_lags
from benchmarks.results import result_folder, write_result
from benchmarks.streaming import Played, play
from greffier.errors import ServerRefused
from greffier_models.catalog import default_models_dir
from greffier_server.child import ChildServer


@dataclass(slots=True)
class Run:
    """What one number of streams gave."""

    streams: int
    plays: list[Played] = field(default_factory=list[Played])
    refused: int = 0
    """Openings that the server refused because it was full."""
    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    """Of the server and its children."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the result, print it; 1 when a bar was missed."""
    options = _options(arguments)
    recordings = _recordings(options)
    if not recordings:
        print("no recording fits these filters", file=sys.stderr)
        return 2
    settings = {
        "GREFFIER_RECOGNITION__MODEL": options.model,
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        "GREFFIER_LIMITS__MAX_SESSIONS": str(max(options.streams) + 1),
    }
    runs: list[Run] = []
    with (
        tempfile.TemporaryDirectory(prefix="greffier-bench-") as scratch,
        ChildServer(
            data_dir=Path(scratch), models_dir=default_models_dir(), settings=settings
        ) as server,
    ):
        for streams in ([] if options.no_alone else [1]) + options.streams:
            alone = not runs and not options.no_alone
            run = asyncio.run(_run(recordings, server, streams, options, alone=alone))
            runs.append(run)
            _print(_figures(run, runs[0], options), options)
    result = _result(runs, recordings, options)
    path = write_result(options.out or result_folder(options.machine), options.name, result)
    print(f"\nwritten to {path}")
    return int(not all(figures["held"] for figures in result["runs"]))


async def _run(
    recordings: Sequence[Recording],
    server: ChildServer,
    streams: int,
    options: argparse.Namespace,
    *,
    alone: bool,
) -> Run:
    run = Run(streams)
    process = psutil.Process(server.pid)
    cpu_s, begun_s = _cpu_s(process), time.monotonic()

    async def stream(index: int) -> None:
        await asyncio.sleep(index * options.stagger_s)
        turn = index
        until_s = begun_s + options.seconds
        while turn == index or time.monotonic() < until_s:
            recording = recordings[turn % len(recordings)]
            turn += 1
            try:
                run.plays.append(await play(recording, server.url))
            except ServerRefused as error:
                if error.code != "server_busy":
                    raise
                run.refused += 1
                await asyncio.sleep(1.0)

    if alone:  # each recording once: what the accuracy of many streams is held to
        for recording in recordings:
            run.plays.append(await play(recording, server.url))
    else:
        async with asyncio.TaskGroup() as group:
            for index in range(streams):
                group.create_task(stream(index), name=f"stream-{index}")
    run.elapsed_s = time.monotonic() - begun_s
    run.cpu_s = _cpu_s(process) - cpu_s
    return run


def _cpu_s(process: psutil.Process) -> float:
    seconds = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds += times.user + times.system
    return seconds


def _figures(run: Run, alone: Run, options: argparse.Namespace) -> dict[str, Any]:
    commits = [lag for p in run.plays for lag in commit_lags(p.arrivals, p.playback)]
    screens = [lag for p in run.plays for lag in screen_lags(p.arrivals, p.playback)]
    errors = _errors(run.plays)
    # The same recordings, weighed as often as they were played here.
    once = {p.recording.id: p for p in alone.plays}
    reference = _errors(once[p.recording.id] for p in run.plays if p.recording.id in once)
    p95_ms = percentile(commits, 95)
    worse = errors.rate - reference.rate
    return {
        "streams": run.streams,
        "sessions": len(run.plays),
        "refused": run.refused,
        "words": len(commits),
        "commit_lag_p50_ms": percentile(commits, 50),
        "commit_lag_p95_ms": p95_ms,
        "worst_stream_p95_ms": max(
            (percentile(commit_lags(p.arrivals, p.playback), 95) for p in run.plays if p.arrivals),
            default=float("nan"),
        ),
        "screen_lag_p50_ms": percentile(screens, 50),
        "wer": errors.rate,
        "wer_alone": None if options.no_alone else reference.rate,
        "cpu_cores": run.cpu_s / max(run.elapsed_s, 1e-3),
        "levels": sorted({level for p in run.plays for level in p.levels} | {"full"}),
        "gap_ms": sum(gap.to_ms - gap.from_ms for p in run.plays for gap in p.gaps),
        "held": bool(p95_ms <= options.max_lag_s * 1000 and not worse > options.max_worse),
    }


def _errors(plays: Iterable[Played]) -> WordErrors:
    return total(
        count_errors(p.recording.text, p.text, language=p.recording.language)
        for p in plays
        if p.recording.text.strip()
    )


def _result(
    runs: Sequence[Run], recordings: Sequence[Recording], options: argparse.Namespace
) -> dict[str, Any]:
    return {
        "what": "streams",
        "settings": {
            "model": options.model,
            "seconds": options.seconds,
            "stagger_s": options.stagger_s,
            "max_lag_s": options.max_lag_s,
            "max_worse": options.max_worse,
            "recordings": [recording.id for recording in recordings],
        },
        "runs": [_figures(run, runs[0], options) for run in runs],
    }


def _print(figures: dict[str, Any], options: argparse.Namespace) -> None:
    verdict = "held" if figures["held"] else "not held"
    alone = figures["wer_alone"]
    beside = "no run alone" if alone is None else f"alone {alone:.1%}"
    print(
        f"{figures['streams']:>3} streams: commit p50 {figures['commit_lag_p50_ms'] / 1000:.1f} s, "
        f"p95 {figures['commit_lag_p95_ms'] / 1000:.1f} s "
        f"(worst stream {figures['worst_stream_p95_ms'] / 1000:.1f} s), "
        f"on screen p50 {figures['screen_lag_p50_ms'] / 1000:.1f} s, "
        f"WER {figures['wer']:.1%} ({beside}), "
        f"{figures['cpu_cores']:.2f} cores, {'/'.join(figures['levels'])}, "
        f"{figures['refused']} refused: {verdict} at p95 {options.max_lag_s:g} s",
        flush=True,
    )


def _recordings(options: argparse.Namespace) -> list[Recording]:
    every = load_manifest(options.manifest) if options.manifest else load_scenes()
    return select(
        every,
        sets=options.set,
        languages=options.language,
        ids=options.id,
        min_ms=round(options.min_s * 1000),
        max_ms=None if options.max_s is None else round(options.max_s * 1000),
    )[: options.limit]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams", description=__doc__)
    parser.add_argument(
        "--streams", type=int, nargs="+", default=[4, 8, 10, 12], help="sessions at once, in turn"
    )
    parser.add_argument("--seconds", type=float, default=180.0, help="each stream speaks so long")
    parser.add_argument("--stagger-s", type=float, default=1.7, help="between two beginnings")
    parser.add_argument("--max-lag-s", type=float, default=5.0, help="bar of the commit lag's p95")
    parser.add_argument(
        "--max-worse", type=float, default=0.02, help="bar of the WER above one stream's, a share"
    )
    parser.add_argument("--no-alone", action="store_true", help="skip the run of one stream")
    parser.add_argument("--manifest", type=Path, help="recordings; the scenes when absent")
    parser.add_argument("--set", action="append", default=[], help="only this set (repeatable)")
    parser.add_argument("--language", action="append", default=[], help="only this language")
    parser.add_argument("--id", action="append", default=[], help="only this recording")
    parser.add_argument("--min-s", type=float, default=0.0, help="at least so many seconds long")
    parser.add_argument("--max-s", type=float, help="at most so many seconds long")
    parser.add_argument("--limit", type=int, help="only the first so many")
    parser.add_argument("--model", default="whisper-base", help="speech model")
    parser.add_argument("--machine", help="name of the machine in the result's folder")
    parser.add_argument("--name", default="streams", help="name of the result file")
    parser.add_argument("--out", type=Path, help="folder of the result")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
