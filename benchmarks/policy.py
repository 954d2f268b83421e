"""Policies compared on the clock of a simulation: lag, word errors, erasure, load.

Without a model, over the hypotheses kept in ``benchmarks/hypotheses`` (seconds); with ``--real``
over any recordings with the model itself; ``--record`` keeps what the model said. The same run
always gives the same figures; time is modelled (see `benchmarks.costs`).
"""

import argparse
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.accuracy import WordErrors, count_errors, total
from benchmarks.bounds import exceeded, load_bounds, save_bounds
from benchmarks.corpora import Recording, load_manifest, load_scenes, select
from benchmarks.differences import differences
from benchmarks.lost_words import lost_words
from benchmarks.offline import transcribe_offline
from benchmarks.recorded import RecordedAnswers, load_recorded, save_recorded
from benchmarks.recording import RememberingAnswers, load_engine
from benchmarks.results import result_folder, write_result
from benchmarks.scores import Figures, figures_of
from benchmarks.simulation import Listening, Simulated, Stream, simulate
from benchmarks.variants import DEFAULTS, FRONTIER, Variant, parse_variant
from greffier_models.catalog import locate
from greffier_server.core.policies import build_policy
from greffier_server.core.speech import PROFILES, SpeechSettings

__all__ = ["BOUNDS_PATH", "STORE", "main", "replay", "run_variant"]

STORE = Path(__file__).parent / "hypotheses"
BOUNDS_PATH = STORE / "bounds.json"
EXPECTED = ("fr", "en")
LEAST_EXACT = 0.95
"""A policy of which less was recorded is not bounded: its figures are guesses."""
STAGGER_MS = 610
"""Streams begin so far apart: no multiple of a hop, so that they do not march in step."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; non-zero when a bound is exceeded."""
    options = _options(arguments)
    variants = _variants(options)
    recordings = _recordings(options)
    if options.record or options.real:
        runs = _ask(variants, recordings, options)
    else:
        runs = _replay(variants, recordings, options)
    offline = _offline(recordings, options) if options.offline else None
    if options.out or options.name:
        folder = options.out or result_folder(options.machine)
        path = write_result(folder, options.name or "policy", _result(runs, options, offline))
        print(f"\nwritten to {path}")
    served = {run["policy"]: run["total"] for run in runs if run["served"]}
    if options.accept:
        known = {run["policy"] for run in runs if run["exact"] >= LEAST_EXACT}
        save_bounds({name: f for name, f in served.items() if name in known}, BOUNDS_PATH)
        print(f"\nbounds of {', '.join(sorted(known)) or 'nothing'} written to {BOUNDS_PATH}")
        return 0
    if options.check:
        worse = exceeded(served, load_bounds(BOUNDS_PATH))
        print("\n" + ("\n".join(worse) or "within bounds"))
        return 1 if worse else 0
    return 0


def replay(
    variant: Variant,
    recordings: Sequence[Recording],
    *,
    store: Path = STORE,
    streams: int = 1,
    leave_out: bool = False,
) -> tuple[list[Simulated], float]:
    """Run a variant over recorded hypotheses.

    Args:
        variant: policy and dials.
        recordings: those in `store`.
        store: folder of recorded hypotheses.
        streams: at once; 1 = one recording after the other.
        leave_out: as if this variant had not been asked when they were recorded.

    Returns:
        What each stream showed, and the share of requests that had been recorded as they are.
    """
    engines: list[RecordedAnswers] = []
    listening: list[Listening] = []
    for recording in recordings:
        recorded = load_recorded(stored_path(recording, store))
        if leave_out:
            recorded = recorded.without(variant.name)
        answers = RecordedAnswers(recorded)
        engines.append(answers)
        listening.append(Listening(recording, recorded.probabilities, recorded.frame_ms, answers))
    shown = run_variant(variant, listening, streams=streams)
    exact = sum(answers.exact for answers in engines)
    asked = exact + sum(answers.near + answers.unknown for answers in engines)
    return shown, exact / max(asked, 1)


def run_variant(
    variant: Variant,
    listening: Sequence[Listening],
    *,
    streams: int = 1,
    speech: SpeechSettings | None = None,
) -> list[Simulated]:
    """Simulate one variant: every recording by itself, or `streams` of them at once.

    Args:
        variant: policy and dials.
        listening: recordings with their engines.
        streams: at once.
        speech: thresholds of voice activity; wide band when absent.
    """
    if streams == 1:
        return [simulate([_stream(variant, heard, speech=speech)])[0] for heard in listening]
    return simulate(
        [
            _stream(
                variant,
                listening[place % len(listening)],
                speech=speech,
                starts_ms=place * STAGGER_MS,
            )
            for place in range(streams)
        ]
    )


def stored_path(recording: Recording, store: Path = STORE) -> Path:
    """Where the hypotheses of a recording are kept."""
    return store / f"{recording.id.replace('/', '-')}.json.gz"


def _stream(
    variant: Variant, heard: Listening, *, speech: SpeechSettings | None, starts_ms: int = 0
) -> Stream:
    language = heard.recording.language
    policy = build_policy(
        variant.dials,
        frame_ms=heard.frame_ms,
        language=None if language == "auto" else language,
        expected=EXPECTED,
        speech=speech,
    )
    return Stream(heard, policy, starts_ms)


def _replay(
    variants: Sequence[Variant], recordings: Sequence[Recording], options: argparse.Namespace
) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = []
    _heading()
    for variant in variants:
        for streams in options.streams:
            shown, exact = replay(
                variant,
                recordings,
                store=options.store,
                streams=streams,
                leave_out=options.leave_out,
            )
            runs.append(_run(variant, shown, streams, exact))
            if options.errors:
                _print_errors(shown)
    return runs


def _ask(
    variants: Sequence[Variant], recordings: Sequence[Recording], options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Put every question to the model, and keep the answers when they are to be recorded."""
    engine, vad = load_engine(Path(locate(options.model).path), name=options.model)
    answers = [RememberingAnswers(recording, engine, vad) for recording in recordings]
    if options.add:
        for recording, heard in zip(recordings, answers, strict=True):
            path = stored_path(recording, options.store)
            if path.exists():
                heard.remember(load_recorded(path))
    listening = [
        Listening(recording, heard.probabilities, heard.frame_ms, heard)
        for recording, heard in zip(recordings, answers, strict=True)
    ]
    runs: list[dict[str, Any]] = []
    _heading()
    for variant in variants:
        for heard in answers:
            heard.asker = variant.name
        for streams in options.streams:
            speech = PROFILES[options.profile]
            shown = run_variant(variant, listening, streams=streams, speech=speech)
            runs.append(_run(variant, shown, streams, 1))
            if options.errors:
                _print_errors(shown)
        if options.record:
            for recording, heard in zip(recordings, answers, strict=True):
                save_recorded(heard.recorded(), stored_path(recording, options.store))
    return runs


# --- results ----------------------------------------------------------------------------------


def _run(
    variant: Variant, shown: Sequence[Simulated], streams: int, exact: float
) -> dict[str, Any]:
    every = figures_of(shown)
    single = streams == 1
    parts = {one.recording.id: figures_of([one]) for one in shown} if single else {}
    for name, figures in parts.items():
        _line(variant.name, name, figures)
    _line(variant.name, f"all, {streams} at once" if streams > 1 else "all", every, exact)
    return {
        "policy": variant.policy,
        "variant": variant.name,
        "served": single and variant in DEFAULTS,
        "streams": streams,
        "exact": exact,
        "total": every,
        "parts": parts,
        "dials": dataclasses.asdict(variant.dials),
    }


def _offline(recordings: Sequence[Recording], options: argparse.Namespace) -> WordErrors:
    """What the same weights make of the same recordings, each read whole."""
    texts = transcribe_offline(recordings, model=str(locate(options.model).path))
    each = [
        count_errors(recording.text, texts[recording.id], language=recording.language)
        for recording in recordings
    ]
    errors = total(each)
    left_out = sum(
        lost_words(recording.text, texts[recording.id], language=recording.language)
        for recording in recordings
    )
    print(
        f"\noffline, greedy: {errors.rate:.1%} of {errors.words} words, {errors.deletions} "
        f"deletions, {left_out} words left out"
    )
    for recording in recordings if options.errors else ():
        _print_differences(recording, texts[recording.id])
    return errors


def _print_errors(shown: Sequence[Simulated]) -> None:
    for one in shown:
        _print_differences(one.recording, one.text)


def _print_differences(recording: Recording, text: str) -> None:
    places = differences(recording.text, text, language=recording.language)
    print(f"  {recording.id}: {'; '.join(places) or 'nothing differs'}", flush=True)


def _result(
    runs: Sequence[Mapping[str, Any]], options: argparse.Namespace, offline: WordErrors | None
) -> dict[str, Any]:
    compared = {} if offline is None else {"offline": dataclasses.asdict(offline)}
    return compared | {
        "what": "policy",
        "settings": {
            "model": options.model,
            "profile": options.profile,
            "answers": "model" if options.record or options.real else "recorded",
            "left_out": options.leave_out,
            "time": "modelled",
        },
        "figures": {
            f"{run['variant']}, {run['streams']} at once": dataclasses.asdict(run["total"])
            for run in runs
        },
        "runs": [
            {
                "policy": run["policy"],
                "variant": run["variant"],
                "streams": run["streams"],
                "exact": run["exact"],
                "figures": dataclasses.asdict(run["total"]),
                "recordings": {name: dataclasses.asdict(f) for name, f in run["parts"].items()},
                "dials": run["dials"],
            }
            for run in runs
        ],
    }


def _heading() -> None:
    print(
        f"{'policy':32} {'recording':24} {'WER':>6} {'commit p50':>10} {'p95':>6} "
        f"{'screen p50':>10} {'p95':>6} {'erased':>6} {'tail':>5} {'load':>5} {'lost':>5} "
        f"{'exact':>6}"
    )


def _line(variant: str, recording: str, figures: Figures, exact: float | None = None) -> None:
    print(
        f"{variant:32} {recording:24} {figures.wer:6.1%} {figures.commit_lag_p50_ms:10.0f} "
        f"{figures.commit_lag_p95_ms:6.0f} {figures.screen_lag_p50_ms:10.0f} "
        f"{figures.screen_lag_p95_ms:6.0f} {figures.erased_words:6} {figures.tail_erasure:5.2f} "
        f"{figures.machine_load:5.2f} {figures.words_left_out:5} "
        f"{'' if exact is None else format(exact, '.0%'):>6}",
        flush=True,
    )


# --- options ----------------------------------------------------------------------------------


def _variants(options: argparse.Namespace) -> list[Variant]:
    named: list[Variant] = list(options.policy)
    if options.frontier or (options.record and not named):
        return [*FRONTIER, *(variant for variant in named if variant not in FRONTIER)]
    return named or list(DEFAULTS)


def _recordings(options: argparse.Namespace) -> list[Recording]:
    every = load_manifest(options.manifest) if options.manifest else load_scenes()
    chosen = select(every, sets=options.set, languages=options.language, ids=options.id)
    chosen = chosen[: options.limit]
    if not (options.record or options.real):
        chosen = [
            recording for recording in chosen if stored_path(recording, options.store).exists()
        ]
    if not chosen:
        raise SystemExit("No such recording, or none whose hypotheses are kept: see --record.")
    return chosen


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.policy", description=__doc__)
    parser.add_argument(
        "--policy",
        action="append",
        default=[],
        type=parse_variant,
        metavar="'NAME DIAL=VALUE …'",
        help="a policy with its dials (repeatable); the three as they are served when absent",
    )
    parser.add_argument("--frontier", action="store_true", help="policies by hops, as plotted")
    parser.add_argument("--streams", type=int, action="append", help="at once (repeatable)")
    parser.add_argument("--real", action="store_true", help="ask the model, keep nothing")
    parser.add_argument(
        "--offline", action="store_true", help="compare with one reading of each whole recording"
    )
    parser.add_argument("--profile", choices=sorted(PROFILES), default="wide", help="of the audio")
    parser.add_argument("--errors", action="store_true", help="tell which words differ")
    parser.add_argument("--record", action="store_true", help="ask the model, keep its answers")
    parser.add_argument("--add", action="store_true", help="record, keeping what is there already")
    parser.add_argument(
        "--leave-out", action="store_true", help="replay each without its own recorded questions"
    )
    parser.add_argument("--check", action="store_true", help="fail when a bound is exceeded")
    parser.add_argument("--accept", action="store_true", help="write the bounds anew")
    parser.add_argument("--manifest", type=Path, help="recordings; the scenes when absent")
    parser.add_argument("--set", action="append", default=[], help="only this set (repeatable)")
    parser.add_argument("--language", action="append", default=[], help="only this language")
    parser.add_argument("--id", action="append", default=[], help="only this recording")
    parser.add_argument("--limit", type=int, help="only the first so many")
    parser.add_argument("--store", type=Path, default=STORE, help="folder of hypotheses")
    parser.add_argument("--model", default="whisper-base", help="speech model")
    parser.add_argument("--machine", help="name of the machine in the result's folder")
    parser.add_argument("--name", help="name of the result file; none is written when absent")
    parser.add_argument("--out", type=Path, help="folder of the result")
    options = parser.parse_args(arguments)
    options.streams = options.streams or [1]
    options.record = options.record or options.add
    if min(options.streams) < 1:
        parser.error("--streams: at least one")
    if options.profile != "wide" and not (options.real or options.record):
        parser.error("--profile: hypotheses were recorded with the wide one; ask --real")
    if options.accept and (options.policy or options.real or options.record or options.leave_out):
        parser.error("--accept takes the replay of the three policies as they are served")
    return options


if __name__ == "__main__":
    sys.exit(main())
