"""Words eaten: what voice activity and the defence against invention cost in real speech.

``python -m benchmarks.eaten --help``. Three figures, for each profile of voice activity:

- *unheard*: words that one decode of the whole recording finds (with a probability of a half or
  more) and under which voice activity sees nothing, in percent. No policy is in it, so it is exact,
  and cheap: seconds a minute of audio. ``--unheard-only`` stops here.
- *eaten*: word error rate of the live text, less that of the same policy with a detector that calls
  everything speech, in points. Negative = voice activity helps.
- *withheld*: words of the reference among those that the defence withheld; what is withheld and was
  really said is an error too.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import WordErrors, count_errors, normalise, total
from benchmarks.corpora import Recording, load_manifest, load_scenes, read_pcm, select
from benchmarks.replay import Replayed, replay
from benchmarks.results import result_folder, write_result
from greffier_models.catalog import locate
from greffier_models.protocols import BatchRecognizer, VoiceActivityDetector
from greffier_models.silero import load_silero
from greffier_models.types import (
    SAMPLES_PER_MS,
    AudioWindow,
    Pcm,
    RecognitionOptions,
    Word,
)
from greffier_models.whisper.engine import load_whisper
from greffier_server.core.speech import PROFILES, SpeechSettings, SpeechTracker

SETS = ("asterisk_prompts_8k", "osr", "liveatc_jp", "derived")
_WINDOW_MS = 28_000
_SURE = 0.5
_MARGIN_MS = 100
"""Alignment is no better than this."""
_TAIL_MS = 1_500
"""Silence behind each recording, as between two transmissions."""


class _EverythingIsSpeech:
    """A detector for comparison: no voice activity at all."""

    frame_ms = 32

    def __init__(self) -> None:
        self._samples = 0

    def open(self) -> "_EverythingIsSpeech":
        return _EverythingIsSpeech()

    def push(self, pcm: Pcm) -> Sequence[float]:
        step = self.frame_ms * SAMPLES_PER_MS
        before = self._samples // step
        self._samples += len(pcm)
        return [1.0] * (self._samples // step - before)


@dataclass(slots=True)
class _Course:
    """One profile over some recordings."""

    words: int = 0
    """Found by whole decodes."""
    unheard: int = 0
    live: list[WordErrors] = field(default_factory=list[WordErrors])
    blind: list[WordErrors] = field(default_factory=list[WordErrors])
    withheld: int = 0
    """Words withheld that the reference has."""
    passages: list[str] = field(default_factory=list[str])

    def figures(self) -> dict[str, Any]:
        live, blind = total(self.live), total(self.blind)
        return {
            "words": self.words,
            "unheard_percent": 100 * self.unheard / max(self.words, 1),
            "wer": live.rate if self.live else None,
            "wer_without_vad": blind.rate if self.blind else None,
            "eaten_points": 100 * (live.rate - blind.rate) if self.blind else None,
            "deletions": live.deletions,
            "deletions_without_vad": blind.deletions,
            "withheld_words": self.withheld,
            "withheld_passages": self.passages,
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the result, print it; 1 when a profile eats more than a point."""
    options = _options(arguments)
    found = load_manifest(options.manifest) if options.manifest else load_scenes()
    recordings = select(found, sets=options.sets if options.manifest else ())
    recordings = [r for r in recordings if r.text.strip()][:: options.every]
    if not recordings:
        print("no recording fits these filters", file=sys.stderr)
        return 2
    model = locate(options.model)
    engine = load_whisper(Path(model.path), name=model.name, threads=options.threads)
    vad = load_silero(corner_hz=None) if options.plain else load_silero()
    courses: dict[tuple[str, str], _Course] = {}
    for recording in recordings:
        asyncio.run(_hear(recording, engine, vad, courses, options))
    runs: list[dict[str, Any]] = [
        {"profile": profile, "set": group, **course.figures()}
        for (profile, group), course in sorted(courses.items())
    ]
    for run in runs:
        _print(run)
    settings = {"model": options.model, "every": options.every, "plain": options.plain}
    result = {"what": "eaten", "settings": settings, "runs": runs}
    path = write_result(options.out or result_folder(options.machine), options.name, result)
    print(f"\nwritten to {path}")
    return int(any((run["eaten_points"] or 0.0) > 1.0 for run in runs))


async def _hear(
    recording: Recording,
    engine: BatchRecognizer,
    vad: VoiceActivityDetector,
    courses: dict[tuple[str, str], _Course],
    options: argparse.Namespace,
) -> None:
    pcm = np.frombuffer(read_pcm(recording.path), dtype="<i2")
    pcm = np.concatenate([pcm, np.zeros(_TAIL_MS * SAMPLES_PER_MS, dtype=np.int16)])
    language = None if recording.language == "auto" else recording.language
    words = _whole(pcm, engine, language)
    probabilities = vad.open().push(pcm)
    blind: Replayed | None = None
    if not options.unheard_only:
        blind = await replay(pcm, engine=engine, vad=_EverythingIsSpeech(), language=language)
    for profile in options.profile:
        speech = _thresholds(profile, options)
        course = courses.setdefault((profile, recording.set), _Course())
        tracker = SpeechTracker(vad.frame_ms, speech)
        tracker.push(probabilities)
        course.words += len(words)
        course.unheard += sum(
            not tracker.speech_ms(word.start_ms - _MARGIN_MS, word.end_ms + _MARGIN_MS)
            for word in words
        )
        if blind is None:
            continue
        live = await replay(pcm, engine=engine, vad=vad, language=language, speech=speech)
        course.live.append(_errors(recording, live.text))
        course.blind.append(_errors(recording, blind.text))
        expected = set(normalise(recording.text, recording.language).split())
        for passage in live.withheld:
            said = normalise(passage.text, recording.language).split()
            course.withheld += sum(word in expected for word in said)
            course.passages.append(f"{recording.id} {passage.reason}: {passage.text}")


def _thresholds(profile: str, options: argparse.Namespace) -> SpeechSettings:
    if options.on is None:
        return PROFILES[profile]
    return SpeechSettings(on=options.on, off=options.off)


def _whole(pcm: Pcm, engine: BatchRecognizer, language: str | None) -> list[Word]:
    words: list[Word] = []
    step = _WINDOW_MS * SAMPLES_PER_MS
    for start in range(0, len(pcm), step):
        window = AudioWindow(pcm[start : start + step], start // SAMPLES_PER_MS)
        choice = RecognitionOptions(language=language, fill_ms=30_000)
        (answer,) = engine.decode([(window, choice)])
        words += [word for word in answer.words if word.probability >= _SURE]
    return words


def _errors(recording: Recording, text: str) -> WordErrors:
    return count_errors(recording.text, text, language=recording.language)


def _print(run: dict[str, Any]) -> None:
    line = f"{run['profile']:>9} {run['set']:<20} unheard {run['unheard_percent']:.1f} %"
    if run["wer"] is not None:
        line += (
            f", WER {100 * run['wer']:.1f} %, without voice activity "
            f"{100 * run['wer_without_vad']:.1f} %, deletions {run['deletions']} against "
            f"{run['deletions_without_vad']}, withheld {run['withheld_words']} real words"
        )
    print(line, flush=True)
    for passage in run["withheld_passages"]:
        print(f"            {passage}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eaten", description=__doc__)
    add = parser.add_argument
    add("--manifest", type=Path, help="recordings; the scenes when absent")
    add("--sets", nargs="+", default=list(SETS))
    add("--every", type=int, default=1, help="only each so manieth recording")
    add("--profile", nargs="+", choices=sorted(PROFILES), default=sorted(PROFILES))
    add("--on", type=float, help="threshold to try in place of the profile's")
    add("--off", type=float, default=0.2, help="with --on")
    add("--plain", action="store_true", help="let the detector hear the audio as it came")
    add("--unheard-only", action="store_true")
    add("--model", default="whisper-base")
    add("--threads", type=int, default=0, help="of the model; 0 = every core")
    add("--machine", help="name of the folder of results")
    add("--name", default="eaten")
    add("--out", type=Path)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
