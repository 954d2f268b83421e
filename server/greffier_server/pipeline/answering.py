"""Answers questions from what was said in one session, or in all sessions of a tenant."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from greffier.protocol import MinutesItem
from greffier_models.errors import EngineError, EngineTimeout, PromptTooLong
from greffier_models.protocols import TextGenerator
from greffier_models.types import GenerationOptions
from greffier_server.core.answers import (
    ANSWER_TOKENS,
    Answer,
    answer_prompt,
    answer_schema,
    checked,
    concluded,
    numbered,
    parse_answer,
)
from greffier_server.core.answers_sources import (
    Source,
    queries,
    question_language,
    question_words,
    rank,
    readable_in,
    unheard,
)
from greffier_server.core.corrections import shown
from greffier_server.core.minutes import main_language, spoken_segments
from greffier_server.core.search import Query
from greffier_server.core.second_reading import (
    CLAIMS_A_READING,
    read_answer,
    reading_prompt,
    reading_schema,
    reading_tokens,
    summary_claims,
)
from greffier_server.core.state import Segment
from greffier_server.errors import ServerError, SessionNotFound
from greffier_server.pipeline.generation import Sleep, complete
from greffier_server.pipeline.shelf import Shelf
from greffier_server.storage.search import Scope, SqlSearch

__all__ = ["AnswerUnreadable", "Answering", "LanguageModelOff", "OneAtATime", "QuestionRunning"]

PATIENCE_S = 150.0
"""For a whole answer; a client waits a little longer."""

_PRIORITY = 2
"""As final minutes: captions' translations and rolling notes go first."""
_RETRIES_S = (0.5,)
_SESSIONS = 4
"""Sessions read for one question."""
_HITS = 60


class LanguageModelOff(ServerError):
    """This server runs no language model."""

    code = "language_model_off"
    status = 501


class AnswerUnreadable(ServerError):
    """The language model gave something else than an answer."""

    code = "answer_unreadable"
    status = 502
    retryable = True


class QuestionRunning(ServerError):
    """Another request of this tenant is at the model."""

    code = "question_running"
    status = 429
    retryable = True


class OneAtATime:
    """Lets each tenant have one piece of work at the language model, besides its sessions."""

    def __init__(self) -> None:
        self._busy: set[str] = set()

    @asynccontextmanager
    async def place(self, tenant: str) -> AsyncGenerator[None]:
        """Hold the tenant's place.

        Raises:
            QuestionRunning: it is taken.
        """
        if tenant in self._busy:
            raise QuestionRunning("wait for the answer to your organisation's last question")
        self._busy.add(tenant)
        try:
            yield
        finally:
            self._busy.discard(tenant)


class Answering:
    """Puts questions to the model, and lets stand what the record bears out.

    Args:
        generator: the language model, shared with sessions; None = there is none.
        shelf: sessions as they stand.
        search: where words were said.
        places: who asks now.
        sleep: waits between retries.
        patience_s: for one answer.
    """

    def __init__(
        self,
        generator: TextGenerator | None,
        shelf: Shelf,
        search: SqlSearch,
        *,
        places: OneAtATime,
        sleep: Sleep = asyncio.sleep,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._generator = generator
        self._shelf = shelf
        self._search = search
        self._places = places
        self._sleep = sleep
        self._patience_s = patience_s

    async def ask(
        self, tenant: str, question: str, *, session: str | None = None, language: str | None = None
    ) -> Answer:
        """Answer `question` from a session, or from all.

        Args:
            tenant: whose sessions.
            question: in any language; French and English are understood best.
            session: None = look in all of them.
            language: of the answer; that of the question, else of the speech, when absent.

        Raises:
            LanguageModelOff, QuestionRunning, SessionNotFound, StorageFailed.
            AnswerUnreadable: the model answers with junk.
            EngineError: it does not answer, or not in time.
        """
        generator = self._generator
        if generator is None:
            raise LanguageModelOff("this server runs no language model; see [llm] in its settings")
        async with self._places.place(tenant):
            try:
                async with asyncio.timeout(self._patience_s):
                    return await self._answer(generator, tenant, question, session, language)
            except TimeoutError:
                raise EngineTimeout("the language model took too long; ask again later") from None

    async def _answer(
        self,
        generator: TextGenerator,
        tenant: str,
        question: str,
        session: str | None,
        language: str | None,
    ) -> Answer:
        asked_in = question_language(question, "")
        stems = question_words(question, asked_in)
        ids: Sequence[str] = [session] if session is not None else ()
        if session is None:
            ids = await self._holding(tenant, queries(question, asked_in))
        sessions: dict[str, tuple[str, Sequence[Segment]]] = {}
        spoken = ""
        for each in ids:
            try:
                found = await self._shelf.state(tenant, each)
            except SessionNotFound:
                if session is not None:
                    raise
                continue  # deleted since it was found
            state = await asyncio.to_thread(shown, found.state)
            sessions[each] = (found.row.title, spoken_segments(state))
            spoken = spoken or main_language(state)
        asked_in = question_language(question, language or spoken or "en")
        sources = await asyncio.to_thread(rank, stems, sessions)
        # Without a translation that was checked there is nothing to hold an answer against.
        target = next(
            (
                code
                for code in (language, asked_in)
                if code and any(readable_in(source.segment, code) for source in sources)
            ),
            spoken or asked_in,
        )
        if not sources or unheard(question, asked_in, sources):
            return Answer(target, unheard=unheard(question, asked_in, sources))
        sources, items = await self._ask_model(generator, question, sources, target)
        kept = await asyncio.to_thread(checked, items, numbered(sources), target)
        readings = await self._readings(generator, kept, sources, target)
        return await asyncio.to_thread(
            concluded, question, asked_in, kept, sources, readings, target
        )

    async def _holding(self, tenant: str, sought: Sequence[tuple[Query, Query]]) -> Sequence[str]:
        """Return the sessions that say most of `sought`: each word weighs as it is rare."""
        scores: dict[str, float] = {}
        for forms in sought:
            holding: set[str] = set()
            for query in forms:
                hits = await self._search.find(tenant, query, Scope(limit=_HITS))
                holding |= {hit.row.session for hit in hits}
            for each in holding:
                scores[each] = scores.get(each, 0.0) + 1 / len(holding)
        return sorted(scores, key=lambda each: (-scores[each], each))[:_SESSIONS]

    async def _ask_model(
        self, generator: TextGenerator, question: str, sources: Sequence[Source], language: str
    ) -> tuple[list[Source], list[MinutesItem]]:
        """Return the sources that fit into the model's context, and its answer."""
        shown_now = list(sources)
        while True:
            segments = numbered(shown_now)
            options = GenerationOptions(
                max_tokens=ANSWER_TOKENS,
                schema=answer_schema(segments),
                priority=_PRIORITY,
                timeout_s=self._patience_s,
            )
            prompt = answer_prompt(question, segments, language)
            try:
                answer = await complete(
                    generator, prompt, options, sleep=self._sleep, delays_s=_RETRIES_S
                )
            except PromptTooLong:
                if len(shown_now) == 1:
                    raise
                stems = question_words(question, language)
                shown_now = _fewer(shown_now, stems)
                continue
            items = parse_answer(answer)
            if items is None:
                raise AnswerUnreadable("the language model gave no answer that can be read")
            return shown_now, items

    async def _readings(
        self,
        generator: TextGenerator,
        items: Sequence[MinutesItem],
        sources: Sequence[Source],
        language: str,
    ) -> dict[MinutesItem, bool]:
        """Have what is no quotation read a second time; what fails leaves sentences marked."""
        claims = summary_claims(items, numbered(sources), language)[:CLAIMS_A_READING]
        if not claims:
            return {}
        options = GenerationOptions(
            max_tokens=reading_tokens(claims),
            schema=reading_schema(claims),
            priority=_PRIORITY,
            timeout_s=self._patience_s,
        )
        prompt = reading_prompt(claims, language)
        try:
            answer = await complete(
                generator, prompt, options, sleep=self._sleep, delays_s=_RETRIES_S
            )
        except EngineError:
            return {}
        return read_answer(answer, claims)


def _fewer(sources: list[Source], stems: frozenset[str]) -> list[Source]:
    """Return the better half of `sources`, in their order."""
    by_words = sorted(
        range(len(sources)),
        key=lambda at: -sum(stem[:4] in sources[at].segment.text.casefold() for stem in stems),
    )
    return [sources[at] for at in sorted(by_words[: len(sources) // 2])]
