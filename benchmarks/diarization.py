"""Who speaks when, against recordings whose turns are known: error rate, speakers found, cost.

The audio is heard in the same steps and by the same parts as in a live session. Labels are scored
twice: as first shown, and after the last revision. Neighbouring speech of one label is one turn, as
it is for the words of a segment. Recordings: the scenes, and those of a manifest whose ``segments``
have ``start, end, speaker``.

    python -m benchmarks.diarization [--manifest FILE] [--id ID ...] [--json FILE]
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.corpora import RATE, SCENES_DIR, read_pcm
from benchmarks.der import ErrorRate, SpokenTurn, error_rate
from greffier_models.catalog import locate
from greffier_models.protocols import VoiceActivityDetector, VoiceEmbedder
from greffier_models.types import SAMPLES_PER_MS, Pcm
from greffier_server.core.speakers import Piece, Speakers
from greffier_server.core.voice_windows import WINDOW_MS, VoiceWindow, VoiceWindows

__all__ = ["KnownTurns", "hear", "load_known_turns", "turns"]

_STEP_MS = 600
_BRIDGE_MS = 1_500


@dataclass(frozen=True, slots=True)
class KnownTurns:
    """A recording and who speaks in it."""

    id: str
    path: Path
    turns: tuple[SpokenTurn, ...]


@dataclass(frozen=True, slots=True)
class Heard:
    """The outcome for one recording."""

    pieces: tuple[Piece, ...]
    labels: int
    relabelled: int
    """Parts of the speech whose last label is another than the first; one that had none counts."""
    cpu_s: float
    duration_s: float


def load_known_turns(manifest: Path | None = None) -> list[KnownTurns]:
    """Read the scenes, and the recordings of a manifest that name the speaker of each segment."""
    known: list[KnownTurns] = []
    for script in sorted(SCENES_DIR.glob("*.json")):
        scene = cast("dict[str, Any]", json.loads(script.read_text(encoding="utf-8")))
        known.append(_known(script.stem, script.with_suffix(".flac"), scene["turns"]))
    if manifest is None:
        return known
    for line in manifest.read_text(encoding="utf-8").splitlines():
        entry = cast("dict[str, Any]", json.loads(line))
        segments = cast("list[dict[str, Any]]", entry.get("segments") or [])
        if segments and all("speaker" in segment for segment in segments):
            known.append(_known(entry["id"], manifest.parent / entry["path"], segments))
    return known


def hear(pcm: Pcm, vad: VoiceActivityDetector, embedder: VoiceEmbedder) -> Heard:
    """Hear a recording from beginning to end, step by step."""
    began = time.process_time()
    stream, windows, speakers = vad.open(), VoiceWindows(vad.frame_ms), Speakers()

    def place(found: Sequence[VoiceWindow]) -> None:
        length = WINDOW_MS * SAMPLES_PER_MS
        cuts = [pcm[w.from_ms * SAMPLES_PER_MS : w.to_ms * SAMPLES_PER_MS] for w in found]
        vectors = embedder.embed([np.resize(cut, length) for cut in cuts])
        for window, vector in zip(found, vectors, strict=True):
            speakers.add(window.answers_from_ms, window.answers_to_ms, vector)

    step = _STEP_MS * SAMPLES_PER_MS
    for at in range(0, len(pcm), step):
        place(windows.push(stream.push(pcm[at : at + step])))
    place(windows.finish())
    speakers.settle()
    pieces = tuple(speakers.pieces)
    return Heard(
        pieces=pieces,
        labels=len(speakers.labels),
        relabelled=sum(1 for piece in pieces if piece.label != piece.first_label),
        cpu_s=time.process_time() - began,
        duration_s=len(pcm) / RATE,
    )


def turns(pieces: Iterable[Piece], label_of: Callable[[Piece], str | None]) -> list[SpokenTurn]:
    """Join the speech of one label across pauses; what has no label is left out."""
    joined: list[SpokenTurn] = []
    for piece in pieces:
        label = label_of(piece)
        if label is None:
            continue
        last = joined[-1] if joined else None
        if last and last.speaker == label and piece.from_ms - last.end_ms <= _BRIDGE_MS:
            joined[-1] = SpokenTurn(label, last.start_ms, piece.to_ms)
        else:
            joined.append(SpokenTurn(label, piece.from_ms, piece.to_ms))
    return joined


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print one line a recording, and keep the rows if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifest", type=Path)
    parser.add_argument("--id", action="append", default=[], help="only these recordings")
    parser.add_argument("--models-dir", type=Path)
    parser.add_argument("--json", type=Path, help="file for the rows")
    options = parser.parse_args(arguments)
    from greffier_models.silero import load_silero
    from greffier_models.speakers import load_campplus

    found = locate("campplus-zh-en", options.models_dir)
    embedder = load_campplus(found.path, name=found.name, digest=found.digest)
    vad = load_silero()
    rows: list[dict[str, object]] = []
    print("recording                          speakers     first shown              last   cost")
    print("                                   ref found  DER  conf    DER  miss  false  conf")
    for known in load_known_turns(options.manifest):
        if options.id and known.id not in options.id:
            continue
        pcm = np.frombuffer(read_pcm(known.path), dtype="<i2").astype(np.int16)
        heard = hear(pcm, vad, embedder)
        first = error_rate(known.turns, turns(heard.pieces, lambda piece: piece.first_label))
        last = error_rate(known.turns, turns(heard.pieces, lambda piece: piece.label))
        rows.append(_row(known, heard, first, last))
        print(_line(known, heard, first, last))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


def _known(name: str, path: Path, segments: Iterable[dict[str, Any]]) -> KnownTurns:
    return KnownTurns(
        name,
        path,
        tuple(
            SpokenTurn(s["speaker"], round(s["start"] * 1000), round(s["end"] * 1000))
            for s in segments
        ),
    )


def _speakers(known: KnownTurns) -> int:
    return len({turn.speaker for turn in known.turns})


def _row(known: KnownTurns, heard: Heard, first: ErrorRate, last: ErrorRate) -> dict[str, object]:
    return {
        "id": known.id,
        "speakers": _speakers(known),
        "found": heard.labels,
        "first": asdict(first),
        "last": asdict(last),
        "pieces": len(heard.pieces),
        "relabelled": heard.relabelled,
        "cpu_share": round(heard.cpu_s / heard.duration_s, 4),
    }


def _line(known: KnownTurns, heard: Heard, first: ErrorRate, last: ErrorRate) -> str:
    return (
        f"{known.id:35}{_speakers(known):3} {heard.labels:5}"
        f"{first.total:6.1%}{first.confused:6.1%} {last.total:6.1%}{last.missed:6.1%}"
        f"{last.false_alarm:7.1%}{last.confused:6.1%}  {heard.cpu_s / heard.duration_s:.1%}"
    )


if __name__ == "__main__":
    sys.exit(main())
