"""The spoken scenes in tests/data/scenes: recordings whose every turn is known."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

__all__ = ["SCENES_DIR", "Scene", "Turn", "load_scene", "load_scenes"]

SCENES_DIR = Path(__file__).parents[1] / "data" / "scenes"


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker says between two times of the recording."""

    speaker: str
    language: str
    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Scene:
    """A recording (16 kHz, mono, FLAC) and its script."""

    name: str
    title: str
    kind: str
    """``meeting`` or ``radio``."""
    language: str
    """ISO 639-1, or ``auto`` where several are spoken."""
    duration_ms: int
    turns: tuple[Turn, ...]
    minutes: dict[str, Any]
    """What the minutes of a meeting must hold, as written in the script; empty for radio."""

    @property
    def audio(self) -> Path:
        """The recording."""
        return SCENES_DIR / f"{self.name}.flac"

    @property
    def text(self) -> str:
        """Every word of the recording, in order."""
        return " ".join(turn.text for turn in self.turns)


@cache
def load_scene(name: str) -> Scene:
    """Read the script of ``meeting-bilingual``, ``meeting-fr``, ``radio-en`` or ``radio-fr``."""
    path = SCENES_DIR / f"{name}.json"
    script = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
    return Scene(
        name=script["id"],
        title=script["title"],
        kind=script["kind"],
        language=script["lang"],
        duration_ms=_ms(script["duration_s"]),
        turns=tuple(_turn(turn) for turn in script["turns"]),
        minutes=script.get("minutes") or {},
    )


def load_scenes() -> dict[str, Scene]:
    """Every scene by its name."""
    return {path.stem: load_scene(path.stem) for path in sorted(SCENES_DIR.glob("*.json"))}


def _turn(turn: dict[str, Any]) -> Turn:
    return Turn(
        speaker=turn["speaker"],
        language=turn["lang"],
        start_ms=_ms(turn["start"]),
        end_ms=_ms(turn["end"]),
        text=turn["text"],
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
