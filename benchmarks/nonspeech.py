"""Words invented over an hour in which nothing is said.

``python -m benchmarks.nonspeech --help``. The hour (see `benchmarks.sounds`) is heard in one of
four courses, since a detector of speech that has settled on noise is harder to fool than one that
has just been opened, or has just heard someone speak:

- ``long``: one session of an hour.
- ``cold``: a session for each stretch of about 20 s.
- ``after``: one session, a spoken sentence before each stretch. What is committed more than half a
  second after the sentence ended counts as invented.
- ``cut``: bursts of real speech of 0.2 to 0.5 s, cut out anywhere, three seconds apart. A burst can
  hold three short words; what goes beyond counts as invented.

Audio is fed as fast as it is recognised; the decisions are those of real time (see
`benchmarks.replay`), so an hour of silence costs seconds.
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.corpora import RATE, Recording, load_manifest, load_scenes, read_pcm, select
from benchmarks.replay import Replayed, replay
from benchmarks.results import result_folder, write_result
from benchmarks.sounds import Placed, Samples, burst, hour, to_pcm
from greffier_models.catalog import locate
from greffier_models.protocols import BatchRecognizer, VoiceActivityDetector
from greffier_models.silero import load_silero
from greffier_models.types import Pcm
from greffier_models.whisper.engine import load_whisper
from greffier_server.core.speech import PROFILES

COURSES = ("long", "cold", "after", "cut")
_GRACE_MS = 500
_BURST_WORDS = 3
_BURST_REST_S = 3.0


@dataclass(slots=True)
class Invention:
    """What one course gave."""

    audio_ms: int = 0
    words: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Invented: the sound, the word."""
    tail_words: int = 0
    withheld: Counter[str] = field(default_factory=Counter[str])
    decodes: int = 0
    identifications: int = 0
    model_cpu_s: float = 0.0
    vad_cpu_s: float = 0.0

    def add(self, replayed: Replayed, audio_ms: int) -> None:
        """Count what does not depend on where words lie."""
        self.audio_ms += audio_ms
        self.withheld.update(replayed.reasons)
        self.decodes += replayed.decodes
        self.identifications += replayed.identifications
        self.model_cpu_s += replayed.model_cpu_s
        self.vad_cpu_s += replayed.vad_cpu_s

    def figures(self) -> dict[str, Any]:
        """Counts, and for an hour."""
        hours = self.audio_ms / 3_600_000
        return {
            "audio_s": self.audio_ms / 1000,
            "invented_words": len(self.words),
            "invented_words_per_hour": len(self.words) / hours if hours else 0.0,
            "tail_words": self.tail_words,
            "withheld": dict(self.withheld),
            "decodes": self.decodes,
            "identifications": self.identifications,
            "model_cpu_s_per_hour": self.model_cpu_s / hours if hours else 0.0,
            "vad_cpu_s_per_hour": self.vad_cpu_s / hours if hours else 0.0,
            "words": [f"{name}: {word.strip()}" for name, word in self.words],
        }


@dataclass(frozen=True, slots=True)
class _Hearing:
    """Everything a session needs that is the same for all of them."""

    engine: BatchRecognizer
    vad: VoiceActivityDetector
    profile: str
    language: str

    async def of(self, pcm: Pcm) -> Replayed:
        return await replay(
            pcm,
            engine=self.engine,
            vad=self.vad,
            language=None if self.language == "auto" else self.language,
            speech=PROFILES[self.profile],
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the result, print it; 1 when more than one word an hour was invented."""
    options = _options(arguments)
    found = load_manifest(options.manifest) if options.manifest else []
    quiet = {r.id: _samples(r) for r in found if not r.text.strip()}
    spoken = select(found, sets=options.speech_sets) or load_scenes()
    found_model = locate(options.model)
    engine = load_whisper(Path(found_model.path), name=found_model.name, threads=options.threads)
    vad = load_silero()
    runs: list[dict[str, Any]] = []
    for profile in options.profile:
        for language in options.language:
            hearing = _Hearing(engine, vad, profile, language)
            for course in options.course:
                invention = asyncio.run(_run(course, hearing, quiet, spoken, options))
                runs.append(
                    {
                        "profile": profile,
                        "language": language,
                        "course": course,
                        **invention.figures(),
                    }
                )
                _print(runs[-1])
    result = {"what": "nonspeech", "settings": _settings(options), "runs": runs}
    path = write_result(options.out or result_folder(options.machine), options.name, result)
    print(f"\nwritten to {path}")
    bad = [r for r in runs if r["course"] != "cut" and r["invented_words_per_hour"] > 1.0]
    return int(bool(bad))


async def _run(
    course: str,
    hearing: _Hearing,
    quiet: dict[str, Samples],
    spoken: Sequence[Recording],
    options: argparse.Namespace,
) -> Invention:
    if course == "cut":
        return await _cut(hearing, spoken, options)
    sound, placed = hour(quiet, seconds=options.minutes * 60, seed=options.seed)
    pcm = to_pcm(sound)
    match course:
        case "long":
            return await _long(hearing, pcm, placed)
        case "cold":
            return await _cold(hearing, pcm, placed)
        case _:
            return await _after(hearing, pcm, placed, spoken)


async def _long(hearing: _Hearing, pcm: Pcm, placed: Sequence[Placed]) -> Invention:
    invention = Invention()
    replayed = await hearing.of(pcm)
    invention.add(replayed, len(pcm) * 1000 // RATE)
    invention.tail_words = replayed.tail_words
    for word in replayed.words:
        invention.words.append((_name_at(placed, word.start_ms), word.text))
    return invention


async def _cold(hearing: _Hearing, pcm: Pcm, placed: Sequence[Placed]) -> Invention:
    invention = Invention()
    for sound in placed:
        stretch = _cut_ms(pcm, sound.start_ms, sound.end_ms)
        replayed = await hearing.of(stretch)
        invention.add(replayed, len(stretch) * 1000 // RATE)
        invention.tail_words += replayed.tail_words
        invention.words += [(sound.name, word.text) for word in replayed.words]
    return invention


async def _after(
    hearing: _Hearing, pcm: Pcm, placed: Sequence[Placed], spoken: Sequence[Recording]
) -> Invention:
    sentences = [r for r in spoken if _fits(r, hearing.language) and r.duration_ms <= 10_000]
    if not sentences:
        raise SystemExit("no recording of speech under 10 s in this language to come before")
    pieces: list[Pcm] = []
    sounds: list[Placed] = []
    done_ms = quiet_ms = 0
    for index, sound in enumerate(placed):
        sentence = to_pcm(_samples(sentences[index % len(sentences)]))
        stretch = _cut_ms(pcm, sound.start_ms, sound.end_ms)
        done_ms += _ms(sentence)
        sounds.append(Placed(sound.name, done_ms + _GRACE_MS, done_ms + _ms(stretch)))
        done_ms += _ms(stretch)
        quiet_ms += _ms(stretch)
        pieces += [_whole_ms(sentence), _whole_ms(stretch)]
    replayed = await hearing.of(np.concatenate(pieces))
    invention = Invention()
    invention.add(replayed, quiet_ms)
    for word in replayed.words:
        middle = (word.start_ms + word.end_ms) // 2
        name = _name_at(sounds, middle)
        if name:
            invention.words.append((name, word.text))
    return invention


async def _cut(
    hearing: _Hearing, spoken: Sequence[Recording], options: argparse.Namespace
) -> Invention:
    random = np.random.default_rng(options.seed)
    sentences = [r for r in spoken if _fits(r, hearing.language)]
    bursts: list[Placed] = []
    pieces: list[Pcm] = []
    done_ms = 0
    for index in range(options.bursts):
        whole = _samples(sentences[index % len(sentences)])
        piece = _whole_ms(to_pcm(burst(whole, random, shortest_s=0.2, longest_s=0.5)))
        rest: Pcm = np.zeros(round(_BURST_REST_S * RATE), dtype=np.int16)
        bursts.append(Placed(f"burst {index}", done_ms, done_ms + _ms(piece) + _ms(rest)))
        done_ms += _ms(piece) + _ms(rest)
        pieces += [piece, rest]
    pcm = np.concatenate(pieces)
    replayed = await hearing.of(pcm)
    invention = Invention()
    invention.add(replayed, _ms(pcm))
    invention.tail_words = replayed.tail_words
    held: dict[str, list[str]] = {}
    for word in replayed.words:
        held.setdefault(_name_at(bursts, word.start_ms), []).append(word.text)
    for name, words in held.items():
        invention.words += [(f"{name} ({len(words)})", word) for word in words[_BURST_WORDS:]]
    return invention


def _fits(recording: Recording, language: str) -> bool:
    return language in {"auto", recording.language} and bool(recording.text.strip())


def _samples(recording: Recording) -> Samples:
    pcm = np.frombuffer(read_pcm(recording.path), dtype="<i2")
    return pcm.astype(np.float64) / 32768


def _cut_ms(pcm: Pcm, start_ms: int, end_ms: int) -> Pcm:
    return pcm[start_ms * RATE // 1000 : end_ms * RATE // 1000]


def _whole_ms(pcm: Pcm) -> Pcm:
    return pcm[: _ms(pcm) * RATE // 1000]


def _ms(pcm: Pcm) -> int:
    return len(pcm) * 1000 // RATE


def _name_at(placed: Sequence[Placed], at_ms: int) -> str:
    return next((p.name for p in placed if p.start_ms <= at_ms < p.end_ms), "")


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "model": options.model,
        "minutes": options.minutes,
        "seed": options.seed,
        "bursts": options.bursts,
    }


def _print(run: dict[str, Any]) -> None:
    withheld = ", ".join(f"{n} {reason}" for reason, n in run["withheld"].items()) or "nothing"
    print(
        f"{run['profile']:>9} {run['language']:>4} {run['course']:>5}: "
        f"{run['invented_words']} words invented in {run['audio_s'] / 60:.0f} min "
        f"({run['tail_words']} shown for a while; withheld: {withheld}); "
        f"{run['decodes']} decodes, {run['model_cpu_s_per_hour']:.0f} s of processor an hour",
        flush=True,
    )
    for word in run["words"]:
        print(f"            {word}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nonspeech", description=__doc__)
    add = parser.add_argument
    add("--manifest", type=Path, help="recordings; those without text join the hour")
    add("--speech-sets", nargs="*", default=["librispeech", "fleurs", "asterisk_prompts"])
    add("--model", default="whisper-base")
    add("--profile", nargs="+", choices=sorted(PROFILES), default=sorted(PROFILES))
    add("--language", nargs="+", default=["auto", "fr", "en"])
    add("--course", nargs="+", choices=COURSES, default=list(COURSES))
    add("--minutes", type=float, default=60.0, help="length of the hour")
    add("--bursts", type=int, default=100, help="of cut speech")
    add("--seed", type=int, default=0)
    add("--threads", type=int, default=0, help="of the model; 0 = every core")
    add("--machine", help="name of the folder of results")
    add("--name", default="nonspeech")
    add("--out", type=Path)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
