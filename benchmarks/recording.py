"""A real engine over recordings, remembering each question and its answer (`--record`, `--real`).

Answers are rounded as the file rounds them, before any policy sees them: a replay of the same
requests then takes the same decisions.
"""

from pathlib import Path
from typing import cast

import numpy as np

from benchmarks.corpora import Recording, read_pcm
from benchmarks.recorded import Asked, Recorded, key_of
from greffier_models.protocols import BatchRecognizer, VoiceActivityDetector
from greffier_models.types import AudioWindow, Hypothesis, Pcm, RecognitionOptions, Word
from greffier_server.core.policy import DecodeRequest, IdentifyRequest

__all__ = ["RememberingAnswers", "load_engine"]


class RememberingAnswers:
    """An engine over one recording; each question is put to the model once."""

    def __init__(
        self, recording: Recording, engine: BatchRecognizer, vad: VoiceActivityDetector
    ) -> None:
        self._recording = recording
        self._engine = engine
        self._pcm: Pcm = np.frombuffer(read_pcm(recording.path), dtype="<i2")
        self.frame_ms = vad.frame_ms
        self.probabilities = tuple(round(p * 1000) / 1000 for p in vad.open().push(self._pcm))
        self._asked: dict[tuple[object, ...], Asked] = {}
        self._identified: dict[tuple[int, int], tuple[IdentifyRequest, dict[str, float]]] = {}
        self.asker = ""
        """Who asks now; kept with each question."""

    def remember(self, recorded: Recorded) -> None:
        """Take over what the same model answered before."""
        self._asked |= {key_of(asked.request): asked for asked in recorded.asked}
        self._identified |= {(r.from_ms, r.to_ms): (r, s) for r, s in recorded.identified}

    def decode(self, request: DecodeRequest) -> Hypothesis:
        """What the model says of the window."""
        key = key_of(request)
        known = self._asked.get(key)
        if known is None:
            options = RecognitionOptions(
                language=request.language,
                prompt=request.prompt,
                prefix=request.prefix,
                beam_size=request.beam_size,
                fill_ms=request.fill_ms,
            )
            window = self._window(request)
            (heard,) = self._engine.decode([(window, options)])
            known = Asked(request, _rounded(heard), frozenset())
        self._asked[key] = Asked(known.request, known.hypothesis, known.by | {self.asker})
        return known.hypothesis

    def identify(self, request: IdentifyRequest) -> dict[str, float]:
        """Probability of the likelier languages over the window."""
        key = (request.from_ms, request.to_ms)
        if key not in self._identified:
            scores = self._engine.identify(self._window(request), request.candidates)
            likely = sorted(scores.items(), key=lambda item: -item[1])[:5]
            kept = {code: round(share, 4) for code, share in likely}
            self._identified[key] = (request, kept)
        return self._identified[key][1]

    def recorded(self) -> Recorded:
        """All that was asked so far."""
        return Recorded(
            id=self._recording.id,
            model=self._engine.identity.model,
            frame_ms=self.frame_ms,
            probabilities=self.probabilities,
            asked=tuple(self._asked.values()),
            identified=tuple(self._identified.values()),
        )

    def _window(self, request: DecodeRequest | IdentifyRequest) -> AudioWindow:
        return AudioWindow(self._pcm[request.from_ms * 16 : request.to_ms * 16], request.from_ms)


def load_engine(folder: Path, *, name: str) -> tuple[BatchRecognizer, VoiceActivityDetector]:
    """Load Whisper and voice activity from installed weights."""
    from greffier_models.silero import load_silero
    from greffier_models.whisper.engine import load_whisper

    engine = cast("BatchRecognizer", load_whisper(folder, name=name, threads=1))
    return engine, load_silero()


def _rounded(heard: Hypothesis) -> Hypothesis:
    return Hypothesis(
        words=tuple(
            Word(w.text, w.start_ms, w.end_ms, round(w.probability * 100) / 100)
            for w in heard.words
        ),
        language=heard.language,
        no_speech_probability=round(heard.no_speech_probability, 3),
        mean_logprob=round(heard.mean_logprob, 3),
        truncated=heard.truncated,
    )
