"""Commit lag, accuracy and stability of live captions from a real server at real time.

``python -m benchmarks.latency --help``; what each figure means is in README.md.
"""

import argparse
import asyncio
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.accuracy import WordErrors, count_errors, total
from benchmarks.corpora import Recording, load_manifest, load_scenes, select
from benchmarks.intervals import difference_interval
from benchmarks.lag import commit_lags, erased_words, percentile, screen_lags
from benchmarks.lost_words import lost_words
from benchmarks.offline import transcribe_offline
from benchmarks.results import result_folder, write_result
from benchmarks.streaming import Played, play, recorded_captions
from greffier_models.catalog import default_models_dir, locate
from greffier_server.child import ChildServer


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the result, print it; 1 when committed text was erased or audio lost."""
    options = _options(arguments)
    recordings = _recordings(options)
    if not recordings:
        print("no recording fits these filters", file=sys.stderr)
        return 2
    audio_s = sum(recording.duration_ms for recording in recordings) / 1000
    print(
        f"{len(recordings)} recordings, {audio_s:.0f} s of audio, {options.streams} at once: "
        f"about {audio_s / min(options.streams, len(recordings)):.0f} s at real time"
    )
    settings = {
        "GREFFIER_RECOGNITION__MODEL": options.model,
        "GREFFIER_RECOGNITION__LATENCY": options.latency,
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none" if options.llm == "none" else "llama",
        "GREFFIER_LIMITS__MAX_SESSIONS": str(max(options.streams, 8)),
    }
    if options.llm != "none":
        settings["GREFFIER_LANGUAGE_MODEL__MODEL"] = options.llm
    with (
        tempfile.TemporaryDirectory(prefix="greffier-bench-") as scratch,
        ChildServer(
            data_dir=Path(scratch), models_dir=default_models_dir(), settings=settings
        ) as server,
    ):
        measured = asyncio.run(_measure(recordings, server.url, options))
    offline = {} if options.no_offline else _offline(recordings, options)
    result = _result(measured, offline, options)
    path = write_result(options.out or result_folder(options.machine), options.name, result)
    _print(result)
    print(f"\nwritten to {path}")
    figures = result["figures"]
    return int(figures["erased_words"] > 0 or figures["gap_ms"] > 0)


async def _measure(
    recordings: Sequence[Recording], url: str, options: argparse.Namespace
) -> list[tuple[Played, int]]:
    """Play everything, so many at once; each session with the count of words its record lost."""
    waiting = iter(recordings)
    measured: list[tuple[Played, int]] = []

    async def stream() -> None:
        for recording in waiting:
            played = await play(
                recording, url, translate_to=options.translate, minutes=options.minutes
            )
            record = await recorded_captions(url, played.session)
            measured.append((played, erased_words(played.captions, record)))
            print(f"  {recording.id}: {_line(played)}", flush=True)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(options.streams, len(recordings))):
            group.create_task(stream())
    return measured


def _line(played: Played) -> str:
    lags = commit_lags(played.arrivals, played.playback)
    if not lags:
        return "no words"
    return (
        f"{len(lags)} words, commit lag p50 {percentile(lags, 50) / 1000:.1f} s, "
        f"p95 {percentile(lags, 95) / 1000:.1f} s"
    )


def _offline(recordings: Sequence[Recording], options: argparse.Namespace) -> dict[str, str]:
    print("offline, faster-whisper greedy on the same weights:", flush=True)
    return transcribe_offline(recordings, model=str(locate(options.model).path))


def _result(
    measured: Sequence[tuple[Played, int]],
    offline: dict[str, str],
    options: argparse.Namespace,
) -> dict[str, Any]:
    plays = [played for played, _ in measured]
    commits = [lag for p in plays for lag in commit_lags(p.arrivals, p.playback)]
    screens = [lag for p in plays for lag in screen_lags(p.arrivals, p.playback)]
    translations = [lag for p in plays for lag in _translation_lags(p)]
    live = {p.recording.id: _errors(p.recording, p.text) for p in plays}
    reference = (
        {p.recording.id: _errors(p.recording, offline[p.recording.id]) for p in plays}
        if (offline)
        else {}
    )
    spoken = [p.recording.id for p in plays if p.recording.text.strip()]
    live_total = total(live[name] for name in spoken)
    offline_total = total(reference[name] for name in spoken) if reference else None
    apart = (
        difference_interval([live[n] for n in spoken], [reference[n] for n in spoken])
        if reference and spoken
        else (math.nan, math.nan)
    )
    return {
        "what": "latency",
        "settings": {
            "model": options.model,
            "latency": options.latency,
            "streams": options.streams,
            "translate": options.translate,
            "llm": options.llm,
            "minutes": options.minutes,
            "recordings": [p.recording.id for p in plays],
        },
        "figures": {
            "commit_lag_p50_ms": percentile(commits, 50),
            "commit_lag_p95_ms": percentile(commits, 95),
            "screen_lag_p50_ms": percentile(screens, 50),
            "screen_lag_p95_ms": percentile(screens, 95),
            "translation_lag_p50_ms": percentile(translations, 50),
            "translation_lag_p95_ms": percentile(translations, 95),
            "finish_p95_ms": percentile([_finish_ms(p) for p in plays], 95),
            "wer": live_total.rate,
            "wer_offline": offline_total.rate if offline_total else math.nan,
            "wer_less_offline_low": apart[0],
            "wer_less_offline_high": apart[1],
            "words_lost": live_total.deletions,
            "words_lost_offline": offline_total.deletions if offline_total else None,
            "words_left_out": sum(_left_out(p.recording, p.text) for p in plays),
            "words_left_out_offline": sum(
                _left_out(p.recording, offline[p.recording.id]) for p in plays
            )
            if offline
            else None,
            "words_in_silence": sum(
                live[p.recording.id].insertions for p in plays if not p.recording.text.strip()
            ),
            "erased_words": sum(erased for _, erased in measured),
            "gap_ms": sum(gap.to_ms - gap.from_ms for p in plays for gap in p.gaps),
            "withheld": sum(len(p.withheld) for p in plays),
            "words": len(commits),
        },
        "recordings": [
            _recording_result(p, live[p.recording.id], reference.get(p.recording.id)) for p in plays
        ],
    }


def _recording_result(
    played: Played, errors: WordErrors, offline: WordErrors | None
) -> dict[str, Any]:
    commits = commit_lags(played.arrivals, played.playback)
    screens = screen_lags(played.arrivals, played.playback)
    return {
        "id": played.recording.id,
        "language": played.recording.language,
        "duration_ms": played.recording.duration_ms,
        "commit_lag_p50_ms": percentile(commits, 50),
        "commit_lag_p95_ms": percentile(commits, 95),
        "screen_lag_p50_ms": percentile(screens, 50),
        "screen_lag_p95_ms": percentile(screens, 95),
        "wer": errors.rate,
        "errors": asdict(errors),
        "wer_offline": offline.rate if offline else math.nan,
    }


def _translation_lags(played: Played) -> list[float]:
    """From the end of a segment's speech to its complete translation."""
    ends: dict[int, int] = {}
    for caption in played.captions:
        ends[caption.segment] = max(ends.get(caption.segment, 0), caption.end_ms)
    return [
        timed.at_ms - played.playback.sent_at(ends[timed.translation.segment])
        for timed in played.translations
        if timed.translation.closed and timed.translation.segment in ends
    ]


def _finish_ms(played: Played) -> float:
    """From ``finish`` to ``finished``."""
    return (played.finished_ms or math.nan) - played.finish_sent_ms


def _errors(recording: Recording, text: str) -> WordErrors:
    return count_errors(recording.text, text, language=recording.language)


def _left_out(recording: Recording, text: str) -> int:
    return lost_words(recording.text, text, language=recording.language)


def _print(result: dict[str, Any]) -> None:
    print()
    for name, value in result["figures"].items():
        shown = "-" if value is None or value != value else f"{value:.4g}"
        print(f"{name:>24} {shown}")


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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--manifest", type=Path, help="recordings; the scenes when absent")
    parser.add_argument("--set", action="append", default=[], help="only this set (repeatable)")
    parser.add_argument("--language", action="append", default=[], help="only this language")
    parser.add_argument("--id", action="append", default=[], help="only this recording")
    parser.add_argument("--min-s", type=float, default=0.0, help="at least so many seconds long")
    parser.add_argument("--max-s", type=float, help="at most so many seconds long")
    parser.add_argument("--limit", type=int, help="only the first so many")
    parser.add_argument("--streams", type=int, default=1, help="sessions at once")
    parser.add_argument("--model", default="whisper-base", help="speech model")
    parser.add_argument("--latency", choices=("default", "fast"), default="default")
    parser.add_argument("--llm", default="none", help="language model, or none")
    parser.add_argument("--translate", action="append", default=[], help="language to translate to")
    parser.add_argument("--minutes", action="store_true", help="write minutes too")
    parser.add_argument("--no-offline", action="store_true", help="skip the offline comparison")
    parser.add_argument("--machine", help="name of the machine in the result's folder")
    parser.add_argument("--name", default="latency", help="name of the result file")
    parser.add_argument("--out", type=Path, help="folder of the result")
    options = parser.parse_args(arguments)
    if (options.translate or options.minutes) and options.llm == "none":
        parser.error("--translate and --minutes need --llm, a language model of the catalogue")
    return options


if __name__ == "__main__":
    sys.exit(main())
