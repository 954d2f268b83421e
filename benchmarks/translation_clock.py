"""Speech, recogniser and model on one clock that a simulation moves."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from greffier.protocol import AudioFormat
from greffier_models.protocols import TextGenerator
from greffier_models.types import (
    GenerationOptions,
    GeneratorCapabilities,
    Prompt,
    TextPiece,
    Word,
)
from greffier_server.core.events import (
    RecognitionFinished,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    SessionStarted,
    TranslationRevised,
    WordsCommitted,
)
from greffier_server.core.translation_policies import TranslationPolicy
from greffier_server.pipeline.clock import ManualClock
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.translate import TranslateStage

__all__ = ["Heard", "Shown", "SpokenUtterance", "TimedGenerator", "play"]

Shown = str
"""Everything a viewer sees of an utterance's translation at a moment."""

WORD_MS = 400
COMMIT_LAG_MS = 2_500
STEP_WORDS = 4
PROMPT_TOKENS_A_S = 150.0
ANSWER_TOKENS_A_S = 25.0
"""Of a 1.5 B model at 4 bits on two cores; only what is new of a prompt is counted."""
_QUIET_ROUNDS = 200


@dataclass(frozen=True, slots=True)
class SpokenUtterance:
    """Words with their times, and the languages."""

    words: tuple[Word, ...]
    languages: tuple[str, str]

    @classmethod
    def of(cls, text: str, languages: tuple[str, str]) -> "SpokenUtterance":
        """Spread the words of `text` evenly."""
        words = tuple(
            Word(" " + word, index * WORD_MS, (index + 1) * WORD_MS, 0.9)
            for index, word in enumerate(text.split())
        )
        return cls(words, languages)

    @property
    def speech_ms(self) -> int:
        """Length of the speech."""
        return self.words[-1].end_ms

    @property
    def committed_s(self) -> float:
        """When the recogniser has committed the last word."""
        return (self.speech_ms + COMMIT_LAG_MS) / 1000


@dataclass(slots=True)
class Heard:
    """What a viewer got of one utterance."""

    text: str = ""
    commits: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    shown: list[Shown] = field(default_factory=list[Shown])
    doubts: int = 0
    untimed: list[str] = field(default_factory=list[str])
    """Committed in the step that is not over."""

    def timed(self, now_s: float) -> None:
        """Say when what was committed last was."""
        self.commits += [(now_s, text) for text in self.untimed]
        self.untimed.clear()


class TimedGenerator:
    """A model whose time is counted from tokens, or measured.

    Args:
        inner: the model.
        counted: by tokens.
    """

    def __init__(self, inner: TextGenerator, *, counted: bool) -> None:
        self._inner = inner
        self._counted = counted
        self._seen = ""
        self.busy = False
        self.generations = 0
        self.spent_s = 0.0

    @property
    def capabilities(self) -> GeneratorCapabilities:
        """Those of the model."""
        return self._inner.capabilities

    def generate(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AbstractAsyncContextManager[AsyncIterator[TextPiece]]:
        """Generate, and note what it took."""
        return self._generation(prompt, options)

    async def count_tokens(self, text: str) -> int:
        """As the model counts."""
        return await self._inner.count_tokens(text)

    async def close(self) -> None:
        """The model is closed by who opened it."""

    @asynccontextmanager
    async def _generation(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AsyncGenerator[AsyncIterator[TextPiece]]:
        self.generations += 1
        self.busy = True
        began = time.perf_counter()
        pieces: list[TextPiece] = []
        async with self._inner.generate(prompt, options) as stream:
            pieces += [piece async for piece in stream]
        if self._counted:
            text = "\n".join(message.content for message in prompt.messages)
            same = next(
                (
                    i
                    for i, pair in enumerate(zip(text, self._seen, strict=False))
                    if len({*pair}) > 1
                ),
                min(len(text), len(self._seen)),
            )
            self._seen = text
            new = await self._inner.count_tokens(text[same:])
            answer = await self._inner.count_tokens("".join(piece.text for piece in pieces))
            self.spent_s += new / PROMPT_TOKENS_A_S + answer / ANSWER_TOKENS_A_S
        else:
            self.spent_s += time.perf_counter() - began

        self.busy = False

        async def again() -> AsyncIterator[TextPiece]:
            for piece in pieces:
                yield piece

        yield again()


async def play(
    said: SpokenUtterance, generator: TimedGenerator, policy: TranslationPolicy
) -> Heard:
    """Say `said` to the product's stage; what comes while the model works waits for it."""
    log = EventLog("tenant", "session", clock=ManualClock(), sink=_keep)
    source, target = said.languages
    heard = Heard()
    await log.append(SessionStarted(AudioFormat(), source), SegmentOpened(1, 0, source))
    stage = TranslateStage(generator, target, policy=policy)
    running = asyncio.create_task(stage.run(log))
    watching = asyncio.create_task(_watch(log, heard))
    now_s = 0.0
    try:
        batch: list[Word] = []
        for index, word in enumerate(said.words, start=1):
            batch.append(word)
            at_s = (word.end_ms + COMMIT_LAG_MS) / 1000
            last = index == len(said.words)
            if not last and (len(batch) < STEP_WORDS or at_s < now_s):
                continue  # the model is at work still: these words come with the next
            spent_s = generator.spent_s
            await log.append(WordsCommitted(1, tuple(batch)))
            if last:
                await log.append(SegmentClosed(1, 0, said.speech_ms), RecognitionFinished())
            batch = []
            await _idle(generator)
            now_s = max(now_s, at_s) + generator.spent_s - spent_s
            heard.timed(now_s)
        await running
        await _idle(generator)
        heard.timed(now_s)
    finally:
        for task in (watching, running):
            task.cancel()
        await asyncio.gather(watching, running, return_exceptions=True)
    return heard


async def _idle(generator: TimedGenerator) -> None:
    """Wait until the stage has taken what there is and the model rests."""
    quiet = 0
    while quiet < _QUIET_ROUNDS:
        busy = generator.busy
        quiet = 0 if busy else quiet + 1
        await asyncio.sleep(0.005 if busy else 0)


async def _watch(log: EventLog, heard: Heard) -> None:
    async for record in log.follow():
        match record.event:
            case SegmentTranslated() as event:
                heard.text += event.text
                heard.shown.append(heard.text)
                heard.doubts += len(event.doubts)
                if event.text:
                    heard.untimed.append(event.text)
            case TranslationRevised(tail=tail):
                heard.shown.append(heard.text + tail)
            case _:
                pass


async def _keep(records: Sequence[Recorded]) -> None:
    del records
