"""Transcription of recordings: Greffier against faster-whisper, sequential and batched.

All three read the same recordings with the same weights in the same run, one recording after
another in turn, so that whatever else the machine does falls on all alike. Loading is not counted.
faster-whisper runs greedily as its users run it: `transcribe` with and `BatchedInferencePipeline`
with its own voice activity detection; it is asked for no word times, which Greffier always gives.

``python -m benchmarks.files --help``
"""

import argparse
import asyncio
import os
import resource
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from benchmarks.accuracy import WordErrors, count_errors, total
from benchmarks.corpora import RATE, Recording, load_manifest, load_scenes, read_pcm, select
from benchmarks.results import result_folder, write_result
from greffier_models.catalog import default_models_dir, locate
from greffier_models.types import Pcm
from greffier_server.assembly import build_engines
from greffier_server.core.speech import PROFILES
from greffier_server.pipeline.transcribe import RecordingTranscriber
from greffier_server.settings_sources import load_settings

__all__ = ["Reader", "Tally", "figures", "main", "measure"]

ENGINES = ("greffier", "sequential", "batched")
EXPECTED = ("en", "fr")
BLOCK = RATE
RIVAL_BATCH = 8

Reader = Callable[[Recording], Awaitable[str]]
"""Writes down what is said in a recording."""


@dataclass(slots=True)
class Tally:
    """What one engine needed, and how well it read, over the recordings so far."""

    audio_s: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    errors: list[WordErrors] = field(default_factory=list[WordErrors])

    @property
    def speed(self) -> float:
        """Seconds of audio for each second of time."""
        return self.audio_s / self.wall_s if self.wall_s else 0.0

    @property
    def cpu_speed(self) -> float:
        """Seconds of audio for each second of processor time: what a busy machine cannot change."""
        return self.audio_s / self.cpu_s if self.cpu_s else 0.0


async def measure(
    recordings: Sequence[Recording], readers: Mapping[str, Reader]
) -> dict[str, dict[str, Tally]]:
    """Let every reader read every recording in turn; tallies by language, then by engine."""
    tallies: dict[str, dict[str, Tally]] = {}
    for recording in recordings:
        for name, read in readers.items():
            began, spent = time.perf_counter(), _cpu_s()
            text = await read(recording)
            by_engine = tallies.setdefault(recording.language, {})
            tally = by_engine.setdefault(name, Tally())
            tally.wall_s += time.perf_counter() - began
            tally.cpu_s += _cpu_s() - spent
            tally.audio_s += recording.duration_ms / 1000
            tally.errors.append(count_errors(recording.text, text, language=recording.language))
        print(f"  {recording.id}", file=sys.stderr, flush=True)
    return tallies


def figures(tallies: Mapping[str, Mapping[str, Tally]]) -> dict[str, float]:
    """Flat names: ``fr_greffier_wer``, ``fr_speed_to_sequential``, over all: ``all_…``."""
    flat: dict[str, float] = {}
    for language, by_engine in {**tallies, "all": _summed(tallies)}.items():
        for name, tally in by_engine.items():
            flat[f"{language}_{name}_wer"] = total(tally.errors).rate
            flat[f"{language}_{name}_speed"] = tally.speed
            flat[f"{language}_{name}_cpu_speed"] = tally.cpu_speed
        ours = by_engine.get("greffier")
        for rival in ("sequential", "batched"):
            theirs = by_engine.get(rival)
            if ours is not None and theirs is not None and theirs.speed and theirs.cpu_speed:
                flat[f"{language}_speed_to_{rival}"] = ours.speed / theirs.speed
                flat[f"{language}_cpu_speed_to_{rival}"] = ours.cpu_speed / theirs.cpu_speed
    return flat


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the result, print it; 2 when there is nothing to read."""
    options = _options().parse_args(arguments)
    recordings = load_manifest(options.manifest) if options.manifest else load_scenes()
    chosen = select(
        recordings,
        sets=options.set,
        languages=options.language,
        ids=options.id,
        min_ms=round(options.min_s * 1000),
    )
    if not chosen:
        print("No recording fits the filters.", file=sys.stderr)
        return 2
    values = asyncio.run(_run(chosen, options))
    result: dict[str, Any] = {
        "what": "files",
        "settings": {
            "model": options.model,
            "threads": options.threads,
            "recordings": [recording.id for recording in chosen],
        },
        "figures": values,
    }
    path = write_result(options.out or result_folder(options.machine), options.name, result)
    for name, value in values.items():
        print(f"{name:>32} {value:.3f}" if name.endswith("wer") else f"{name:>32} {value:.1f}")
    print(f"\nwritten to {path}")
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.files", description=__doc__)
    parser.add_argument("--manifest", type=Path, help="recordings (default: the scenes)")
    parser.add_argument("--set", nargs="*", default=[], help="only of these sets")
    parser.add_argument("--language", nargs="*", default=list(EXPECTED), help="only in these")
    parser.add_argument("--id", nargs="*", default=[], help="only these recordings")
    parser.add_argument("--min-s", type=float, default=0.0, help="only recordings this long")
    parser.add_argument("--engine", nargs="*", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--model", default="whisper-base", help="speech model of all engines")
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count() or 1, help="of faster-whisper"
    )
    parser.add_argument("--machine", help="name of the machine in the result's folder")
    parser.add_argument("--name", default="files", help="name of the result")
    parser.add_argument("--out", type=Path, help="folder of the result")
    return parser


async def _run(recordings: Sequence[Recording], options: argparse.Namespace) -> dict[str, float]:
    async with AsyncExitStack() as stack:
        readers: dict[str, Reader] = {}
        if "greffier" in options.engine:
            readers["greffier"] = await _greffier(options, stack)
        rivals = [name for name in options.engine if name != "greffier"]
        if rivals:
            found = await asyncio.to_thread(_rivals, options)
            readers |= {name: found[name] for name in rivals}
        return figures(await measure(recordings, readers))


async def _greffier(options: argparse.Namespace, stack: AsyncExitStack) -> Reader:
    """The engine as the server builds it, so that what is measured is what runs."""
    flags: dict[str, Any] = {
        "recognition": {"model": options.model},
        "language_model": {"engine": "none"},
    }
    settings = load_settings(flags=flags)
    engines = (await build_engines(settings, stack)).engines
    transcriber = RecordingTranscriber(
        recognizer=engines.recognizer,
        detector=engines.vad,
        speech=PROFILES[settings.recognition.profile],
    )

    async def read(recording: Recording) -> str:
        language = None if recording.language == "auto" else recording.language
        pcm = await asyncio.to_thread(read_pcm, recording.path)
        passages = transcriber.transcribe(_blocks(pcm), language=language, expected=EXPECTED)
        return "".join([word.text async for passage in passages for word in passage.words])

    return read


async def _blocks(pcm: bytes) -> AsyncGenerator[Pcm, None]:
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.int16)
    for at in range(0, len(samples), BLOCK):
        yield samples[at : at + BLOCK]


class _Segment(Protocol):
    text: str


class _Whisper(Protocol):
    """The part of faster-whisper that is used here; its own types are incomplete."""

    def transcribe(self, audio: str, **options: Any) -> tuple[Iterable[_Segment], object]: ...


def _rivals(options: argparse.Namespace) -> dict[str, Reader]:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    weights = str(locate(options.model, default_models_dir()).path)
    model = WhisperModel(weights, device="auto", compute_type="int8", cpu_threads=options.threads)
    sequential = cast("_Whisper", model)
    batched = cast("_Whisper", BatchedInferencePipeline(model))
    return {
        "sequential": _rival(sequential, condition_on_previous_text=False),
        "batched": _rival(batched, batch_size=RIVAL_BATCH),
    }


def _rival(whisper: _Whisper, **settings: Any) -> Reader:
    def transcribe(recording: Recording) -> str:
        followed = recording.language == "auto"
        segments, _ = whisper.transcribe(
            str(recording.path),
            beam_size=1,
            language=None if followed else recording.language,
            multilingual=followed,
            **settings,
        )
        return " ".join(segment.text.strip() for segment in segments)

    async def read(recording: Recording) -> str:
        return await asyncio.to_thread(transcribe, recording)

    return read


def _summed(tallies: Mapping[str, Mapping[str, Tally]]) -> dict[str, Tally]:
    summed: dict[str, Tally] = {}
    for by_engine in tallies.values():
        for name, tally in by_engine.items():
            whole = summed.setdefault(name, Tally())
            whole.audio_s += tally.audio_s
            whole.wall_s += tally.wall_s
            whole.cpu_s += tally.cpu_s
            whole.errors += tally.errors
    return summed


def _cpu_s() -> float:
    """Processor time of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
