"""The speech that is said into a server while it is killed: short stretches of the scenes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, cast

from benchmarks.corpora import RATE, SCENES_DIR, load_manifest, read_pcm, select

__all__ = ["ENGLISH", "FRENCH", "Passage", "Stretch", "passages", "recorded_passages"]

_LEAST_MS = 6_000
_MOST_MS = 25_000


@dataclass(frozen=True, slots=True)
class Passage:
    """Whole sentences of a scene, cut in the pauses around them; or a whole recording."""

    name: str
    language: str
    pcm: bytes
    """16 kHz, mono, s16."""
    text: str = ""
    """What is said; empty where nobody has written it down."""

    @property
    def samples(self) -> int:
        """How many."""
        return len(self.pcm) // 2


Stretch = tuple[str, str, int, int]
"""Scene, language, from and to in milliseconds."""

ENGLISH: Sequence[Stretch] = (
    ("radio-en", "en", 11_500, 21_000),
    ("radio-en", "en", 21_500, 31_200),
    ("radio-en", "en", 31_200, 44_700),
    ("radio-en", "en", 45_000, 60_800),
    ("radio-en", "en", 62_000, 76_600),
)
FRENCH: Sequence[Stretch] = (
    ("meeting-fr", "fr", 0, 10_500),
    ("meeting-fr", "fr", 25_400, 37_450),
    ("meeting-fr", "fr", 37_450, 50_800),
    ("meeting-fr", "fr", 62_000, 75_500),
    ("meeting-fr", "fr", 102_300, 114_100),
)
"""Of a meeting: Whisper base reads the French radio scene otherwise each time, in any run."""


@cache
def passages(stretches: Sequence[Stretch]) -> tuple[Passage, ...]:
    """Read them."""
    return tuple(
        Passage(
            name=f"{scene}-{from_ms}",
            language=language,
            pcm=read_pcm(SCENES_DIR / f"{scene}.flac")[from_ms * RATE // 500 : to_ms * RATE // 500],
            text=_said(scene, from_ms, to_ms),
        )
        for scene, language, from_ms, to_ms in stretches
    )


def recorded_passages(
    manifest: Path, *, language: str, sets: Sequence[str], count: int, seed: int
) -> tuple[Passage, ...]:
    """Draw recordings of 6 to 25 s from a manifest.

    Args:
        manifest: see `benchmarks.corpora`.
        language: ISO 639-1.
        sets: only of these; all when empty.
        count: at most so many.
        seed: of the draw.

    Raises:
        ValueError: there is none, or the manifest cannot be read.
    """
    found = select(
        load_manifest(manifest),
        sets=sets,
        languages=[language],
        min_ms=_LEAST_MS,
        max_ms=_MOST_MS,
    )
    said = sorted((recording for recording in found if recording.text), key=lambda each: each.id)
    if not said:
        raise ValueError(f"{manifest}: no {language} speech of 6 to 25 s in {list(sets) or 'it'}")
    drawn = Random(seed).sample(said, min(count, len(said)))
    return tuple(
        Passage(recording.id, language, read_pcm(recording.path), recording.text)
        for recording in drawn
    )


def _said(scene: str, from_ms: int, to_ms: int) -> str:
    """The turns that lie within."""
    script = json.loads((SCENES_DIR / f"{scene}.json").read_text(encoding="utf-8"))
    turns = cast("list[dict[str, Any]]", script["turns"])
    return " ".join(
        turn["text"]
        for turn in turns
        if from_ms <= turn["start"] * 1000 and turn["end"] * 1000 <= to_ms
    )
