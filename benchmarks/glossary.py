"""Terms of a glossary in translations: rendered at once, after a repair, or reported as missed.

    python -m benchmarks.glossary --model FILE.gguf            # all sentences that have a term
    python -m benchmarks.glossary --model FILE.gguf --limit 12

The sentences of ``parallel/`` that hold a term of ``glossary_terms.json`` are translated twice by
the product's translator, without the glossary and with it. Half of the terms are given a rendering
that no model would choose by itself, so that what is found comes from the glossary. A term counts
as rendered when the translation has it as the glossary writes it, inflected or not. Exits with 1
when a term is neither rendered nor reported: a reader could not know. (What a glossary does for
recognition is measured by ``benchmarks.hotwords``.)
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.counting import CountedGenerator, PatientGenerator
from benchmarks.planting import Pair, load_pairs
from benchmarks.results import result_folder, write_result
from greffier.plain import from_plain
from greffier.protocol import GlossaryTerm
from greffier_models.llm import load_llama
from greffier_models.protocols import TextGenerator
from greffier_server.core.glossary import Wanted, checked, missed_terms, wanted_terms
from greffier_server.core.translation import TranslationTask, clean
from greffier_server.pipeline.translator import Translator

__all__ = ["Hits", "load_terms", "main", "measure"]

_TERMS = Path(__file__).with_name("glossary_terms.json")


@dataclass(slots=True)
class Hits:
    """What became of the terms that were said, in one direction."""

    sentences: int = 0
    said: int = 0
    without_glossary: int = 0
    """Rendered so by the model that was told of no term."""
    at_once: int = 0
    repaired: int = 0
    reported: int = 0
    """Missing, and the reader is told."""
    silent: int = 0
    """Missing, and nobody is told: must be 0."""
    rejected: int = 0
    """In a sentence that has no translation that could be shown."""
    missed: list[str] = field(default_factory=list[str])

    @property
    def share(self) -> float:
        """Of the terms said, those rendered with the glossary."""
        return (self.at_once + self.repaired) / self.said if self.said else 0.0


def load_terms(path: Path = _TERMS) -> tuple[GlossaryTerm, ...]:
    """Read a glossary, each term checked as the product checks it."""
    plain = json.loads(path.read_text(encoding="utf-8"))
    return tuple(checked(from_plain(GlossaryTerm, each)) for each in plain)


async def measure(
    model: TextGenerator, pairs: Sequence[Pair], glossary: tuple[GlossaryTerm, ...]
) -> Hits:
    """Translate the sources of `pairs` with and without `glossary`."""
    hits = Hits()
    counted = CountedGenerator(model)
    translator = Translator(counted)
    for pair in pairs:
        wanted = wanted_terms(pair.source, *pair.languages, glossary)
        if not wanted:
            continue
        hits.sentences += 1
        hits.said += len(wanted)
        plain = TranslationTask(pair.source, *pair.languages)
        without = await translator.translate(plain, repair=lambda: True)
        hits.without_glossary += len(wanted) - len(missed_terms(wanted, without.text))
        counted.answers.clear()
        task = TranslationTask(pair.source, *pair.languages, glossary=glossary)
        outcome = await translator.translate(task, repair=lambda: True)
        if outcome.defect is not None:
            hits.rejected += len(wanted)
            continue
        first = missed_terms(wanted, clean(counted.answers[0]))
        last = missed_terms(wanted, outcome.text)
        _count(hits, wanted, first, last)
        told = " ".join(f"{doubt.source} {doubt.target}" for doubt in outcome.doubts)
        for term in last:
            reported = term.said in told or term.written in told
            hits.reported += reported
            hits.silent += not reported
    return hits


def _count(
    hits: Hits, wanted: Sequence[Wanted], first: Sequence[Wanted], last: Sequence[Wanted]
) -> None:
    for term in wanted:
        if term not in last:
            hits.at_once += term not in first
            hits.repaired += term in first
        else:
            hits.missed.append(f"{term.said} > {term.written}")


async def _main(options: argparse.Namespace) -> int:
    glossary = load_terms()
    model = load_llama(options.model, context_tokens=2048, parallel=1, threads=options.threads)
    rows: dict[str, dict[str, Any]] = {}
    silent = 0
    try:
        await model.start()
        for direction in options.direction:
            source, _, target = direction.partition("-")
            pairs = [
                pair
                for pair in load_pairs()
                if pair.languages == (source, target)
                and wanted_terms(pair.source, source, target, glossary)
            ]
            hits = await measure(PatientGenerator(model), pairs[: options.limit], glossary)
            silent += hits.silent
            rows[direction] = {**asdict(hits), "share": hits.share}
            print(direction, rows[direction], flush=True)
    finally:
        await model.close()
    result = {"model": options.model.name, "terms": len(glossary), "directions": rows}
    print(write_result(options.out or result_folder(options.machine), options.name, result))
    return int(silent > 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write ``glossary.json``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.glossary")
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--threads", type=int, help="of the model; all cores when absent")
    parser.add_argument("--limit", type=int, help="sentences a direction")
    parser.add_argument("--direction", nargs="*", default=["fr-en", "en-fr"])
    parser.add_argument("--name", default="glossary", help="name of the result file")
    parser.add_argument("--machine", help="name of the machine in the result's folder")
    parser.add_argument("--out", type=Path, help="folder of the result")
    return asyncio.run(_main(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
