"""Engines without weights, as functions of their input: for tests, demonstrations and load tests.

The fake recogniser reads encoded speech (`greffier_models.encoded`); the fake language model
answers with a pseudo-translation, or with the least JSON that satisfies the schema.
"""

import asyncio
import random
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from greffier_models.encoded import HeardWord, encode_speech, read_speech, spoken
from greffier_models.errors import (
    EngineError,
    EngineUnavailable,
    PromptTooLong,
    UnsupportedLanguage,
)
from greffier_models.llm.examples import example_json
from greffier_models.types import (
    SAMPLES_PER_MS,
    AudioWindow,
    EngineIdentity,
    GenerationOptions,
    GeneratorCapabilities,
    Hypothesis,
    Pcm,
    Prompt,
    RecognitionOptions,
    TextPiece,
    Word,
)

__all__ = [
    "FAKE_LANGUAGES",
    "FakeGenerator",
    "FakeRecognizer",
    "FakeVad",
    "RecognitionDials",
    "TextDials",
    "encode_speech",
    "pseudo_translation",
    "spoken",
]

FAKE_LANGUAGES = frozenset({"ar", "de", "en", "es", "fr", "it", "nl", "pl", "pt", "ru", "uk", "zh"})
"""What the fake recogniser claims to know."""

Sleep = Callable[[float], Awaitable[None]]


class FakeVad:
    """Voice activity of encoded speech: the share of a frame that is not silence."""

    frame_ms = 32

    def open(self) -> "FakeVadStream":
        """Begin a stream at silence."""
        return FakeVadStream(self.frame_ms * SAMPLES_PER_MS)


class FakeVadStream:
    """One stream; opened by `FakeVad`."""

    def __init__(self, frame_samples: int) -> None:
        self._frame_samples = frame_samples
        self._rest: Pcm = np.zeros(0, np.int16)

    def push(self, pcm: Pcm) -> Sequence[float]:
        """Take the next samples; return the speech probability of each whole frame completed."""
        joined = np.concatenate([self._rest, pcm])
        count = len(joined) // self._frame_samples
        frames = joined[: count * self._frame_samples].reshape(count, self._frame_samples)
        self._rest = joined[count * self._frame_samples :]
        return [float(share) for share in np.count_nonzero(frames, axis=1) / self._frame_samples]


@dataclass(frozen=True, slots=True)
class RecognitionDials:
    """How well the fake recogniser hears."""

    cut_words: Literal["garbled", "dropped"] = "garbled"
    """What becomes of a word that is only partly in the window."""
    unstable_ms: int = 0
    """Whole words that end this close to the end of the window may be misheard too."""
    instability: float = 0.0
    """Probability of that, for each such word; drawn from the window's content."""
    language: str = "en"
    """What detection says."""
    delay_s: float = 0.0
    """Time of each decode."""
    fail_every: int = 0
    """Each nth decode fails; 0 = none. The one thing that depends on more than the input."""


class FakeRecognizer:
    """Reads encoded speech; a `BatchRecognizer` that can also be awaited.

    Args:
        dials: how well it hears.
        sleep: awaited for `dials.delay_s`; tests give their own clock's.
    """

    def __init__(
        self, dials: RecognitionDials | None = None, *, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._dials = dials or RecognitionDials()
        self._sleep = sleep
        self._decodes = 0

    @property
    def identity(self) -> EngineIdentity:
        """What is written into events."""
        return EngineIdentity("fake", "encoded-speech", digest="")

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes it claims to know."""
        return FAKE_LANGUAGES | {self._dials.language}

    def identify(self, window: AudioWindow, candidates: Sequence[str] = ()) -> dict[str, float]:
        """As the dial says, whatever the window holds."""
        del window, candidates
        return {self._dials.language: 1.0}

    async def transcribe(
        self,
        window: AudioWindow,
        options: RecognitionOptions,
        *,
        deadline_ms: int = 0,
        priority: int = 0,
        stream: tuple[str, str] = ("", ""),
    ) -> Hypothesis:
        """Read one window; `deadline_ms`, `priority` and `stream` change nothing."""
        del deadline_ms, priority, stream
        if self._dials.delay_s:
            await self._sleep(self._dials.delay_s)
        return self._decode(window, options)

    def decode(
        self, batch: Sequence[tuple[AudioWindow, RecognitionOptions]]
    ) -> Sequence[Hypothesis]:
        """Read windows, in order and at once: the delay is for `transcribe` alone."""
        return [self._decode(window, options) for window, options in batch]

    def _decode(self, window: AudioWindow, options: RecognitionOptions) -> Hypothesis:
        self._decodes += 1
        if self._dials.fail_every and self._decodes % self._dials.fail_every == 0:
            raise EngineError("The fake recogniser was told to fail.")
        if options.language is not None and options.language not in self.languages:
            raise UnsupportedLanguage(f"The model does not know the language {options.language}.")
        words = _without_prefix(self._words(window), options.prefix)
        kept = words if options.max_tokens is None else words[: options.max_tokens]
        return Hypothesis(
            words=tuple(kept),
            language=options.language or self._dials.language,
            no_speech_probability=0.0 if words else 1.0,
            mean_logprob=-0.1,
            truncated=len(kept) < len(words),
        )

    def _words(self, window: AudioWindow) -> list[Word]:
        draw = random.Random(zlib.crc32(window.pcm.tobytes()))  # noqa: S311 - not for secrets
        words: list[Word] = []
        for heard in read_speech(window.pcm):
            text = heard.text
            if not heard.whole:
                if self._dials.cut_words == "dropped":
                    continue
                text = _garbled(heard)
            elif heard.end_ms > window.duration_ms - self._dials.unstable_ms:
                text = f"{text}~" if draw.random() < self._dials.instability else text
            start_ms = window.start_ms + heard.heard_from_ms
            end_ms = window.start_ms + heard.heard_to_ms
            words.append(Word(text, start_ms, end_ms, 0.9 if text == heard.text else 0.3))
        return words


def _garbled(heard: HeardWord) -> str:
    """Return what is heard of a word that is cut: never the word itself."""
    letters = heard.text.strip()
    length_ms = heard.end_ms - heard.start_ms
    from_letter = (heard.heard_from_ms - heard.start_ms) * len(letters) // length_ms
    to_letter = -((heard.start_ms - heard.heard_to_ms) * len(letters) // length_ms)
    space = heard.text[: len(heard.text) - len(heard.text.lstrip())]
    return f"{space}{letters[from_letter:to_letter]}…"


def _without_prefix(words: list[Word], prefix: str) -> list[Word]:
    """Drop the words that the caller forced, and what is heard before them.

    A window that begins inside of a word has a piece of it before the forced ones: counting that
    piece as one of them would say the last of them again.
    """
    forced = prefix.split()
    if not forced:
        return words
    heard = [word.text.strip() for word in words]
    pieces = 1 if heard[:1] != forced[:1] and heard[1 : 1 + len(forced)] == forced else 0
    return words[pieces + len(forced) :]


def pseudo_translation(text: str) -> str:
    """Return the fake translation of `text`: other words in the same order and number."""
    return " ".join(f"{word[::-1]}" for word in text.split())


@dataclass(frozen=True, slots=True)
class TextDials:
    """How well the fake language model behaves."""

    delay_s: float = 0.0
    """Before the first piece."""
    piece_delay_s: float = 0.0
    """Before each later piece."""
    fail_every: int = 0
    """Each nth generation fails before its first piece; 0 = none."""
    garbage: bool = False
    """Answer with text that is neither a translation nor JSON."""
    context_tokens: int = 8192
    constrained: bool = True
    """Without it a schema is ignored, as by a server that does not know it."""


Respond = Callable[[Prompt, GenerationOptions], str]


class FakeGenerator:
    """A `TextGenerator` that needs no weights; a token is a word.

    With a schema it answers with the least JSON that satisfies it; without one with the
    `pseudo_translation` of the last line of the last message.

    Args:
        respond: what to answer instead.
        dials: how well it behaves.
        sleep: awaited for the delays; tests give their own clock's.
    """

    def __init__(
        self,
        respond: Respond | None = None,
        *,
        dials: TextDials | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._respond = respond or _answer
        self._dials = dials or TextDials()
        self._sleep = sleep
        self._closed = False
        self.prompts: list[tuple[Prompt, GenerationOptions]] = []
        """Everything that was asked, in order."""

    @property
    def capabilities(self) -> GeneratorCapabilities:
        """As the dials say."""
        return GeneratorCapabilities(
            context_tokens=self._dials.context_tokens,
            identity=EngineIdentity("fake", "echo", digest=""),
            constrained=self._dials.constrained,
            local=False,
        )

    def generate(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AbstractAsyncContextManager[AsyncIterator[TextPiece]]:
        """Stream the answer, a word a piece."""
        return aclosing(self._pieces(prompt, options))

    async def count_tokens(self, text: str) -> int:
        """Words of `text`."""
        return len(text.split())

    async def close(self) -> None:
        """Refuse whatever comes."""
        self._closed = True

    async def _pieces(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AsyncGenerator[TextPiece, None]:
        if self._closed:
            raise EngineUnavailable("The language model was closed.")
        self.prompts.append((prompt, options))
        asked = sum(len(message.content.split()) for message in prompt.messages)
        if asked + options.max_tokens > self._dials.context_tokens:
            raise PromptTooLong("The prompt and its answer are longer than the model's context.")
        if self._dials.delay_s:
            await self._sleep(self._dials.delay_s)
        if self._dials.fail_every and len(self.prompts) % self._dials.fail_every == 0:
            raise EngineError("The fake language model was told to fail.")
        if not self._dials.constrained:
            options = replace(options, schema=None)
        text = "\x00{]:-/ 0" if self._dials.garbage else self._respond(prompt, options)
        pieces = _pieces_of(_before_stop(text, options.stop))
        for piece in pieces[: options.max_tokens]:
            if self._dials.piece_delay_s:
                await self._sleep(self._dials.piece_delay_s)
            yield TextPiece(piece)
        yield TextPiece(
            "",
            finish="length" if len(pieces) > options.max_tokens else "stop",
            prompt_tokens=asked,
            generated_tokens=min(len(pieces), options.max_tokens),
        )


def _answer(prompt: Prompt, options: GenerationOptions) -> str:
    if options.schema is not None:
        return example_json(options.schema)
    lines = prompt.messages[-1].content.strip().splitlines() if prompt.messages else []
    return pseudo_translation(lines[-1]) if lines else ""


def _before_stop(text: str, stops: Sequence[str]) -> str:
    ends = [text.index(stop) for stop in stops if stop and stop in text]
    return text[: min(ends)] if ends else text


def _pieces_of(text: str) -> list[str]:
    """Cut `text` before each space, so that the pieces join to it."""
    pieces: list[str] = []
    for character in text:
        if character == " " or not pieces:
            pieces.append("")
        pieces[-1] += character
    return pieces
