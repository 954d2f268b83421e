"""Recordings with their references, from a manifest of JSON lines.

One recording a line: ``id``, ``path`` (relative to the manifest), ``lang`` (ISO 639-1, ``mul`` or
``auto`` for several), ``duration_s``, ``text`` (verbatim, empty = no speech); optional ``set``,
``translation`` (language to text). The scenes of tests/data are read without a manifest.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import soundfile

__all__ = ["RATE", "SCENES_DIR", "Recording", "load_manifest", "load_scenes", "read_pcm", "select"]

RATE = 16_000
SCENES_DIR = Path(__file__).parents[1] / "tests" / "data" / "scenes"


@dataclass(frozen=True, slots=True)
class Recording:
    """Audio and what is said in it."""

    id: str
    path: Path
    language: str
    """ISO 639-1, or ``auto``."""
    duration_ms: int
    text: str
    set: str = ""
    translations: dict[str, str] = field(default_factory=dict[str, str])


def load_manifest(path: Path) -> list[Recording]:
    """Read every recording of a manifest.

    Raises:
        ValueError: a line is not a recording; the message has its number.
    """
    recordings: list[Recording] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            recordings.append(_recording(json.loads(line), path.parent))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}:{number}: not a recording ({error!r})") from error
    return recordings


def load_scenes(directory: Path = SCENES_DIR) -> list[Recording]:
    """Read the spoken scenes: a FLAC and a script each."""
    recordings: list[Recording] = []
    for script in sorted(directory.glob("*.json")):
        scene = cast("dict[str, Any]", json.loads(script.read_text(encoding="utf-8")))
        text = " ".join(turn["text"] for turn in scene["turns"])
        entry = {**scene, "text": text, "set": "scenes", "path": f"{script.stem}.flac"}
        recordings.append(_recording(entry, directory))
    return recordings


def select(
    recordings: Iterable[Recording],
    *,
    sets: Sequence[str] = (),
    languages: Sequence[str] = (),
    ids: Sequence[str] = (),
    min_ms: int = 0,
    max_ms: int | None = None,
) -> list[Recording]:
    """Keep the recordings that fit every given filter."""
    return [
        recording
        for recording in recordings
        if (not sets or recording.set in sets)
        and (not languages or recording.language in languages)
        and (not ids or recording.id in ids)
        and recording.duration_ms >= min_ms
        and (max_ms is None or recording.duration_ms <= max_ms)
    ]


def read_pcm(path: Path) -> bytes:
    """The samples as 16-bit little-endian PCM.

    Raises:
        ValueError: not 16 kHz mono.
    """
    samples, rate = cast("tuple[Any, int]", soundfile.read(path, dtype="int16"))  # pyright: ignore[reportUnknownMemberType]
    if rate != RATE or samples.ndim != 1:
        raise ValueError(f"{path}: {RATE} Hz mono is needed")
    return cast("bytes", samples.astype("<i2").tobytes())


def _recording(entry: dict[str, Any], directory: Path) -> Recording:
    language = str(entry["lang"])
    return Recording(
        id=str(entry["id"]),
        path=directory / str(entry["path"]),
        language="auto" if language in {"mul", "und", "auto"} else language,
        duration_ms=round(float(entry["duration_s"]) * 1000),
        text=str(entry["text"]),
        set=str(entry.get("set", "")),
        translations=cast("dict[str, str]", entry.get("translation") or {}),
    )
