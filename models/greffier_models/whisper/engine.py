"""The adapter over CTranslate2's Whisper: windows in, hypotheses with timed words out.

Facts this code rests on (measured, see ``benchmarks/``): text before ``<|startoftranscript|>`` is
read in parallel while forced text after ``<|notimestamps|>`` costs a step a token; the decoder is
run in batches of equal shape.
"""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from greffier_models.errors import EngineError, EngineOutOfMemory
from greffier_models.types import (
    SAMPLE_RATE,
    AudioWindow,
    EngineIdentity,
    Hypothesis,
    RecognitionOptions,
)
from greffier_models.whisper.aligner import Aligner, EncodedWindow
from greffier_models.whisper.encoder import Encoder, stacked
from greffier_models.whisper.loading import open_model
from greffier_models.whisper.mel import Features, numpy_features
from greffier_models.whisper.scoring import index_of, with_terms
from greffier_models.whisper.tokens import Tokens

__all__ = ["WhisperEngine", "load_whisper"]

_log = logging.getLogger(__name__)

_IDENTIFY_FILL_MS = 15_000
"""Unfilled, one second of speech is named right half as often."""
_DECISIVE = 0.95
_TRIAL_WEIGHT = 6.0
"""How much a difference in mean log-probability counts between two trial decodes."""
_TOKENS_PER_SECOND = 7
"""Fast speech; more is a loop. With `_TOKENS_EXTRA`, the limit of new tokens."""
_TOKENS_EXTRA = 6
_MAX_LENGTH = 448
"""Of Whisper's decoder, prompt included."""


class WhisperEngine:
    """One loaded model on one device; blocking, driven by at most `workers` threads at once.

    Nothing here changes after construction: CTranslate2 hands each call to a free replica (the
    weights are shared) and releases the GIL, tokenizer and feature extractor are only read.

    Args:
        model: faster-whisper's.
        identity: what is written into events.
        workers: replicas of the model, so many calls can run at once.
        batch_encoder: encode windows of a batch together (GPU); on a CPU that is slower an item.
        features: how log-mel features are made; None = faster-whisper's extractor.
    """

    def __init__(
        self,
        model: Any,
        identity: EngineIdentity,
        *,
        workers: int = 1,
        batch_encoder: bool = False,
        features: Features | None = None,
    ) -> None:
        self._wrapped = model
        self._model = model.model
        self._identity = identity
        self._workers = workers
        self._multilingual = bool(self._model.is_multilingual)
        self._tokens = Tokens(model.hf_tokenizer, multilingual=self._multilingual)
        features = features or numpy_features(model.feature_extractor)
        self._encoder = Encoder(self._model, features, batched=batch_encoder)
        self._aligner = Aligner(self._model, self._tokens)

    @property
    def identity(self) -> EngineIdentity:
        """What is written into events."""
        return self._identity

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes this model knows."""
        return self._tokens.languages

    @property
    def workers(self) -> int:
        """Calls that can run at once."""
        return self._workers

    def identify(self, window: AudioWindow, candidates: Sequence[str] = ()) -> dict[str, float]:
        """Probability of each language over `window` (blocking).

        Whisper's own detection errs in one short stretch of speech in four. Where it leaves a
        doubt, the window is decoded once in each candidate: the decoder's confidence tells the
        languages apart after a second (28 of 28 stretches of the bilingual test meeting).
        """
        if not self._multilingual:
            return {"en": 1.0}
        encoded, _ = self._encoder.encode(window, _IDENTIFY_FILL_MS)
        scores = self._detect(encoded)
        best = max(scores, key=scores.__getitem__)
        if len(candidates) < 2 or (scores[best] >= _DECISIVE and best in candidates):
            return scores
        tried = {code for code in candidates if code in self._tokens.languages}
        if scores[best] >= 0.5:
            tried.add(best)
        limit = int(_TOKENS_PER_SECOND * window.duration_ms / 1000) + _TOKENS_EXTRA
        weights: dict[str, float] = {}
        for code in sorted(tried):
            prompt = self._tokens.prompt(RecognitionOptions(), code, [])
            (result,) = self._model.generate(
                encoded,
                [prompt],
                beam_size=1,
                max_length=min(_MAX_LENGTH, 2 * limit + len(prompt)),
                return_scores=True,
                suppress_tokens=self._tokens.suppressed,
            )
            confidence = math.exp(_TRIAL_WEIGHT * float(result.scores[0]))
            weights[code] = math.sqrt(scores.get(code, 0.0) + 0.02) * confidence
        total = sum(weights.values()) or 1.0
        return {code: weight / total for code, weight in weights.items()}

    def decode(
        self, batch: Sequence[tuple[AudioWindow, RecognitionOptions]]
    ) -> Sequence[Hypothesis]:
        """Decode windows of several sessions together, in order (blocking).

        Raises:
            EngineOutOfMemory: not enough memory for this batch.
            EngineError: the model could not be run.
        """
        try:
            pairs = self._encoder.encode_all(batch)
            encoded = [
                self._prepare(window, options, output, frames)
                for (window, options), (output, frames) in zip(batch, pairs, strict=True)
            ]
            results: list[Hypothesis | None] = [None] * len(batch)
            shapes: dict[tuple[int, int, int], list[int]] = {}
            for index, item in enumerate(encoded):
                # CTranslate2 wants it at the same place; prefixes behind it may differ in length.
                begins = item.prompt.index(self._tokens.transcript)
                key = (item.output.shape[1], item.options.beam_size, begins)
                shapes.setdefault(key, []).append(index)
            for indices in shapes.values():
                answers = self._generate([encoded[i] for i in indices])
                for i, answer in zip(indices, answers, strict=True):
                    results[i] = answer
        except RuntimeError as error:
            if "memory" in str(error).lower():
                raise EngineOutOfMemory("The speech model ran out of memory.") from error
            raise EngineError("The speech model failed; see the server's log.") from error
        return [cast("Hypothesis", result) for result in results]

    def _prepare(
        self, window: AudioWindow, options: RecognitionOptions, output: Any, frames: int
    ) -> EncodedWindow:
        language, probability = options.language or "", 1.0
        if not self._multilingual:
            language = "en"
        elif not language:
            scores = self._detect(output)
            language = max(scores, key=scores.__getitem__)
            probability = scores[language]
        prefix = self._tokens.encode(options.prefix) if options.prefix else []
        seconds = window.duration_ms / 1000
        limit = options.max_tokens or int(_TOKENS_PER_SECOND * seconds) + _TOKENS_EXTRA
        return EncodedWindow(
            output=output,
            frames=frames,
            window=window,
            options=options,
            language=language,
            language_probability=probability,
            prefix_tokens=prefix,
            prompt=self._tokens.prompt(options, language, prefix),
            limit=limit,
        )

    def _detect(self, encoded: Any) -> dict[str, float]:
        (pairs,) = self._model.detect_language(encoded)
        return {token.strip("<|>"): float(score) for token, score in pairs}

    def _generate(self, items: list[EncodedWindow]) -> list[Hypothesis]:
        prompts = [item.prompt for item in items]
        # CTranslate2 stops at half of `max_length`, forced tokens after <|notimestamps|> included,
        # and at `max_length` less what stands before them (models/whisper.cc, 4.8).
        longest = max(len(item.prefix_tokens) + item.limit for item in items)
        before = max(len(item.prompt) - len(item.prefix_tokens) for item in items)
        limit = max(2 * longest, longest + before)
        output = items[0].output if len(items) == 1 else stacked([item.output for item in items])
        results = self._model.generate(
            output,
            prompts,
            beam_size=items[0].options.beam_size,
            max_length=min(_MAX_LENGTH, limit),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=self._tokens.suppressed,
            sampling_temperature=1.0,
        )
        return [self._hypothesis(item, result) for item, result in zip(items, results, strict=True)]

    def _hypothesis(self, item: EncodedWindow, result: Any) -> Hypothesis:
        tokens = [int(token) for token in result.sequences_ids[0]]
        prefix = item.prefix_tokens
        if prefix and tokens[: len(prefix)] == prefix:
            tokens = tokens[len(prefix) :]
        truncated = len(tokens) >= item.limit
        tokens = tokens[: item.limit]  # a neighbour in the batch may have had a higher limit
        tokens = [token for token in tokens if token < self._tokens.end]
        words = self._aligner.align(item, tokens) if tokens else []
        if words and item.options.hotwords:
            index = index_of(item.options.hotwords)
            words = with_terms(words, index, lambda texts: self._aligner.force(item, texts))
        return Hypothesis(
            words=tuple(words),
            language=item.language,
            language_probability=item.language_probability,
            no_speech_probability=float(result.no_speech_prob),
            mean_logprob=float(result.scores[0]),
            truncated=truncated,
        )


def load_whisper(
    path: Path,
    *,
    name: str = "",
    digest: str = "",
    device: str = "auto",
    compute_type: str = "int8",
    workers: int = 0,
    threads: int = 0,
    device_index: int = 0,
    batch_encoder: bool | None = None,
) -> WhisperEngine:
    """Load a CTranslate2 Whisper directory and warm it up (blocking, seconds).

    On a processor one worker a core, of one thread each, decodes most (measured on two cores:
    encoder 0.059 s a window against 0.075 s of one worker with two threads, decoder 0.044 against
    0.106 s), and a request alone is answered as soon.

    Args:
        path: directory with ``model.bin``, ``config.json``, ``tokenizer.json``, a vocabulary.
        name: what events call the model; the directory's name when empty.
        digest: SHA-256 of ``model.bin``.
        device: ``cpu``, ``cuda`` or ``auto``.
        compute_type: CTranslate2's (``int8``, ``int8_float16``, ``float16`` …).
        workers: calls that run at once; 0 = as many as the cores carry, 1 on a GPU.
        threads: CPU threads of each worker; 0 = the cores shared among the workers.
        device_index: which GPU.
        batch_encoder: encode windows of a batch together; None = on a GPU.

    Raises:
        WeightsMissing: no model there.
        WeightsCorrupt: the files cannot be loaded.
    """
    opened = open_model(
        path,
        name=name,
        digest=digest,
        device=device,
        compute_type=compute_type,
        workers=workers,
        threads=threads,
        device_index=device_index,
    )
    engine = WhisperEngine(
        opened.wrapped,
        opened.identity,
        workers=opened.workers,
        batch_encoder=opened.gpu if batch_encoder is None else batch_encoder,
        features=opened.features,
    )
    silence = AudioWindow(np.zeros(SAMPLE_RATE, dtype=np.int16))
    engine.decode([(silence, RecognitionOptions(language="en", max_tokens=1))])
    _log.info(
        "whisper model loaded: %s, %d workers of %d threads",
        opened.identity,
        opened.workers,
        opened.threads,
    )
    return engine
