"""The speech that is said into a server while it is killed: short stretches of the scenes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from benchmarks.corpora import RATE, SCENES_DIR, read_pcm

__all__ = ["ENGLISH", "FRENCH", "Passage", "Stretch", "passages"]


@dataclass(frozen=True, slots=True)
class Passage:
    """Whole sentences of a scene, cut in the pauses around them."""

    name: str
    language: str
    pcm: bytes
    """16 kHz, mono, s16."""

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
    ("meeting-fr", "fr", 62_000, 75_500),
    ("radio-fr", "fr", 43_900, 63_000),
)


@cache
def passages(stretches: Sequence[Stretch]) -> tuple[Passage, ...]:
    """Read them."""
    return tuple(
        Passage(
            name=f"{scene}-{from_ms}",
            language=language,
            pcm=read_pcm(SCENES_DIR / f"{scene}.flac")[from_ms * RATE // 500 : to_ms * RATE // 500],
        )
        for scene, language, from_ms, to_ms in stretches
    )
