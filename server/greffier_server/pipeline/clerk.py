"""Asks the language model what minutes need, and keeps of its answers what holds."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from greffier.protocol import Chapter, MinutesItem
from greffier_models.errors import EngineError
from greffier_models.protocols import TextGenerator
from greffier_models.types import GenerationOptions, Prompt
from greffier_server.core.minutes import (
    SUMMARY_ITEMS,
    SUMMARY_TOKENS,
    Summary,
    check_summary,
    summary_items,
    summary_prompt,
    summary_schema,
)
from greffier_server.core.note_checks import Notes, complete_notes
from greffier_server.core.second_reading import (
    CLAIMS_A_READING,
    Claim,
    after_reading,
    after_summary_reading,
    claims_of,
    read_answer,
    reading_prompt,
    reading_schema,
    reading_tokens,
    summary_claims,
)
from greffier_server.core.state import Segment, SessionState
from greffier_server.pipeline.generation import RETRY_DELAYS_S, Sleep, complete

__all__ = ["Clerk"]

_FALLBACK_SENTENCES = 3

Report = Callable[[EngineError], Awaitable[None]]
"""Records that a piece of work failed."""


class Clerk:
    """The model as minutes use it; what it cannot do is reported and left out.

    Args:
        generator: the language model, shared between sessions.
        sleep: waits between retries.
    """

    def __init__(self, generator: TextGenerator, sleep: Sleep) -> None:
        self._generator = generator
        self._sleep = sleep

    async def ask(self, prompt: Prompt, options: GenerationOptions) -> str:
        """Return the answer to `prompt`.

        Raises:
            EngineError: there is none, after some patience.
        """
        return await complete(
            self._generator, prompt, options, sleep=self._sleep, delays_s=RETRY_DELAYS_S
        )

    async def proofread(self, notes: Notes, segments: Sequence[Segment], report: Report) -> Notes:
        """Have notes over `segments` read a second time; return what of them stands."""
        by_id = {segment.id: segment for segment in segments}
        readings = await self._readings(claims_of(notes, by_id), notes.language, report)
        read = after_reading(notes, by_id, readings)
        return await asyncio.to_thread(complete_notes, read, segments)

    async def summary(
        self, notes: Notes, state: SessionState, language: str, report: Report
    ) -> Summary:
        """Have title and summary of `notes` written and read a second time; empty if it cannot."""
        if not summary_items(notes):
            return Summary()
        options = GenerationOptions(
            max_tokens=SUMMARY_TOKENS, schema=summary_schema(notes), priority=2, timeout_s=120.0
        )
        try:
            answer = await self.ask(summary_prompt(notes, language), options)
        except EngineError as error:
            await report(error)
            return Summary()
        written = check_summary(answer, notes, state, language)
        claims = summary_claims(written.sentences, state.segments, language)
        readings = await self._readings(claims, language, report)
        stands = after_summary_reading(written.sentences, state.segments, readings, language)
        return Summary(written.title, stands)

    async def chapter(
        self, notes: Notes, segments: Sequence[Segment], language: str, report: Report
    ) -> Chapter:
        """Have a stretch of a long session summed up; in the notes' own words if it cannot be."""
        state = SessionState(segments={segment.id: segment for segment in segments})
        written = await self.summary(notes, state, language, report)
        plain = (*notes.decisions, *notes.topics, *notes.actions)[:_FALLBACK_SENTENCES]
        return Chapter(
            written.title,
            from_ms=min((segment.start_ms for segment in segments), default=0),
            to_ms=max((segment.end_ms for segment in segments), default=0),
            summary=written.sentences or plain,
        )

    async def summary_of_chapters(
        self, chapters: Sequence[Chapter], state: SessionState, language: str, report: Report
    ) -> Summary:
        """Have a long session summed up from its chapters, in as many steps as it needs."""
        sentences = [sentence for chapter in chapters for sentence in chapter.summary]
        while len(sentences) > SUMMARY_ITEMS:
            shorter: list[MinutesItem] = []
            for part in _parts(sentences):
                notes = Notes(language, topics=tuple(part))
                written = await self.summary(notes, state, language, report)
                shorter += written.sentences or part[:_FALLBACK_SENTENCES]
            if len(shorter) >= len(sentences):
                break
            sentences = shorter
        notes = Notes(language, topics=tuple(sentences))
        return await self.summary(notes, state, language, report)

    async def _readings(
        self, claims: Sequence[Claim], language: str, report: Report
    ) -> dict[MinutesItem, bool]:
        readings: dict[MinutesItem, bool] = {}
        for first in range(0, len(claims), CLAIMS_A_READING):
            part = claims[first : first + CLAIMS_A_READING]
            options = GenerationOptions(
                max_tokens=reading_tokens(part),
                schema=reading_schema(part),
                priority=1,
                timeout_s=60.0,
            )
            try:
                answer = await self.ask(reading_prompt(part, language), options)
            except EngineError as error:
                await report(error)
                break  # the sentences not read are marked: more of them only add to the wait
            readings |= read_answer(answer, part)
        return readings


def _parts(sentences: Sequence[MinutesItem]) -> list[Sequence[MinutesItem]]:
    count = -(-len(sentences) // SUMMARY_ITEMS)
    size = -(-len(sentences) // count)
    return [sentences[start : start + size] for start in range(0, len(sentences), size)]
