"""Makes one report of several sessions: their minutes, in one language, and a summary of all."""

import asyncio
from collections.abc import Sequence

from greffier_models.errors import EngineError, EngineTimeout
from greffier_models.protocols import TextGenerator
from greffier_server.core.corrections import shown
from greffier_server.core.minutes import Summary
from greffier_server.core.minutes_translation import minutes_texts
from greffier_server.core.state import SessionState
from greffier_server.core.synthesis import (
    Part,
    Synthesis,
    chapters_of,
    joined,
    own_minutes,
    synthesised,
)
from greffier_server.pipeline.answering import OneAtATime
from greffier_server.pipeline.background import InBackground
from greffier_server.pipeline.clerk import Clerk
from greffier_server.pipeline.generation import Sleep
from greffier_server.pipeline.minutes_translating import MinutesTranslating
from greffier_server.pipeline.shelf import Shelf, Shelved

__all__ = ["Synthesising"]

PATIENCE_S = 600.0


class Synthesising:
    """Reads sessions and has them summed up together.

    Args:
        generator: the language model, shared with sessions; None = there is none, and no summary
            but the decisions themselves.
        shelf: sessions as they stand.
        translating: puts minutes of other languages into that of the report.
        places: who is at the model now.
        sleep: waits between retries.
        patience_s: for the summary.
    """

    def __init__(
        self,
        generator: TextGenerator | None,
        shelf: Shelf,
        translating: MinutesTranslating,
        *,
        places: OneAtATime,
        sleep: Sleep = asyncio.sleep,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._generator = generator
        self._shelf = shelf
        self._translating = translating
        self._places = places
        self._sleep = sleep
        self._patience_s = patience_s

    async def make(
        self, tenant: str, sessions: Sequence[str], *, language: str | None = None, title: str = ""
    ) -> Synthesis:
        """Return the report of `sessions`, whatever their order, by when they began.

        Args:
            tenant: whose sessions.
            sessions: ids, each once.
            language: of the report; that of the first session's minutes when absent.
            title: of the report; those of the sessions when empty.

        Raises:
            SessionNotFound: one of them is not there, or not this tenant's.
            LanguageModelOff, QuestionRunning: minutes must be translated, and cannot be now.
            EngineError: minutes must be translated, and the model does not answer.
        """
        rows: list[Shelved] = [await self._shelf.state(tenant, each) for each in sessions]
        rows.sort(key=lambda now: (now.row.created_at_ms, now.row.session))
        parts: list[Part] = []
        for now in rows:
            part = await self._part(tenant, now, language)
            language = language or part.minutes.language
            parts.append(part)
        target = language or "en"
        state = await asyncio.to_thread(joined, parts)
        summary, failures = await self._summary(tenant, parts, state, target)
        return await asyncio.to_thread(
            synthesised,
            parts,
            state,
            language=target,
            title=title or _title(parts),
            summary=summary.sentences,
            failures=failures,
        )

    async def _part(self, tenant: str, now: Shelved, language: str | None) -> Part:
        state = await asyncio.to_thread(shown, now.state)
        minutes = await asyncio.to_thread(own_minutes, state)
        if language is not None and minutes.language != language:
            translation = await self._translating.complete(
                tenant,
                now.row.session,
                state,
                minutes_texts(minutes),
                source=minutes.language,
                target=language,
            )
            minutes = translation.minutes(minutes)
        title = minutes.title or now.row.title or now.row.session
        return Part(now.row.session, title, now.row.created_at_ms, state, minutes)

    async def _summary(
        self, tenant: str, parts: Sequence[Part], state: SessionState, language: str
    ) -> tuple[Summary, list[str]]:
        """Have all summed up, in as many steps as it needs; what fails leaves the rest."""
        failures: list[str] = []
        if self._generator is None:
            return Summary(), ["language_model_off"]

        async def report(error: EngineError) -> None:
            failures.append(error.code)

        clerk = Clerk(InBackground(self._generator), self._sleep)
        async with self._places.place(tenant):
            try:
                async with asyncio.timeout(self._patience_s):
                    written = await clerk.summary_of_chapters(
                        chapters_of(parts), state, language, report
                    )
            except TimeoutError:
                return Summary(), [*failures, EngineTimeout.code]
        return written, failures


def _title(parts: Sequence[Part]) -> str:
    return " – ".join(dict.fromkeys(part.title for part in parts))[:200]
