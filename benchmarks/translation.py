"""Live translation: quality, lag and flicker of each policy, with a real language model.

    python -m benchmarks.translation --model FILE.gguf   # 8 utterances a way
    python -m benchmarks.translation --model FILE.gguf --limit 40 --policy sentence clause
    python -m benchmarks.translation --model FILE.gguf --manifest M --heard WHISPER   # recordings

The sentences of ``parallel/meetings.tsv``, or the references of recordings that have a reference
translation (with ``--heard``: what a speech model makes of them), are said in order,
``--sentences`` to a segment (1: as the recogniser cuts speech that has full stops; 2: long
segments), at 150 words a minute; the recogniser commits each word a fixed time after its end, in
steps. The product's own stage translates them under a clock that stands still but for the speech
and the model: the model's time is measured (``--clock wall``, on a quiet machine) or counted
(``--clock tokens``: so many seconds a token, the same on every machine).

LAAL: length-adaptive average lagging (Papi et al., AutoSimTrans 2022), computation included.
Flicker: normalised erasure (Arivazhagan et al., IWSLT 2020), words taken back a word of the result.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from benchmarks.corpora import load_manifest, select
from benchmarks.counting import PatientGenerator
from benchmarks.offline import transcribe_offline
from benchmarks.planting import Pair, load_pairs
from benchmarks.results import result_folder, write_result
from benchmarks.translation_clock import SpokenUtterance, TimedGenerator, play
from benchmarks.translation_scores import Delays, chrf_and_bleu
from greffier_models.llm import load_llama
from greffier_models.protocols import TextGenerator
from greffier_server.core.translation_policies import TRANSLATION_POLICIES, PolicyName

__all__ = ["main"]


@dataclass(frozen=True, slots=True)
class Row:
    """One policy in one direction."""

    policy: str
    direction: str
    chrf: float
    bleu: float
    laal_s: float
    last_word_p50_s: float
    last_word_p95_s: float
    flicker: float
    doubts: int
    failures: int
    generations: int
    model_s: float
    """Seconds of the model's time, as the clock counts them, a minute of speech."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write ``translation.json``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.translation")
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--limit", type=int, default=8, help="utterances a direction")
    parser.add_argument("--sentences", type=int, default=1, help="in a segment")
    parser.add_argument("--direction", nargs="*", default=["fr-en", "en-fr"])
    parser.add_argument("--policy", nargs="*", default=list(TRANSLATION_POLICIES))
    parser.add_argument("--manifest", type=Path, help="recordings with reference translations")
    parser.add_argument("--set", action="append", default=[], help="only this set (repeatable)")
    parser.add_argument("--heard", type=Path, help="folder of a Whisper model that hears them")
    parser.add_argument("--least-words", type=int, default=4, help="in a recording's reference")
    parser.add_argument("--threads", type=int, help="of the model; all cores when absent")
    parser.add_argument("--name", default="translation", help="name of the result file")
    parser.add_argument("--clock", choices=["tokens", "wall"], default="tokens")
    parser.add_argument("--out", type=Path, help="folder of the result")
    parser.add_argument("--machine")
    options = parser.parse_args(arguments)
    rows = asyncio.run(_measure(options))
    result = {
        "model": options.model.name,
        "clock": options.clock,
        "segments": options.limit,
        "sentences": options.sentences,
        "sources": _sources(options),
        "rows": [asdict(row) for row in rows],
    }
    print(write_result(options.out or result_folder(options.machine), options.name, result))
    return 0


async def _measure(options: argparse.Namespace) -> list[Row]:
    model = load_llama(options.model, context_tokens=2048, parallel=1, threads=options.threads)
    rows: list[Row] = []
    try:
        await model.start()
        for name in options.direction:
            source, _, target = name.partition("-")
            direction = (source, target)
            utterances = await asyncio.to_thread(_said, direction, options)
            for policy in options.policy:
                row = await _row(
                    PatientGenerator(model), cast("PolicyName", policy), utterances, options.clock
                )
                rows.append(row)
                print(_line(row), flush=True)
    finally:
        await model.close()
    return rows


async def _row(
    model: TextGenerator, policy: PolicyName, utterances: Sequence[Pair], clock: str
) -> Row:
    delays, hypotheses = Delays(), list[str]()
    doubts = failures = generations = 0
    model_s = speech_s = 0.0
    for pair in utterances:
        said = SpokenUtterance.of(pair.source, pair.languages)
        timed = TimedGenerator(model, counted=clock == "tokens")
        heard = await play(said, timed, TRANSLATION_POLICIES[policy]())
        hypotheses.append(heard.text)
        delays.add(heard.commits, heard.shown, said, reference=pair.target)
        doubts += heard.doubts
        failures += not heard.text
        generations += timed.generations
        model_s += timed.spent_s
        speech_s += said.speech_ms / 1000
    chrf, bleu = chrf_and_bleu(hypotheses, [pair.target for pair in utterances])
    first = utterances[0].languages
    return Row(
        policy=policy,
        direction="-".join(first),
        chrf=chrf,
        bleu=bleu,
        laal_s=delays.laal_s,
        last_word_p50_s=delays.last_word_s(0.5),
        last_word_p95_s=delays.last_word_s(0.95),
        flicker=delays.flicker,
        doubts=doubts,
        failures=failures,
        generations=generations,
        model_s=model_s * 60 / speech_s,
    )


def _said(languages: tuple[str, str], options: argparse.Namespace) -> list[Pair]:
    if options.manifest is None:
        return _utterances(load_pairs(), languages, options.sentences)[: options.limit]
    source, target = languages
    recordings = [
        recording
        for recording in select(
            load_manifest(options.manifest), sets=options.set, languages=[source]
        )
        if recording.set != "long"  # concatenations of the others
        and target in recording.translations
        and len(recording.text.split()) >= options.least_words
    ][: options.limit]
    heard = {recording.id: recording.text for recording in recordings}
    if options.heard is not None:
        heard = transcribe_offline(recordings, model=str(options.heard))
    return [
        Pair(heard[recording.id], recording.translations[target], languages)
        for recording in recordings
        if heard[recording.id].split()
    ]


def _sources(options: argparse.Namespace) -> str:
    if options.manifest is None:
        return "parallel/meetings.tsv"
    sets = ", ".join(options.set) or "every set"
    return f"recordings ({sets}), {'heard' if options.heard else 'their references'}"


def _utterances(pairs: Sequence[Pair], languages: tuple[str, str], sentences: int) -> list[Pair]:
    """Sentences of meetings, in order, some to a segment."""
    chosen = [pair for pair in pairs if pair.languages == languages][:90]
    joined = [chosen[at : at + sentences] for at in range(0, len(chosen), sentences)]
    return [
        Pair(" ".join(p.source for p in some), " ".join(p.target for p in some), languages)
        for some in joined
    ]


def _line(row: Row) -> str:
    values: dict[str, Any] = asdict(row)
    return "  ".join(
        f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )


if __name__ == "__main__":
    sys.exit(main())
