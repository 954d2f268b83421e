"""The ports: voice activity, speech recognition, text generation.

Sessions own no model. An engine is shared by every session, is stateless (all it needs is in the
arguments) and never blocks the event loop.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from greffier_models.types import (
    AudioWindow,
    EngineIdentity,
    GenerationOptions,
    GeneratorCapabilities,
    Hypothesis,
    Pcm,
    Prompt,
    RecognitionOptions,
    TextPiece,
)

__all__ = [
    "BatchRecognizer",
    "SpeechRecognizer",
    "TextGenerator",
    "VadStream",
    "VoiceActivityDetector",
    "VoiceEmbedder",
]


class VadStream(Protocol):
    """Voice activity of one stream of audio; it has state, so each stream opens its own."""

    def push(self, pcm: Pcm) -> Sequence[float]:
        """Take the next samples; return the speech probability of each whole frame completed."""
        ...


class VoiceActivityDetector(Protocol):
    """Opens streams; the model behind them is shared."""

    @property
    def frame_ms(self) -> int:
        """Length of the frame that one probability stands for."""
        ...

    def open(self) -> VadStream:
        """Begin a stream at silence."""
        ...


class VoiceEmbedder(Protocol):
    """Turns speech into vectors that tell voices apart."""

    @property
    def identity(self) -> EngineIdentity:
        """What is written into events."""
        ...

    def embed(self, windows: Sequence[Pcm]) -> NDArray[np.float32]:
        """Return a vector of unit length for each window, as rows. Blocks.

        Args:
            windows: 100 ms to 2 s of speech each, all of one length.

        Raises:
            EngineError: the model could not be run.
        """
        ...


class BatchRecognizer(Protocol):
    """Blocking recogniser as a runtime drives it from its own thread."""

    @property
    def identity(self) -> EngineIdentity:
        """What is written into events."""
        ...

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes this model knows."""
        ...

    def identify(self, window: AudioWindow, candidates: Sequence[str] = ()) -> dict[str, float]:
        """Probability of each language over `window`. Blocks.

        Args:
            window: a second of speech or more.
            candidates: languages likely to be spoken here; where detection alone leaves a doubt,
                each may be tried.
        """
        ...

    def decode(
        self, batch: Sequence[tuple[AudioWindow, RecognitionOptions]]
    ) -> Sequence[Hypothesis]:
        """Decode windows of several sessions together, in order. Blocks.

        Raises:
            EngineError: the model could not be run.
        """
        ...


class SpeechRecognizer(Protocol):
    """What a session uses: awaits a place in a batch."""

    @property
    def identity(self) -> EngineIdentity:
        """What is written into events."""
        ...

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes this model knows."""
        ...

    async def transcribe(
        self,
        window: AudioWindow,
        options: RecognitionOptions,
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> Hypothesis:
        """Decode one window.

        Args:
            window: audio at 16 kHz, at most 30 s.
            options: language, context and limits of this decode.
            deadline_ms: the smaller, the sooner it is decoded (any clock shared by the callers).
            priority: 0 = live speech; more = background work, done when no live work waits.
            stream: tenant and session, among which the device is shared fairly.

        Raises:
            EngineError: the model could not be run.
        """
        ...

    async def identify(
        self,
        window: AudioWindow,
        candidates: Sequence[str] = (),
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> dict[str, float]:
        """Probability of each language (see `BatchRecognizer`); raises as `transcribe`."""
        ...


class TextGenerator(Protocol):
    """A language model; translation and minutes are prompts on top of it."""

    @property
    def capabilities(self) -> GeneratorCapabilities:
        """Context length and identity."""
        ...

    def generate(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AbstractAsyncContextManager[AsyncIterator[TextPiece]]:
        """Stream the continuation of `prompt`; leaving the context stops the generation.

        The last piece has `finish` set. Raises inside the context:
            EngineUnavailable: nothing answers (retryable).
            EngineTimeout: no end within `options.timeout_s` (retryable).
            PromptTooLong: prompt and `max_tokens` exceed the context.
            EngineError: anything else.
        """
        ...

    async def count_tokens(self, text: str) -> int:
        """Tokens of `text` in this model's vocabulary (an upper estimate where it cannot know)."""
        ...

    async def close(self) -> None:
        """Stop what runs and free the model."""
        ...
