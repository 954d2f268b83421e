"""The adapter over CTranslate2's Whisper; `Any` of the untyped packages stops here.

Facts this code rests on (measured, see ``benchmarks/``): CTranslate2 encodes any length up to 30 s,
so a window is filled only to `fill_ms`; text before ``<|startoftranscript|>`` is read in parallel
while forced text after ``<|notimestamps|>`` costs a step a token; the encoder is run one window at
a time on a CPU (batches are slower per item) and the decoder in batches of equal shape.
"""

import importlib
import itertools
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from greffier_models.cores import usable_cores
from greffier_models.errors import EngineError, EngineOutOfMemory, WeightsCorrupt, WeightsMissing
from greffier_models.types import (
    SAMPLE_RATE,
    AudioWindow,
    EngineIdentity,
    Hypothesis,
    RecognitionOptions,
    Word,
)
from greffier_models.whisper.mel import Features, choose_features, numpy_features
from greffier_models.whisper.scoring import Forced, index_of, with_terms
from greffier_models.whisper.words import group_tokens, timed_words

__all__ = ["WhisperEngine", "load_whisper"]

_log = logging.getLogger(__name__)

_MAX_WINDOW_MS = 30_000
_IDENTIFY_FILL_MS = 15_000
"""Unfilled, one second of speech is named right half as often."""
_DECISIVE = 0.95
_TRIAL_WEIGHT = 6.0
"""How much a difference in mean log-probability counts between two trial decodes."""
_HOP_SAMPLES = 160
_TOKENS_PER_SECOND = 7
"""Fast speech; more is a loop. With `_TOKENS_EXTRA`, the limit of new tokens."""
_TOKENS_EXTRA = 6
_PROMPT_TOKENS = 223
_MAX_LENGTH = 448
"""Of Whisper's decoder, prompt included."""
_MAX_FORCED_TOKENS = 440
"""The decoder has 448 places, of which the prompt takes a few."""
_UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})


@dataclass(frozen=True, slots=True)
class _Encoded:
    """One window ready for the decoder."""

    output: Any
    frames: int
    """Encoder input frames that hold audio (10 ms each)."""
    window: AudioWindow
    options: RecognitionOptions
    language: str
    language_probability: float
    prefix_tokens: list[int]
    prompt: list[int]
    limit: int


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
        self._features = features or numpy_features(model.feature_extractor)
        self._tokenizer = model.hf_tokenizer
        # Text is text: a glossary that says <|fr|> must not command the decoder.
        self._tokenizer.encode_special_tokens = True
        self._identity = identity
        self._workers = workers
        self._batch_encoder = batch_encoder
        self._multilingual = bool(self._model.is_multilingual)
        self._languages = self._known_languages()
        self._suppressed = self._suppressed_tokens()
        self._sot = self._token("<|startoftranscript|>")
        self._eot = self._token("<|endoftext|>")
        self._no_timestamps = self._token("<|notimestamps|>")
        self._previous = self._token("<|startofprev|>")

    @property
    def identity(self) -> EngineIdentity:
        """What is written into events."""
        return self._identity

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes this model knows."""
        return self._languages

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
        encoded, _ = self._encode(window, _IDENTIFY_FILL_MS)
        scores = self._detect(encoded)
        best = max(scores, key=scores.__getitem__)
        if len(candidates) < 2 or (scores[best] >= _DECISIVE and best in candidates):
            return scores
        tried = {code for code in candidates if code in self._languages}
        if scores[best] >= 0.5:
            tried.add(best)
        limit = int(_TOKENS_PER_SECOND * window.duration_ms / 1000) + _TOKENS_EXTRA
        weights: dict[str, float] = {}
        for code in sorted(tried):
            prompt = self._prompt(RecognitionOptions(), code, [])
            (result,) = self._model.generate(
                encoded,
                [prompt],
                beam_size=1,
                max_length=min(_MAX_LENGTH, 2 * limit + len(prompt)),
                return_scores=True,
                suppress_tokens=self._suppressed,
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
            encoded = self._prepare_all(batch)
            results: list[Hypothesis | None] = [None] * len(batch)
            shapes: dict[tuple[int, int, int], list[int]] = {}
            for index, item in enumerate(encoded):
                # CTranslate2 wants it at the same place; prefixes behind it may differ in length.
                begins = item.prompt.index(self._sot)
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

    # --- encoder ------------------------------------------------------------------------------

    def _encode(self, window: AudioWindow, fill_ms: int) -> tuple[Any, int]:
        audio = _filled(window, fill_ms)
        return self._model.encode(self._mel([audio]), to_cpu=False), _frames(window, audio)

    def _encode_together(
        self, batch: Sequence[tuple[AudioWindow, RecognitionOptions]]
    ) -> list[tuple[Any, int]]:
        """Encode windows of equal length in one call each; the outputs come apart on the host."""
        audios = [_filled(window, options.fill_ms) for window, options in batch]
        outputs: list[Any] = [None] * len(batch)
        for samples in {len(audio) for audio in audios}:
            alike = [i for i, audio in enumerate(audios) if len(audio) == samples]
            output = self._model.encode(self._mel([audios[i] for i in alike]), to_cpu=True)
            for i, item in zip(alike, _apart(output), strict=True):
                outputs[i] = item
        return [
            (output, _frames(window, audio))
            for output, audio, (window, _) in zip(outputs, audios, batch, strict=True)
        ]

    def _mel(self, audios: Sequence[NDArray[np.float32]]) -> Any:
        """Log-mel features of audio of one length; an even number of frames."""
        mel = self._features(audios)
        mel = mel[..., : mel.shape[-1] // 2 * 2]
        return _ctranslate2().StorageView.from_array(np.ascontiguousarray(mel, dtype=np.float32))

    def _prepare_all(
        self, batch: Sequence[tuple[AudioWindow, RecognitionOptions]]
    ) -> list[_Encoded]:
        if self._batch_encoder and len(batch) > 1:
            pairs = self._encode_together(batch)
        else:
            pairs = [self._encode(window, options.fill_ms) for window, options in batch]
        return [
            self._prepare(window, options, output, frames)
            for (window, options), (output, frames) in zip(batch, pairs, strict=True)
        ]

    def _prepare(
        self, window: AudioWindow, options: RecognitionOptions, output: Any, frames: int
    ) -> _Encoded:
        language, probability = options.language or "", 1.0
        if not self._multilingual:
            language = "en"
        elif not language:
            scores = self._detect(output)
            language = max(scores, key=scores.__getitem__)
            probability = scores[language]
        prefix = self._encode_text(options.prefix) if options.prefix else []
        seconds = window.duration_ms / 1000
        limit = options.max_tokens or int(_TOKENS_PER_SECOND * seconds) + _TOKENS_EXTRA
        return _Encoded(
            output=output,
            frames=frames,
            window=window,
            options=options,
            language=language,
            language_probability=probability,
            prefix_tokens=prefix,
            prompt=self._prompt(options, language, prefix),
            limit=limit,
        )

    def _detect(self, encoded: Any) -> dict[str, float]:
        (pairs,) = self._model.detect_language(encoded)
        return {token.strip("<|>"): float(score) for token, score in pairs}

    # --- decoder ------------------------------------------------------------------------------

    def _prompt(self, options: RecognitionOptions, language: str, prefix: list[int]) -> list[int]:
        prompt: list[int] = []
        context: list[int] = []
        if options.prompt:
            room = _PROMPT_TOKENS - len(context)
            context += self._encode_text(" " + options.prompt.strip())[-room:]
        if context:
            prompt += [self._previous, *context]
        prompt.append(self._sot)
        if self._multilingual:
            prompt += [self._token(f"<|{language}|>"), self._token(f"<|{options.task}|>")]
        return [*prompt, self._no_timestamps, *prefix]

    def _generate(self, items: list[_Encoded]) -> list[Hypothesis]:
        prompts = [item.prompt for item in items]
        # CTranslate2 stops at half of `max_length`, forced tokens after <|notimestamps|> included,
        # and at `max_length` less what stands before them (models/whisper.cc, 4.8).
        longest = max(len(item.prefix_tokens) + item.limit for item in items)
        before = max(len(item.prompt) - len(item.prefix_tokens) for item in items)
        limit = max(2 * longest, longest + before)
        output = items[0].output if len(items) == 1 else _stack([item.output for item in items])
        results = self._model.generate(
            output,
            prompts,
            beam_size=items[0].options.beam_size,
            max_length=min(_MAX_LENGTH, limit),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=self._suppressed,
            sampling_temperature=1.0,
        )
        return [self._hypothesis(item, result) for item, result in zip(items, results, strict=True)]

    def _hypothesis(self, item: _Encoded, result: Any) -> Hypothesis:
        tokens = [int(token) for token in result.sequences_ids[0]]
        prefix = item.prefix_tokens
        if prefix and tokens[: len(prefix)] == prefix:
            tokens = tokens[len(prefix) :]
        truncated = len(tokens) >= item.limit
        tokens = tokens[: item.limit]  # a neighbour in the batch may have had a higher limit
        tokens = [token for token in tokens if token < self._eot]
        words = self._align(item, tokens) if tokens else []
        if words and item.options.hotwords:
            index = index_of(item.options.hotwords)
            words = with_terms(words, index, lambda texts: self._force(item, texts))
        return Hypothesis(
            words=tuple(words),
            language=item.language,
            language_probability=item.language_probability,
            no_speech_probability=float(result.no_speech_prob),
            mean_logprob=float(result.scores[0]),
            truncated=truncated,
        )

    def _align(self, item: _Encoded, tokens: list[int]) -> list[Word]:
        start = [self._sot]
        if self._multilingual:
            start += [
                self._token(f"<|{item.language}|>"),
                self._token(f"<|{item.options.task}|>"),
            ]
        everything = [*item.prefix_tokens, *tokens]
        (aligned,) = self._model.align(item.output, start, [everything], item.frames)
        frames = _first_frames(aligned.alignments, len(everything), item.frames // 2)
        skipped = len(item.prefix_tokens)
        texts = self._pieces(tokens)
        groups = group_tokens(texts, spaced=item.language not in _UNSPACED)
        decoded = [self._decode_text([tokens[i] for i in group]) for group in groups]
        return timed_words(
            decoded,
            groups,
            token_frames=frames[skipped:],
            probabilities=[float(p) for p in aligned.text_token_probs[skipped:]],
            start_ms=item.window.start_ms,
            end_ms=item.window.end_ms,
        )

    def _force(self, item: _Encoded, texts: Sequence[str]) -> Forced | None:
        """Hold `texts`, one a word, against the window's audio; None where they are too long."""
        start = [self._sot]
        if self._multilingual:
            start += [self._token(f"<|{item.language}|>"), self._token(f"<|{item.options.task}|>")]
        pieces = [self._encode_text(text) for text in texts]
        everything = [*item.prefix_tokens, *itertools.chain.from_iterable(pieces)]
        if len(everything) > _MAX_FORCED_TOKENS or not all(pieces):
            return None
        (aligned,) = self._model.align(item.output, start, [everything], item.frames)
        frames = _first_frames(aligned.alignments, len(everything), item.frames // 2)
        skipped = len(item.prefix_tokens)
        probabilities = [float(p) for p in aligned.text_token_probs[skipped:]]
        numbers = itertools.count()
        groups = [[next(numbers) for _ in piece] for piece in pieces]
        words = timed_words(
            texts,
            groups,
            token_frames=frames[skipped:],
            probabilities=probabilities,
            start_ms=item.window.start_ms,
            end_ms=item.window.end_ms,
        )
        logprobs = [sum(math.log(max(probabilities[i], 1e-10)) for i in group) for group in groups]
        return Forced(tuple(words), tuple(logprobs), tuple(map(len, pieces)))

    # --- tokens -------------------------------------------------------------------------------

    def _token(self, text: str) -> int:
        token = self._tokenizer.token_to_id(text)
        if token is None:
            raise EngineError(f"This model's tokenizer has no {text}: it is not a Whisper model.")
        return int(token)

    def _encode_text(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _decode_text(self, tokens: list[int]) -> str:
        return str(self._tokenizer.decode(tokens))

    def _pieces(self, tokens: list[int]) -> list[str]:
        """Text of each token; U+FFFD stands for UTF-8 that a later token completes."""
        pieces: list[str] = []
        pending: list[int] = []
        for token in tokens:
            pending.append(token)
            text = self._decode_text(pending)
            if text.endswith("\ufffd") and len(pending) < 4:
                pieces.append(text)  # its leading space tells where a word begins
                continue
            pieces.append(text)
            pending = []
        return pieces

    def _known_languages(self) -> frozenset[str]:
        if not self._multilingual:
            return frozenset({"en"})
        vocabulary = cast("dict[str, int]", self._tokenizer.get_vocab())
        codes = (token[2:-2] for token in vocabulary if token.startswith("<|"))
        return frozenset(code for code in codes if code.isalpha() and len(code) in (2, 3))

    def _suppressed_tokens(self) -> list[int]:
        """Symbols that are never speech (music signs, brackets), as OpenAI's decoder suppresses."""
        from faster_whisper.tokenizer import Tokenizer

        language = "en" if self._multilingual else None
        task = "transcribe" if self._multilingual else None
        tokenizer = Tokenizer(self._tokenizer, self._multilingual, task=task, language=language)
        special = [
            self._token(name)
            for name in (
                "<|startoftranscript|>",
                "<|startofprev|>",
                "<|startoflm|>",
                "<|transcribe|>",
                "<|translate|>",
            )
        ]
        return sorted({*tokenizer.non_speech_tokens, *special})


def _ctranslate2() -> Any:
    """The package, imported when a model is first used; it has no types."""
    return importlib.import_module("ctranslate2")


def _first_frames(alignments: Sequence[tuple[int, int]], tokens: int, frames: int) -> list[int]:
    """First encoder frame of each token from the alignment path, then one for the end."""
    firsts = [frames] * (tokens + 1)
    seen = -1
    for token, frame in alignments:
        if token > seen:
            for skipped in range(seen + 1, min(token, tokens) + 1):
                firsts[skipped] = frame
            seen = token
    return firsts


def _filled(window: AudioWindow, fill_ms: int) -> NDArray[np.float32]:
    """Samples in -1 … 1 with zeros behind them up to `fill_ms`."""
    if window.duration_ms > _MAX_WINDOW_MS:
        raise EngineError("A recogniser window may hold 30 s of audio at most.")
    total = max(len(window.pcm), min(fill_ms, _MAX_WINDOW_MS) * SAMPLE_RATE // 1000, SAMPLE_RATE)
    audio = np.zeros(total, dtype=np.float32)
    audio[: len(window.pcm)] = window.pcm.astype(np.float32) / 32768.0
    return audio


def _frames(window: AudioWindow, audio: NDArray[np.float32]) -> int:
    """Encoder input frames that hold audio."""
    return min(max(len(window.pcm) // _HOP_SAMPLES, 2), len(audio) // _HOP_SAMPLES // 2 * 2)


def _apart(output: Any) -> list[Any]:
    """The items of an encoded batch, on the host."""
    ctranslate2 = _ctranslate2()
    if output.dtype == ctranslate2.DataType.bfloat16:  # numpy has none
        output = output.to(ctranslate2.DataType.float32)
    array = np.array(output)  # a copy: the batch is freed
    return [ctranslate2.StorageView.from_array(item[None]) for item in array]


def _stack(outputs: Sequence[Any]) -> Any:
    arrays: list[NDArray[np.float32]] = [np.asarray(output) for output in outputs]
    return _ctranslate2().StorageView.from_array(np.concatenate(arrays))


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
    if not (path / "model.bin").is_file():
        raise WeightsMissing(
            f"There is no Whisper model at {path.name!r}. Fetch one: greffier models pull"
        )
    from faster_whisper import WhisperModel

    ctranslate2 = _ctranslate2()

    if device == "auto":
        device = "cuda" if ctranslate2.get_cuda_device_count() > 0 else "cpu"
    workers, threads = _parallelism(workers, threads, gpu=device == "cuda")
    try:
        model = WhisperModel(
            str(path),
            device=device,
            device_index=device_index,
            compute_type=compute_type,
            cpu_threads=threads,
            num_workers=workers,
            local_files_only=True,
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise WeightsCorrupt(
            f"The Whisper model {path.name!r} cannot be loaded. "
            "Check it: greffier models verify; fetch it again: greffier models pull"
        ) from error
    identity = EngineIdentity(
        engine=f"whisper-ct2/{ctranslate2.__version__}",
        model=name or path.name,
        digest=digest,
        settings=f"{compute_type},{device}",
    )
    engine = WhisperEngine(
        model,
        identity,
        workers=workers,
        batch_encoder=device == "cuda" if batch_encoder is None else batch_encoder,
        features=choose_features(
            model.feature_extractor,
            device=f"cuda:{device_index}" if device == "cuda" else device,
        ),
    )
    silence = AudioWindow(np.zeros(SAMPLE_RATE, dtype=np.int16))
    engine.decode([(silence, RecognitionOptions(language="en", max_tokens=1))])
    _log.info("whisper model loaded: %s, %d workers of %d threads", identity, workers, threads)
    return engine


def _parallelism(workers: int, threads: int, *, gpu: bool) -> tuple[int, int]:
    cores = usable_cores()
    if gpu:
        return workers or 1, threads or cores
    workers = workers or max(1, cores // (threads or 1))
    return workers, threads or max(1, cores // workers)
