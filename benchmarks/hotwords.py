"""Names: how many a glossary brings back, how many it invents, what it costs.

    python -m benchmarks.hotwords --manifest …/manifest.jsonl --set librispeech --set fleurs

Each recording is decoded in windows cut at the quietest place, or by the live policy (``--live``),
with a glossary of all terms said in it and others that are not, up to each ``--size``.

Modes: ``none``; ``verified``, what the product does; and what it does not: ``prompt`` (all terms as
a list before the text), ``sentence`` (as a sentence), ``near`` (decoded again with the terms alone
that the first answer sounds like).
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import count_errors, total
from benchmarks.corpora import Recording, load_manifest, load_scenes, read_pcm, select
from benchmarks.results import result_folder, write_result
from benchmarks.terms import Lexicon, TermCounts, glossary_of, load_lexicons, weigh_terms
from greffier_models.hotwords.spotting import TermIndex
from greffier_models.protocols import BatchRecognizer, VoiceActivityDetector
from greffier_models.silero import load_silero
from greffier_models.types import AudioWindow, Hypothesis, Pcm, RecognitionOptions, Word
from greffier_models.whisper.engine import load_whisper
from greffier_server.core.alignatt import AlignAttPolicy
from greffier_server.core.policy import IdentifyRequest

_LONGEST_MS = 13_000
_SHORTEST_MS = 6_000
_STEP_FRAMES = 3
_PROMPT_CHARS = 350
"""About half of the decoder's context, what the prompt of names was limited to."""
_SENTENCES = {"fr": "Il est question de {}.", "en": "Here we talk about {}."}
MODES = ("none", "prompt", "sentence", "near", "verified")

Decode = Callable[[AudioWindow, str, str], Hypothesis]
"""A window, its language, a forced prefix to what is heard."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write ``<name>.json``."""
    options = _options(arguments)
    engine = load_whisper(options.model, threads=1)
    vad = load_silero()
    lexicons = load_lexicons()
    results: list[dict[str, Any]] = []
    for language in options.language or ["en", "fr"]:
        recordings = _recordings(options, language, lexicons[language])
        plain = _Run(engine, vad, recordings, lexicons[language], live=options.live)
        before = plain.texts("none", 0)
        for size in options.size:
            for mode in options.mode:
                row = plain.measure(mode, size, before)
                results.append({"language": language, **row})
                _print(results[-1])
    folder = options.out or result_folder(options.machine)
    setting = {"live": options.live, "sets": options.set, "model": options.model.name}
    print(write_result(folder, options.name, {"setting": setting, "rows": results}))
    return 0


class _Run:
    """Recordings of one language, decoded again and again."""

    def __init__(
        self,
        engine: BatchRecognizer,
        vad: VoiceActivityDetector,
        recordings: Sequence[Recording],
        lexicon: Lexicon,
        *,
        live: bool,
    ) -> None:
        self._engine = engine
        self._vad = vad
        self._recordings = recordings
        self._lexicon = lexicon
        self._live = live
        self._cpu_s = 0.0
        self._replaced: list[str] = []

    def measure(self, mode: str, size: int, before: dict[str, str]) -> dict[str, Any]:
        """One row of the table."""
        texts = self.texts(mode, size) if mode != "none" else before
        counts = TermCounts()
        for recording in self._recordings:
            counts += weigh_terms(
                glossary_of(recording, self._lexicon, size=size),
                reference=recording.text,
                before=before[recording.id],
                text=texts[recording.id],
                language=recording.language,
            )
        errors = total(
            count_errors(recording.text, texts[recording.id], language=recording.language)
            for recording in self._recordings
        )
        audio_s = sum(recording.duration_ms for recording in self._recordings) / 1000
        return {
            "mode": mode,
            "size": size,
            **asdict(counts),
            "false_inserts_per_hour": counts.false_inserts * 3600 / max(audio_s, 1),
            "wer": errors.rate,
            "words": errors.words,
            "audio_s": audio_s,
            "cpu_s": self._cpu_s if mode != "none" else None,
            "replaced": self._replaced if mode == "verified" else [],
        }

    def texts(self, mode: str, size: int) -> dict[str, str]:
        """What is written, by recording."""
        began = time.process_time()
        self._replaced = []
        texts: dict[str, str] = {}
        for recording in self._recordings:
            glossary = glossary_of(recording, self._lexicon, size=size)
            decode = self._decoder(mode, glossary, recording.language)
            pcm = np.frombuffer(read_pcm(recording.path), np.int16)
            words = (self._heard_live if self._live else self._windowed)(
                pcm, recording.language, decode
            )
            self._replaced += [
                f"{recording.id}:{word.heard} >{word.text}" for word in words if word.heard
            ]
            texts[recording.id] = "".join(word.text for word in words)
        self._cpu_s = time.process_time() - began
        return texts

    def _decoder(self, mode: str, glossary: Sequence[str], language: str) -> Decode:
        hotwords = tuple(glossary) if mode == "verified" else ()
        index = TermIndex(glossary)

        def decode(window: AudioWindow, spoken: str, prefix: str, prompt: str) -> Hypothesis:
            options = RecognitionOptions(
                language=spoken, hotwords=hotwords, prompt=prompt, prefix=prefix
            )
            (hypothesis,) = self._engine.decode([(window, options)])
            return hypothesis

        def decode_near(window: AudioWindow, spoken: str, prefix: str) -> Hypothesis:
            plain = decode(window, spoken, prefix, "")
            near = list(dict.fromkeys(spot.term for spot in index.near(plain.words)))
            return decode(window, spoken, prefix, ", ".join(near)) if near else plain

        if mode == "near":
            return decode_near
        prompt = ""
        if mode in ("prompt", "sentence"):
            prompt = ", ".join(glossary)[:_PROMPT_CHARS].rpartition(",")[0]
        if mode == "sentence":
            prompt = _SENTENCES[language].format(prompt)
        return lambda window, spoken, prefix: decode(window, spoken, prefix, prompt)

    def _windowed(self, pcm: Pcm, language: str, decode: Decode) -> list[Word]:
        """Windows of 6 to 13 s, cut where speech is least probable."""
        frame_ms = self._vad.frame_ms
        speech = np.asarray(self._vad.open().push(pcm))
        smooth = np.convolve(speech, np.ones(9) / 9, "same")
        words: list[Word] = []
        at, end = 0, len(pcm) // 16
        while at < end:
            to = end
            if end - at > _LONGEST_MS:
                first = (at + _SHORTEST_MS) // frame_ms
                last = (at + _LONGEST_MS) // frame_ms
                to = (first + int(np.argmin(smooth[first:last]))) * frame_ms
            words += decode(AudioWindow(pcm[at * 16 : to * 16], at), language, "").words
            at = to
        return words

    def _heard_live(self, pcm: Pcm, language: str, decode: Decode) -> list[Word]:
        """What the live policy commits, audio arriving in its steps."""
        frame_ms = self._vad.frame_ms
        policy = AlignAttPolicy(frame_ms=frame_ms, language=language)
        speech = list(self._vad.open().push(pcm))
        words: list[Word] = []

        def answer() -> None:
            while (request := policy.request()) is not None:
                if isinstance(request, IdentifyRequest):  # the language is given
                    policy.identified(request, {language: 1.0})
                    continue
                window = AudioWindow(
                    pcm[request.from_ms * 16 : request.to_ms * 16], request.from_ms
                )
                hypothesis = decode(window, language, request.prefix)
                words.extend(policy.accept(request, hypothesis).committed)

        for place in range(0, len(speech), _STEP_FRAMES):
            step = speech[place : place + _STEP_FRAMES]
            policy.hear((place + len(step)) * frame_ms, step)
            answer()
        policy.end(len(speech) * frame_ms)
        answer()
        return words


def _recordings(options: argparse.Namespace, language: str, lexicon: Lexicon) -> list[Recording]:
    """Those that have a term of the lexicon; with ``--all`` the others too."""
    every = load_manifest(options.manifest) if options.manifest else load_scenes()
    chosen = select(
        every,
        sets=options.set,
        languages=[language],
        max_ms=None if options.max_s is None else round(options.max_s * 1000),
    )
    if options.all:
        return chosen
    return [
        recording
        for recording in chosen
        if weigh_terms(
            lexicon.said, reference=recording.text, before="", text="", language=language
        ).said
    ]


def _print(row: dict[str, Any]) -> None:
    print(
        "{language} {size:>4} {mode:>8}: found {found}/{said}, recovered "
        "{recovered}/{missed_before}, lost {lost}, false {false_inserts}, "
        "WER {wer:.3f}, CPU {cpu_s}".format(**row),
        flush=True,
    )
    for replaced in row["replaced"]:
        print("   ", replaced)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hotwords", description=__doc__)
    parser.add_argument("--manifest", type=Path, help="recordings; the scenes when absent")
    parser.add_argument("--set", action="append", default=[], help="only this set (repeatable)")
    parser.add_argument("--language", action="append", default=[], help="only this language")
    parser.add_argument("--max-s", type=float, help="at most so many seconds long")
    parser.add_argument("--all", action="store_true", help="recordings without any term too")
    parser.add_argument("--size", type=int, nargs="+", default=[100], help="terms in a glossary")
    parser.add_argument("--mode", nargs="+", choices=MODES, default=["none", "verified"])
    parser.add_argument("--live", action="store_true", help="through the live policy")
    parser.add_argument("--model", type=Path, required=True, help="folder of a Whisper model")
    parser.add_argument("--machine", help="name of the machine in the result's folder")
    parser.add_argument("--name", default="hotwords", help="name of the result file")
    parser.add_argument("--out", type=Path, help="folder of the result")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
