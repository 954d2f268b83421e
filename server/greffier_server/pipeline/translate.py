"""The stage that translates each closed segment into one language."""

import asyncio
import logging
from collections import deque

from greffier.protocol import GlossaryTerm
from greffier_models.errors import EngineError, EngineTimeout
from greffier_models.protocols import TextGenerator
from greffier_models.types import GenerationOptions, Prompt
from greffier_server.core.events import (
    Event,
    RecognitionFinished,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    StageFailed,
    TranslationRevised,
    WordsCommitted,
)
from greffier_server.core.languages import canonical
from greffier_server.core.state import Segment, SessionState, apply
from greffier_server.core.translation import (
    CONTEXT_SEGMENTS,
    TranslationTask,
    better,
    clean,
    defect,
    mismatches,
    needs_translation,
    repair_prompt,
    token_limit,
    translation_prompt,
)
from greffier_server.pipeline.generation import RETRY_DELAYS_S, Sleep, complete
from greffier_server.pipeline.log import EventLog

__all__ = ["TranslateStage"]

_log = logging.getLogger(__name__)

_STAGE = "translate"

REPAIR_BACKLOG = 3
"""With more closed segments waiting, a doubtful translation is not tried a second time."""

TIMEOUTS_BEFORE_REST = 2
REST_S = 30.0
"""A model that let so many segments in a row time out is left alone so long: with one timeout a
segment, a session would end hours after its speech."""


class TranslateStage:
    """Translates segments one by one, in order, as they close.

    A segment already in the target language passes through as it is. A translation that lost or
    invented a number, a date, a negation, a unit or a call sign gets one more attempt; when that
    does not help, the better of both is kept and a ``translation_doubtful`` failure says so. Where
    no translation can be had, the segment is closed with an empty one and the reason is recorded.

    Args:
        generator: the language model, shared between sessions.
        language: target, a code of `greffier_server.core.languages`.
        glossary: terms of the session.
        sleep: waits between retries.
    """

    reads: frozenset[type[Event]] = frozenset(
        {SegmentOpened, WordsCommitted, SegmentClosed, RecognitionFinished}
    )
    writes: frozenset[type[Event]] = frozenset({SegmentTranslated, TranslationRevised, StageFailed})

    def __init__(
        self,
        generator: TextGenerator,
        language: str,
        *,
        glossary: tuple[GlossaryTerm, ...] = (),
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.name = f"translate-{language}"
        self._generator = generator
        self._language = canonical(language) or language
        self._glossary = glossary
        self._sleep = sleep
        self._engine = str(generator.capabilities.identity)
        self._context: dict[str, deque[tuple[str, str]]] = {}
        self._reported: set[StageFailed] = set()
        self._down = False
        self._timeouts = 0
        self._asked_again_at_s = 0.0

    async def run(self, log: EventLog) -> None:
        """Translate until recognition has finished and its last segment is done."""
        done = await self._history(log)
        state = SessionState()
        async for record in log.follow():
            event = record.event
            if isinstance(event, SegmentOpened | WordsCommitted):
                state = apply(state, event)
            elif isinstance(event, SegmentClosed):
                state = apply(state, event)
                segment = state.segments.get(event.segment)
                if segment is None:
                    continue
                if event.segment in done:
                    self._remember(segment, done.pop(event.segment))
                else:
                    await self._translate(log, segment)
                rest = {key: s for key, s in state.segments.items() if key != event.segment}
                state = SessionState(segments=rest)
            elif isinstance(event, RecognitionFinished):
                return

    async def _history(self, log: EventLog) -> dict[int, str]:
        """Return what an earlier run has translated, and note what it has reported."""
        done: dict[int, str] = {}
        async for record in log.past():
            event = record.event
            if isinstance(event, SegmentTranslated) and event.language == self._language:
                if event.closed:
                    done[event.segment] = event.text
            elif isinstance(event, StageFailed):
                self._reported.add(event)
        return done

    async def _translate(self, log: EventLog, segment: Segment) -> None:
        text = segment.text
        if not needs_translation(text, segment.language, self._language):
            await self._commit(log, segment, text, engine="")
            return
        if asyncio.get_running_loop().time() < self._asked_again_at_s:
            await self._commit(log, segment, "", engine=self._engine)
            return
        task = TranslationTask(
            text=text,
            source=canonical(segment.language) or segment.language,
            target=self._language,
            context=tuple(self._context.get(segment.language, ())),
            glossary=self._glossary,
        )
        try:
            answer, failure = await self._attempt(log, segment, task)
        except EngineError as error:
            self._down = error.retryable
            self._count_timeout(error)
            _log.warning("translation into %s failed: %s", self._language, error.code)
            await self._report(log, error)
            await self._commit(log, segment, "", engine=self._engine)
            return
        if failure is not None:
            await log.append(
                failure,
                audio_from_ms=segment.start_ms,
                audio_to_ms=segment.end_ms,
                engine=self._engine,
            )
        self._remember(segment, answer)
        await self._commit(log, segment, answer, engine=self._engine)

    async def _attempt(
        self, log: EventLog, segment: Segment, task: TranslationTask
    ) -> tuple[str, StageFailed | None]:
        answer = clean(await self._generate(log, segment, translation_prompt(task)))
        fault, found = defect(task, answer), mismatches(task, answer)
        if (fault or found) and self._backlog(log, segment.id) < REPAIR_BACKLOG:
            # What is no translation at all is a bad turn to build on: ask anew, without context.
            prompt = (
                translation_prompt(TranslationTask(task.text, task.source, task.target))
                if fault
                else repair_prompt(task, answer, found)
            )
            second = clean(await self._generate(log, segment, prompt))
            answer, fault, found = better(task, answer, second)
        if fault is not None:
            message = f"segment {segment.id}: no translation into {self._language} ({fault})"
            return "", StageFailed(_STAGE, "translation_rejected", message)
        if found:
            kinds = ", ".join(dict.fromkeys(mismatch.kind for mismatch in found))
            message = (
                f"segment {segment.id}: the translation into {self._language} may be wrong "
                f"({kinds})"
            )
            return answer, StageFailed(_STAGE, "translation_doubtful", message)
        return answer, None

    async def _generate(self, log: EventLog, segment: Segment, prompt: Prompt) -> str:
        """Run the model, showing its text as it grows."""
        shown = ""

        async def show(answer: str) -> None:
            nonlocal shown
            tail = clean(answer.rpartition(" ")[0])
            if tail and tail != shown:
                shown = tail
                revised = TranslationRevised(segment.id, self._language, tail)
                await log.append(
                    revised, audio_from_ms=segment.start_ms, audio_to_ms=segment.end_ms
                )

        options = GenerationOptions(
            max_tokens=token_limit(segment.text), stop=("\n",), priority=0, timeout_s=60.0
        )
        answer = await complete(
            self._generator,
            prompt,
            options,
            sleep=self._sleep,
            delays_s=() if self._down else RETRY_DELAYS_S,
            grown=show,
        )
        self._down = False
        self._timeouts = 0
        return answer

    def _count_timeout(self, error: EngineError) -> None:
        self._timeouts = self._timeouts + 1 if isinstance(error, EngineTimeout) else 0
        if self._timeouts >= TIMEOUTS_BEFORE_REST:
            self._asked_again_at_s = asyncio.get_running_loop().time() + REST_S

    async def _commit(self, log: EventLog, segment: Segment, text: str, *, engine: str) -> None:
        await log.append(
            SegmentTranslated(segment.id, self._language, text, closed=True),
            audio_from_ms=segment.start_ms,
            audio_to_ms=segment.end_ms,
            engine=engine,
        )

    async def _report(self, log: EventLog, error: EngineError) -> None:
        """Record an engine error, once a kind: a dead engine fails on every segment."""
        message = (
            f"translation into {self._language} is not possible at the moment; segments without "
            "one have an empty translation"
        )
        failure = StageFailed(_STAGE, error.code, message, error.retryable)
        if failure not in self._reported:
            self._reported.add(failure)
            await log.append(failure)

    def _remember(self, segment: Segment, translated: str) -> None:
        if not needs_translation(segment.text, segment.language, self._language) or not translated:
            return
        context = self._context.setdefault(segment.language, deque(maxlen=CONTEXT_SEGMENTS))
        context.append((segment.text, translated))

    @staticmethod
    def _backlog(log: EventLog, segment: int) -> int:
        """Closed segments behind this one, counted as far as it matters."""
        closed = 0
        for record in reversed(log.records):
            if isinstance(record.event, SegmentClosed):
                if record.event.segment == segment or closed == REPAIR_BACKLOG:
                    break
                closed += 1
        return closed
