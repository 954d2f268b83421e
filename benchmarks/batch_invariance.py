"""Whether mates in a batch change what a window gives: ``python -m benchmarks.batch_invariance``.

A replay decodes alone what was decoded live in batches (ADR 0024). Exit code 1: something differs.
"""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from greffier_models.protocols import BatchRecognizer
from greffier_models.types import (
    SAMPLES_PER_MS,
    AudioWindow,
    Hypothesis,
    Pcm,
    RecognitionOptions,
)

__all__ = ["Invariance", "compare", "main", "requests_of"]

Asked = tuple[AudioWindow, RecognitionOptions]


@dataclass(frozen=True, slots=True)
class Invariance:
    """What became of windows that were decoded in batches of one size."""

    batch: int
    windows: int
    different: int
    """In anything: words, times, probabilities."""
    other_words: int


def requests_of(
    pcm: Pcm, engine: BatchRecognizer, *, count: int, languages: Sequence[str], seed: int = 1
) -> list[Asked]:
    """Windows of 2 to 14 s, half of them behind a forced prefix of one to five words."""
    draw = random.Random(seed)
    asked: list[Asked] = []
    for place in range(count):
        length_ms = draw.randrange(2_000, 14_000)
        start_ms = draw.randrange(0, len(pcm) // SAMPLES_PER_MS - length_ms)
        samples = pcm[start_ms * SAMPLES_PER_MS : (start_ms + length_ms) * SAMPLES_PER_MS]
        window = AudioWindow(samples.copy(), start_ms)
        options = RecognitionOptions(language=draw.choice(list(languages)))
        if place % 2:
            words = engine.decode([(window, options)])[0].words[: draw.randint(1, 5)]
            options = replace(options, prefix="".join(word.text for word in words))
        asked.append((window, options))
    return asked


def compare(
    engine: BatchRecognizer, asked: Sequence[Asked], *, batch: int, seed: int = 1
) -> Invariance:
    """Decode each request alone and in a batch of random mates."""
    alone = [engine.decode([request])[0] for request in asked]
    order = list(range(len(asked)))
    random.Random(seed).shuffle(order)
    groups = [order[at : at + batch] for at in range(0, len(order) - batch + 1, batch)]
    pairs: list[tuple[Hypothesis, Hypothesis]] = []
    for group in groups:
        together = engine.decode([asked[place] for place in group])
        pairs += [(alone[place], found) for place, found in zip(group, together, strict=True)]
    return Invariance(
        batch=batch,
        windows=len(pairs),
        different=sum(one != other for one, other in pairs),
        other_words=sum(one.text != other.text for one, other in pairs),
    )


def main() -> None:
    """Measure batches of 2, 3 and 4 and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="CTranslate2 folder")
    parser.add_argument("--compute-type", default="int8")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--windows", type=int, default=40)
    parser.add_argument("--languages", default="fr,en")
    parser.add_argument(
        "--recording", type=Path, default=Path("tests/data/scenes/meeting-bilingual.flac")
    )
    wanted = parser.parse_args()
    import soundfile

    from greffier_models.whisper.engine import load_whisper

    samples: Any
    samples, rate = soundfile.read(wanted.recording, dtype="int16")
    if rate != SAMPLES_PER_MS * 1000 or samples.ndim != 1:
        sys.exit("the recording must be mono at 16 kHz")
    engine = load_whisper(
        wanted.weights, compute_type=wanted.compute_type, device=wanted.device, workers=1
    )
    languages = [code for code in wanted.languages.split(",") if code in engine.languages]
    asked = requests_of(samples, engine, count=wanted.windows, languages=languages)
    found = [compare(engine, asked, batch=batch) for batch in (2, 3, 4)]
    report = {"engine": str(engine.identity), "batches": [asdict(each) for each in found]}
    print(json.dumps(report, indent=2))
    if any(each.different for each in found):
        sys.exit(1)


if __name__ == "__main__":
    main()
