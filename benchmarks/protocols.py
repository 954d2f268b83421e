"""Word errors by protocol: real clients of other products speak the same recordings as our own.

``python -m benchmarks.protocols`` lets each client, from its package, speak every recording into
one server with real weights and compares its text with the reference and with that of the native
protocol. Where a text differs, the result says how many decisions the clock made in either session:
under the default policy they may, under ``--policy utterance`` nothing may differ
(docs/reference/conformance.md). The recordings are the turns of the scenes, or those of a manifest.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.accuracy import WordErrors, count_errors, total
from benchmarks.corpora import Recording, load_manifest, read_pcm, select
from benchmarks.results import result_folder, write_result
from greffier_server.child import ChildServer
from greffier_server.child_process import free_port
from tests.support.rivals import LIVE, RECORDED, Place, Speak, native, native_recorded
from tests.support.scenes import load_scene
from tests.support.voices import whisperlive_client

__all__ = ["Clip", "Told", "main", "table", "turns"]

NATIVE: Final = "greffier.v1"
NATIVE_FILE: Final = "greffier.v1, recorded"
_BYTES_PER_MS: Final = 32
_SCENES: Final = ("radio-fr", "meeting-fr", "radio-en", "meeting-bilingual")


@dataclass(frozen=True, slots=True)
class Clip:
    """What is spoken."""

    name: str
    language: str
    text: str
    pcm: bytes
    """16 kHz, s16."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one client was told of one clip."""

    clip: str
    language: str
    protocol: str
    text: str
    errors: WordErrors
    decisions: int
    """Of the clock, recorded in the session."""


def turns(least_ms: int, most_ms: int, *, each: int) -> list[Clip]:
    """The first turns of the scenes that are neither too short nor too long, with their pauses."""
    clips: list[Clip] = []
    for name in _SCENES:
        scene = load_scene(name)
        pcm = read_pcm(scene.audio)
        fitting = [t for t in scene.turns if least_ms <= t.end_ms - t.start_ms <= most_ms]
        for number, turn in enumerate(fitting[:each], start=1):
            from_ms, to_ms = max(0, turn.start_ms - 250), turn.end_ms + 250
            audio = pcm[from_ms * _BYTES_PER_MS : to_ms * _BYTES_PER_MS]
            clips.append(Clip(f"{name}-{number}", turn.language, turn.text, audio))
    return clips


async def compare(place: Place, clips: Sequence[Clip], clients: Mapping[str, Speak]) -> list[Told]:
    """Let every client speak every clip, one after the other."""
    told: list[Told] = []
    async with httpx.AsyncClient(base_url=place.http, trust_env=False, timeout=60) as http:
        for clip in clips:
            for name, speak in clients.items():
                text = await speak(place, clip.pcm, clip.language)
                errors = count_errors(clip.text, text, language=clip.language)
                decisions = await _decisions(http)
                told.append(Told(clip.name, clip.language, name, text, errors, decisions))
                print(f"{clip.name:24} {name:24} {errors.rate:6.1%}", flush=True)
    return told


async def _decisions(http: httpx.AsyncClient) -> int:
    """How many decisions of the clock the newest session rests on."""
    rows = (await http.get("/v1/sessions", params={"limit": 1})).json()["sessions"]
    log = (await http.get(f"/v1/sessions/{rows[0]['session']}/events")).text
    events = [json.loads(line) for line in log.splitlines()]
    return sum(len(event.get("payload", event).get("paced", ())) for event in events)


def table(told: Sequence[Told]) -> list[dict[str, Any]]:
    """One row a protocol: word errors by language, and how often its text is the native one."""
    languages = sorted({one.language for one in told})
    native_texts = {(one.clip, one.protocol): one.text for one in told}
    rows: list[dict[str, Any]] = []
    for protocol in dict.fromkeys(one.protocol for one in told):
        own = [one for one in told if one.protocol == protocol]
        beside = NATIVE_FILE if protocol in {*RECORDED, NATIVE_FILE} else NATIVE
        rows.append(
            {
                "protocol": protocol,
                **{
                    f"wer_{language}": total(
                        one.errors for one in own if one.language == language
                    ).rate
                    for language in languages
                },
                "same_text": sum(one.text == native_texts[one.clip, beside] for one in own),
                "clips": len(own),
                "decisions": sum(one.decisions for one in own),
            }
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write the result; 1 where a text differs that may not."""
    options = _options(arguments)
    clips = turns(2_000, 12_000, each=options.turns)
    if options.manifest is not None:
        clips += [_clip(one) for one in _chosen(options)]
    wyoming = free_port()
    settings = {
        "GREFFIER_RECOGNITION__MODEL": options.model,
        "GREFFIER_RECOGNITION__POLICY": options.policy,
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        "GREFFIER_WYOMING__PORT": str(wyoming),
    }
    clients = {NATIVE: native, **LIVE, NATIVE_FILE: native_recorded, **RECORDED}
    with tempfile.TemporaryDirectory(prefix="greffier-protocols-") as folder:
        whisperlive = whisperlive_client(Path(folder))
        with ChildServer(data_dir=Path(folder) / "server", settings=settings) as server:
            place = Place(server.port, wyoming, whisperlive, pace=options.pace)
            told = asyncio.run(compare(place, clips, clients))
    rows = table(told)
    audio_s = {
        language: sum(len(c.pcm) for c in clips if c.language == language) / 32_000
        for language in sorted({clip.language for clip in clips})
    }
    for row in rows:
        rates = ", ".join(f"{k[4:]} {v:.1%}" for k, v in row.items() if k.startswith("wer_"))
        print(f"{row['protocol']:24} {rates}; as natively: {row['same_text']} of {row['clips']}")
    result = {
        "options": {key: str(value) for key, value in vars(options).items()},
        "audio_s": audio_s,
        "protocols": rows,
        "texts_that_differ": _differing(told),
    }
    name = f"protocols-{options.policy}"
    write_result(options.out or result_folder(options.machine), name, result)
    same = all(row["same_text"] == row["clips"] for row in rows if row["protocol"] in _NAMING)
    return int(options.policy == "utterance" and not same)


_NAMING: Final = {NATIVE, NATIVE_FILE, *LIVE, *RECORDED} - {"vllm-realtime"}
"""Clients that can name the language: the one that cannot is given what is detected."""


def _differing(told: Sequence[Told]) -> list[dict[str, Any]]:
    """What another client was told than our own: word for word, for a look."""
    texts = {(one.clip, one.protocol): one for one in told}
    found: list[dict[str, Any]] = []
    for one in told:
        beside = NATIVE_FILE if one.protocol in {*RECORDED, NATIVE_FILE} else NATIVE
        own = texts[one.clip, beside]
        if one.text != own.text:
            found.append(
                {
                    "clip": one.clip,
                    "protocol": one.protocol,
                    "text": one.text,
                    "native": own.text,
                    "decisions": [one.decisions, own.decisions],
                }
            )
    return found


def _chosen(options: argparse.Namespace) -> list[Recording]:
    found: list[Recording] = []
    for language in ("fr", "en"):
        fitting = select(
            load_manifest(options.manifest),
            languages=[language],
            sets=options.sets,
            min_ms=3_000,
            max_ms=15_000,
        )
        found += fitting[: options.recordings]
    return found


def _clip(recording: Recording) -> Clip:
    return Clip(recording.id, recording.language, recording.text, read_pcm(recording.path))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.protocols", description=__doc__)
    parser.add_argument("--turns", type=int, default=2, help="of each scene")
    parser.add_argument("--manifest", type=Path, help="recordings in addition")
    parser.add_argument("--sets", nargs="*", default=(), help="of the manifest")
    parser.add_argument("--recordings", type=int, default=4, help="of the manifest, a language")
    parser.add_argument("--pace", type=float, default=0.0, help="times real time; 0 = at once")
    parser.add_argument("--policy", default="utterance", help="how words are decided")
    parser.add_argument("--model", default="whisper-base")
    parser.add_argument("--machine", help="name in the result's folder")
    parser.add_argument("--out", type=Path, help="folder of the result")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
