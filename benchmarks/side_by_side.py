"""Greffier and its rivals, one after the other in one run, on the same recordings and weights.

``python -m benchmarks.side_by_side --help``; what each figure means is in docs/reference.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import soundfile

from benchmarks.accuracy import WordErrors, count_errors, total
from benchmarks.corpora import Recording, load_manifest, load_scenes, select
from benchmarks.lag import percentile
from benchmarks.processes import Usage, usage
from benchmarks.results import result_folder, write_result
from benchmarks.rivals.our_server import OurServer
from benchmarks.rivals.port import Heard, Refused, Rival, RunningServer
from benchmarks.rivals.screens import erased_after, final_text, shown_since, word_lags
from benchmarks.rivals.whisper_live import WhisperLive
from benchmarks.rivals.whisperlivekit import WhisperLiveKit
from benchmarks.rivals.word_times import reference_times
from benchmarks.side_by_side_table import table
from greffier_models.catalog import locate

__all__ = ["Run", "figures", "main"]

NAMES = ("greffier", "whisper-live", "whisper-live-batch", "whisperlivekit")
DEFAULT_RIVALS = ("whisper-live", "whisperlivekit", "greffier")
WARM_UP_MS = 4_000
STAGGER_S = 0.7
"""Between the starts of two streams: in step, all would be served at once or wait at once."""
SAMPLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Run:
    """What one server did with so many streams."""

    rival: str
    streams: int
    heard: tuple[Heard, ...]
    refused: int
    used: Usage
    peak_mb: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all, write the result, print the table."""
    options = _options(arguments)
    recordings = _recordings(options)
    if not recordings:
        print("no recording fits these filters", file=sys.stderr)
        return 2
    weights = options.weights or locate(options.model).path
    rivals = [_rival(name, options) for name in dict.fromkeys(options.rival or DEFAULT_RIVALS)]
    audio_s = sum(recording.duration_ms for recording in recordings) / 1000
    print(
        f"{len(recordings)} recordings, {audio_s:.0f} s; {len(rivals)} servers, streams "
        f"{options.streams}: about {audio_s * len(rivals) * len(options.streams):.0f} s"
    )
    times = reference_times(recordings, weights=str(weights))
    runs: list[dict[str, Any]] = []
    for streams in options.streams:
        for rival in rivals:
            try:
                run = asyncio.run(
                    _measure(rival, recordings, weights=weights, streams=streams, options=options)
                )
            except (RuntimeError, OSError) as error:
                print(f"{rival.name}, {streams}: {error}", file=sys.stderr)
                return 1
            runs.append(
                {"rival": run.rival, "streams": run.streams, "figures": figures(run, times)}
            )
            print(f"  {rival.name}, {streams} streams: done", flush=True)
    result: dict[str, Any] = {
        "what": "side_by_side",
        "settings": {
            "weights": weights.name,
            "streams": options.streams,
            "warm_up": options.warm_up,
            "recordings": [recording.id for recording in recordings],
        },
        "figures": {
            f"{run['rival']}_{run['streams']}_{name}": value
            for run in runs
            for name, value in run["figures"].items()
        },
        "runs": runs,
    }
    folder = options.out or result_folder(options.machine)
    path = write_result(folder, options.name, result)
    text = table(runs)
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    print(f"\n{text}\nwritten to {path}")
    return 0


def figures(run: Run, times: dict[str, dict[int, int]]) -> dict[str, Any]:
    """One run in figures; `times` are the ends of the reference's words by recording."""
    commits: list[float] = []
    screens: list[float] = []
    marked_words = shown_words = erased = flicker = 0
    errors: list[WordErrors] = []
    silence = 0
    for heard in run.heard:
        recording = heard.recording
        marked = shown_since(heard.screens, marked=True)
        shown = shown_since(heard.screens, marked=False)
        known = times[recording.id]
        commits += word_lags(recording.text, known, marked, heard.playback)
        screens += word_lags(recording.text, known, shown, heard.playback)
        marked_words += sum(at_ms is not None for _, at_ms in marked)
        shown_words += len(marked)
        erased += erased_after(heard.screens, marked=True)
        flicker += erased_after(heard.screens, marked=False)
        counted = count_errors(
            recording.text, final_text(heard.screens), language=recording.language
        )
        if recording.text.strip():
            errors.append(counted)
        else:
            silence += counted.insertions
    every = total(errors)
    audio_s = sum(heard.recording.duration_ms for heard in run.heard) / 1000
    return {
        "commit_lag_p50_ms": percentile(commits, 50),
        "commit_lag_p95_ms": percentile(commits, 95),
        "screen_lag_p50_ms": percentile(screens, 50),
        "screen_lag_p95_ms": percentile(screens, 95),
        "wer": every.rate,
        "words_said": every.words,
        "words_lost": every.deletions,
        "words_in_silence": silence,
        "words_timed": len(commits),
        "never_marked": shown_words - marked_words,
        "erased_words": erased,
        "flicker": flicker / max(shown_words, 1),
        "refused": run.refused,
        "cpu_per_audio_s": run.used.cpu_s / audio_s if audio_s else float("nan"),
        "peak_mb": run.peak_mb,
    }


async def _measure(
    rival: Rival,
    recordings: Sequence[Recording],
    *,
    weights: Path,
    streams: int,
    options: argparse.Namespace,
) -> Run:
    with tempfile.TemporaryDirectory(prefix="greffier-rivals-") as scratch:
        folder = Path(scratch)
        with rival.serve(weights=weights, scratch=folder, streams=streams) as server:
            if options.warm_up:
                beginning = await asyncio.to_thread(_beginning, recordings[0], folder)
                await rival.play(beginning, server.url)
            before = usage(server.pid)
            playing = asyncio.create_task(_streams(rival, recordings, server, streams))
            peak_mb = 0.0
            while not playing.done():
                peak_mb = max(peak_mb, usage(server.pid).memory_mb)
                await asyncio.wait({playing}, timeout=SAMPLE_S)
            heard, refused = await playing
            used = usage(server.pid) - before
        if options.logs:
            await asyncio.to_thread(_keep_logs, folder, options.logs / f"{rival.name}-{streams}")
    return Run(rival.name, streams, tuple(heard), refused, used, peak_mb)


async def _streams(
    rival: Rival, recordings: Sequence[Recording], server: RunningServer, streams: int
) -> tuple[list[Heard], int]:
    """Each stream plays every recording, beginning with another one where there are several."""
    heard: list[Heard] = []
    refused = 0

    async def stream(number: int) -> None:
        nonlocal refused
        await asyncio.sleep(number * STAGGER_S)
        first = number % len(recordings)
        for recording in [*recordings[first:], *recordings[:first]]:
            try:
                heard.append(await rival.play(recording, server.url))
            except (Refused, TimeoutError):
                refused += 1

    async with asyncio.TaskGroup() as group:
        for number in range(streams):
            group.create_task(stream(number))
    return heard, refused


def _beginning(recording: Recording, folder: Path) -> Recording:
    """The first seconds of a recording: whatever a server loads late is loaded by them."""
    path = folder / "warm-up.flac"
    samples, rate = soundfile.read(recording.path, dtype="int16")  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
    soundfile.write(path, samples[: WARM_UP_MS * rate // 1000], rate)  # pyright: ignore[reportUnknownMemberType]
    return replace(recording, path=path, duration_ms=min(WARM_UP_MS, recording.duration_ms))


def _keep_logs(folder: Path, kept: Path) -> None:
    kept.mkdir(parents=True, exist_ok=True)
    for log in folder.rglob("*.log"):
        shutil.copy(log, kept)


def _rival(name: str, options: argparse.Namespace) -> Rival:
    if name == "greffier":
        return OurServer(model=options.model)
    if name == "whisperlivekit":
        return WhisperLiveKit(options.environments)
    return WhisperLive(options.environments, batch=name == "whisper-live-batch")


def _recordings(options: argparse.Namespace) -> list[Recording]:
    every = load_manifest(options.manifest) if options.manifest else load_scenes()
    return select(every, sets=options.set, languages=options.language, ids=options.id)[
        : options.limit
    ]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.side_by_side", description=__doc__)
    parser.add_argument("--rival", action="append", choices=NAMES, help="server (repeatable)")
    parser.add_argument("--streams", type=int, nargs="+", default=[1], help="sessions at once")
    parser.add_argument("--environments", type=Path, help="folder benchmarks.rivals.install filled")
    parser.add_argument("--manifest", type=Path, help="recordings; the scenes when absent")
    parser.add_argument("--set", action="append", default=[], help="only this set (repeatable)")
    parser.add_argument("--language", action="append", default=[], help="only this language")
    parser.add_argument("--id", nargs="+", default=[], help="only these recordings")
    parser.add_argument("--limit", type=int, help="only the first so many")
    parser.add_argument("--model", default="whisper-base", help="our name of the weights")
    parser.add_argument("--weights", type=Path, help="the rivals' folder of the same weights")
    parser.add_argument(
        "--warm-up", action="store_true", help="play the first seconds before what is measured"
    )
    parser.add_argument("--logs", type=Path, help="keep what the servers said in this folder")
    parser.add_argument("--machine", help="name of the machine in the result's folder")
    parser.add_argument("--name", default="side-by-side", help="name of the result file")
    parser.add_argument("--out", type=Path, help="folder of the result")
    options = parser.parse_args(arguments)
    if options.environments is None and set(options.rival or DEFAULT_RIVALS) != {"greffier"}:
        parser.error("--environments is needed; python -m benchmarks.rivals.install fills it")
    if any(streams < 1 for streams in options.streams):
        parser.error("--streams takes numbers from 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
