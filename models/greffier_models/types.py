"""Values that go into and come out of the engines; all frozen, none knows a session."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
SAMPLES_PER_MS = SAMPLE_RATE // 1000

SAID_AS = "\x1f"
"""Stands in a hotword between a term as it is written and one way it is said."""

Pcm = NDArray[np.int16]
"""Mono samples at 16 kHz."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word and where it lies on the session's sample clock, in milliseconds."""

    text: str
    """With the leading space the model gave it: text is the plain concatenation of words."""
    start_ms: int
    end_ms: int
    probability: float
    heard: str = ""
    """What was decoded where a term of the glossary now stands; empty = this very word."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioWindow:
    """The audio a recogniser is shown."""

    pcm: Pcm
    start_ms: int = 0

    @property
    def duration_ms(self) -> int:
        """Length in whole milliseconds."""
        return len(self.pcm) // SAMPLES_PER_MS

    @property
    def end_ms(self) -> int:
        """End on the session's clock."""
        return self.start_ms + self.duration_ms


@dataclass(frozen=True, slots=True)
class RecognitionOptions:
    """What travels with each decode; engines keep no session state."""

    language: str | None = None
    """ISO 639-1 code; None = the engine detects it on this window."""
    task: Literal["transcribe", "translate"] = "transcribe"
    prompt: str = ""
    """Text that came before the window, as left context."""
    prefix: str = ""
    """Text known to be said at the start of the window; forced, and not part of the answer."""
    hotwords: tuple[str, ...] = ()
    """Names and terms that may be said: words that sound like one are held against the audio. Each
    as it is written, or that, `SAID_AS` and how it is said."""
    beam_size: int = 1
    fill_ms: int = 15_000
    """Zeros are added behind the audio up to this length (short windows make Whisper repeat)."""
    max_tokens: int | None = None
    """Limit of new tokens; None = by the length of the audio."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The result of one decode of a window."""

    words: tuple[Word, ...]
    language: str
    language_probability: float = 1.0
    no_speech_probability: float = 0.0
    mean_logprob: float = 0.0
    """Natural logarithm, averaged over the new tokens."""
    truncated: bool = False
    """The decoder met its token limit: usually a repetition loop."""

    @property
    def text(self) -> str:
        """The words as they are read."""
        return "".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """What produced an event: enough to produce it again."""

    engine: str
    """Implementation and its version, ``whisper-ct2/4.8.5``."""
    model: str
    """Catalogue name or path's last part."""
    digest: str
    """SHA-256 of the weights, hexadecimal, or empty where there are none (fakes)."""
    settings: str = ""
    """Compute type, device and the like, ``int8,cpu``."""

    def __str__(self) -> str:
        """Return the form kept in events: ``engine:model@digest:settings``, the digest in full.

        A shortened digest would leave room for other weights with the same beginning.
        """
        return f"{self.engine}:{self.model}@{self.digest}:{self.settings}"


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn of a prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation to be continued by the model."""

    messages: tuple[ChatMessage, ...]


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """What travels with each generation."""

    max_tokens: int = 512
    temperature: float = 0.0
    stop: tuple[str, ...] = ()
    seed: int = 0
    schema: dict[str, Any] | None = field(default=None, hash=False)
    """JSON Schema that the output must satisfy (constrained decoding)."""
    priority: int = 0
    """Lower runs first: 0 live translation, 1 rolling notes, 2 final minutes and documents."""
    timeout_s: float = 120.0


@dataclass(frozen=True, slots=True)
class TextPiece:
    """A piece of generated text; the last one carries the counts."""

    text: str
    finish: Literal["stop", "length"] | None = None
    prompt_tokens: int = 0
    generated_tokens: int = 0


@dataclass(frozen=True, slots=True)
class GeneratorCapabilities:
    """What a text generator can do, as data."""

    context_tokens: int
    """Prompt and answer together."""
    identity: EngineIdentity
    parallel: int = 1
    """Generations that run at once; more wait."""
    constrained: bool = True
    """JSON Schema is enforced while decoding."""
    local: bool = True
    """Runs on this machine's processor, and so competes with the recogniser."""
