"""Documents summed up, with citations to their paragraphs, or translated, each by itself."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from greffier.protocol import Doubt, GlossaryTerm, MinutesItem
from greffier_models.errors import EngineError, EngineTimeout
from greffier_models.protocols import TextGenerator
from greffier_models.types import GenerationOptions
from greffier_server.core.answers import checked, parse_answer
from greffier_server.core.attached import (
    STRETCH_TOKENS,
    kept_sentences,
    stretches,
    summary_prompt,
    summary_schema,
)
from greffier_server.core.document_events import Paragraph
from greffier_server.core.second_reading import (
    CLAIMS_A_READING,
    read_answer,
    reading_prompt,
    reading_schema,
    reading_tokens,
    summary_claims,
)
from greffier_server.core.state import Segment
from greffier_server.core.translation import TranslationTask, needs_translation
from greffier_server.pipeline.answering import LanguageModelOff
from greffier_server.pipeline.background import InBackground
from greffier_server.pipeline.generation import Sleep, complete
from greffier_server.pipeline.translator import Outcome, Translator

__all__ = ["DocumentReader", "DocumentSummary", "TranslatedParagraph"]

PATIENCE_S = 900.0
_PRIORITY = 2
_TIMEOUT_S = 180.0
_RETRIES_S = (0.5,)


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    """Sentences that cite paragraphs."""

    sentences: tuple[MinutesItem, ...]
    failed: tuple[int, ...] = ()
    """Paragraphs that the model could not sum up."""


@dataclass(frozen=True, slots=True)
class TranslatedParagraph:
    """A paragraph in another language."""

    paragraph: Paragraph
    text: str
    """Empty where there is no translation that can be shown."""
    doubts: tuple[Doubt, ...] = ()
    """What of it does not agree with the source."""


class DocumentReader:
    """Puts documents to the model, behind whatever live sessions ask of it.

    Args:
        generator: the language model, shared with sessions; None = there is none.
        sleep: waits between retries.
        patience_s: for one document.
    """

    def __init__(
        self,
        generator: TextGenerator | None,
        *,
        sleep: Sleep = asyncio.sleep,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._generator = generator
        self._sleep = sleep
        self._patience_s = patience_s

    async def summarise(
        self, paragraphs: Sequence[Paragraph], *, source: str, language: str
    ) -> DocumentSummary:
        """Return up to four sentences for each three thousand characters or so.

        Args:
            paragraphs: of the document.
            source: its language.
            language: of the summary; sentences can be verified where it is that of the document.

        Raises:
            LanguageModelOff.
            EngineError: the model does not answer, or not in time; what fails once there is
                something to show costs the rest only.
        """
        generator = self._there()
        sentences: list[MinutesItem] = []
        failed: list[int] = []
        async with _patience(self._patience_s):
            down = False
            for stretch in stretches(paragraphs, source):
                found = None
                try:
                    if not down:  # it was tried with patience: more would only add to the wait
                        found = await self._stretch(generator, stretch, language)
                except EngineError:
                    if not sentences:
                        raise
                    down = True
                if found is None:
                    failed += stretch
                else:
                    sentences += found
        return DocumentSummary(tuple(sentences), tuple(failed))

    async def translate(
        self,
        paragraphs: Sequence[Paragraph],
        *,
        source: str,
        language: str,
        glossary: Sequence[GlossaryTerm] = (),
    ) -> list[TranslatedParagraph]:
        """Return every paragraph in `language`, checked as live translations are.

        Raises:
            As `summarise`.
        """
        generator = InBackground(self._there())
        translator = Translator(generator, sleep=self._sleep)
        done: list[TranslatedParagraph] = []
        down = False
        async with _patience(self._patience_s):
            for one in paragraphs:
                if not needs_translation(one.text, source, language):
                    done.append(TranslatedParagraph(one, one.text))
                    continue
                task = TranslationTask(one.text, source, language, glossary=tuple(glossary))
                outcome = Outcome("")
                try:
                    if not down:
                        outcome = await translator.translate(task, repair=lambda: True)
                except EngineError:
                    if not any(each.text for each in done):
                        raise
                    down = True
                done.append(TranslatedParagraph(one, outcome.text, outcome.doubts))
        return done

    def _there(self) -> TextGenerator:
        if self._generator is None:
            raise LanguageModelOff("this server runs no language model; see [llm] in its settings")
        return self._generator

    async def _stretch(
        self, generator: TextGenerator, segments: dict[int, Segment], language: str
    ) -> tuple[MinutesItem, ...] | None:
        options = GenerationOptions(
            max_tokens=STRETCH_TOKENS,
            schema=summary_schema(segments),
            priority=_PRIORITY,
            timeout_s=_TIMEOUT_S,
        )
        prompt = summary_prompt(segments, language)
        answer = await complete(generator, prompt, options, sleep=self._sleep, delays_s=_RETRIES_S)
        items = parse_answer(answer)
        if items is None:
            return None
        kept = await asyncio.to_thread(checked, items, segments, language)
        readings = await self._readings(generator, kept, segments, language)
        return kept_sentences(kept, segments, readings, language)

    async def _readings(
        self,
        generator: TextGenerator,
        items: Sequence[MinutesItem],
        segments: dict[int, Segment],
        language: str,
    ) -> dict[MinutesItem, bool]:
        claims = summary_claims(items, segments, language)[:CLAIMS_A_READING]
        if not claims:
            return {}
        options = GenerationOptions(
            max_tokens=reading_tokens(claims),
            schema=reading_schema(claims),
            priority=_PRIORITY,
            timeout_s=_TIMEOUT_S,
        )
        prompt = reading_prompt(claims, language)
        try:
            answer = await complete(
                generator, prompt, options, sleep=self._sleep, delays_s=_RETRIES_S
            )
        except EngineError:
            return {}
        return read_answer(answer, claims)


@asynccontextmanager
async def _patience(seconds: float) -> AsyncGenerator[None]:
    """Limit the time; the end of it is an error of the engine."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise EngineTimeout("the language model took too long; send less at once") from None
