"""The stage that translates what is said into one language, as it is said."""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field

from greffier.protocol import Doubt, GlossaryTerm
from greffier_models.errors import EngineError
from greffier_models.protocols import TextGenerator
from greffier_models.types import Word
from greffier_server.core.document_terms import session_glossary
from greffier_server.core.events import (
    DocumentAttached,
    DocumentDetached,
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
from greffier_server.core.translation import (
    CONTEXT_SEGMENTS,
    TranslationTask,
    needs_translation,
)
from greffier_server.core.translation_policies import (
    Progress,
    SentenceCommit,
    Step,
    TranslationPolicy,
    continuation,
)
from greffier_server.pipeline.generation import Sleep
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.translator import Resting, Translator

__all__ = ["TranslateStage"]

_log = logging.getLogger(__name__)

_STAGE = "translate"
_UNSUPPORTED = "translation_unsupported"
_REJECTED = "translation_rejected"

REPAIR_BACKLOG = 3
"""With more closed segments waiting, a doubtful translation is not tried a second time."""


@dataclass(slots=True)
class _Growing:
    """A segment that is not yet translated to its end."""

    segment: int
    language: str
    start_ms: int
    end_ms: int = 0
    words: list[Word] = field(default_factory=list[Word])
    closed: bool = False
    covered: int = 0
    tried: int = 0
    said: str = ""
    """All that is committed of its translation."""
    drafted: str = ""
    """What of it was committed from drafts of the words that are not covered."""
    drafts: list[str] = field(default_factory=list[str])
    doubts: dict[Doubt, None] = field(default_factory=dict[Doubt, None])
    clauses: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    failure: str = ""

    @property
    def text(self) -> str:
        return _text(self.words)

    @property
    def progress(self) -> Progress:
        return Progress(self.words, self.language, self.covered, self.tried, closed=self.closed)


class TranslateStage:
    """Translates segments in order, as its policy says: whole ones, or parts while they grow.

    A segment already in the target language passes through as it is. A translation that lost or
    invented a number, a date, a name, a negation, a unit or a code, or that lacks a term of the
    glossary, gets one more attempt; when that does not help, the better of both is kept with its
    doubts, and a ``translation_doubtful`` failure says so. Where no translation can be had, the
    segment is closed with an empty one and the reason.

    Args:
        generator: the language model, shared between sessions.
        language: target, a code of `greffier_server.core.languages`.
        glossary: terms of the session; those of documents that are attached to it come behind.
        policy: when to translate, and what to commit.
        languages: that the model knows; empty = not known, and every one is tried.
        sleep: waits between retries.
    """

    reads: frozenset[type[Event]] = frozenset(
        {
            SegmentOpened,
            WordsCommitted,
            SegmentClosed,
            RecognitionFinished,
            DocumentAttached,
            DocumentDetached,
        }
    )
    writes: frozenset[type[Event]] = frozenset({SegmentTranslated, TranslationRevised, StageFailed})

    def __init__(
        self,
        generator: TextGenerator,
        language: str,
        *,
        glossary: tuple[GlossaryTerm, ...] = (),
        policy: TranslationPolicy | None = None,
        languages: frozenset[str] = frozenset(),
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.name = f"translate-{language}"
        self._language = canonical(language) or language
        self._own_terms = glossary
        self._glossary = glossary
        self._documents: dict[int, DocumentAttached] = {}
        self._policy = policy or SentenceCommit()
        self._known = languages
        self._translator = Translator(generator, sleep=sleep)
        self._engine = str(generator.capabilities.identity)
        self._context: dict[str, deque[tuple[str, str]]] = {}
        self._reported: set[StageFailed] = set()

    async def run(self, log: EventLog) -> None:
        """Translate until recognition has finished and its last segment is done."""
        done = await self._history(log)
        growing: dict[int, _Growing] = {}
        async for record in log.follow():
            event = record.event
            match event:
                case SegmentOpened():
                    language = canonical(event.language) or event.language
                    growing[event.segment] = _Growing(event.segment, language, event.start_ms)
                case WordsCommitted() if event.segment in growing:
                    segment = growing[event.segment]
                    segment.words += event.words
                    segment.end_ms = event.words[-1].end_ms if event.words else segment.end_ms
                    if event.segment not in done and record.seq == log.seq:  # not when behind
                        await self._go_on(log, segment)
                case SegmentClosed() if event.segment in growing:
                    segment = growing.pop(event.segment)
                    segment.closed, segment.end_ms = True, event.end_ms
                    earlier = done.pop(event.segment, [])
                    _resume(segment, earlier)
                    if earlier and earlier[-1].closed:
                        self._remember(segment)
                    else:
                        await self._go_on(log, segment)
                case RecognitionFinished():
                    return
                case DocumentAttached() | DocumentDetached():
                    self._learn(event)
                case _:
                    pass

    def _learn(self, event: DocumentAttached | DocumentDetached) -> None:
        if isinstance(event, DocumentAttached):
            self._documents[event.number] = event
        else:
            self._documents.pop(event.number, None)
        self._glossary = session_glossary(self._own_terms, [*self._documents.values()])

    async def _history(self, log: EventLog) -> dict[int, list[SegmentTranslated]]:
        """Return what an earlier run has translated, and note what it has reported."""
        done: dict[int, list[SegmentTranslated]] = {}
        async for record in log.past():
            event = record.event
            if isinstance(event, SegmentTranslated) and event.language == self._language:
                done.setdefault(event.segment, []).append(event)
            elif isinstance(event, StageFailed):
                self._reported.add(event)
        return done

    async def _go_on(self, log: EventLog, segment: _Growing) -> None:
        """Do what the policy wants now."""
        if not needs_translation(segment.text, segment.language, self._language):
            if segment.closed:
                segment.said = segment.text
                await self._commit(log, segment, segment.text, engine="")
            return
        if self._known and not {segment.language, self._language} <= self._known:
            if segment.closed:
                await self._give_up(log, segment, _UNSUPPORTED)
            return
        step = self._policy.step(segment.progress)
        if step is None:
            return
        try:
            if step.whole:
                await self._translate(log, segment, step)
            else:
                await self._draft(log, segment, step)
        except (EngineError, Resting) as error:
            segment.tried = step.upto
            if isinstance(error, EngineError):
                _log.warning("translation into %s failed: %s", self._language, error.code)
                await self._report(log, error)
            if segment.closed:
                await self._give_up(log, segment, error.code)

    async def _translate(self, log: EventLog, segment: _Growing, step: Step) -> None:
        """Translate a clause, or all that is left, and commit it."""
        words = segment.words[segment.covered : step.upto]
        task = self._task(segment, words)
        if not any(char.isalnum() for char in task.text):  # marks alone
            await self._commit(log, segment, "", engine=self._engine)
            return

        async def show(tail: str) -> None:
            await self._show(log, segment, tail)

        outcome = await self._translator.translate(
            task, repair=lambda: self._backlog(log, segment.segment) < REPAIR_BACKLOG, grown=show
        )
        segment.doubts |= dict.fromkeys(outcome.doubts)
        if outcome.defect is not None:
            if not segment.closed:
                segment.tried = step.upto  # the end of the segment will try again
                return
            message = (
                f"segment {segment.segment}: no translation into {self._language} "
                f"({outcome.defect})"
            )
            await self._append(log, segment, StageFailed(_STAGE, _REJECTED, message))
            await self._give_up(log, segment, _REJECTED)
            return
        added = continuation(segment.drafted, outcome.text)
        if segment.said and added and not added.startswith(" "):
            added = " " + added
        segment.clauses.append((task.text, outcome.text))
        segment.covered = segment.tried = step.upto
        segment.said += added
        segment.drafted, segment.drafts = "", []
        await self._commit(log, segment, added, engine=self._engine)

    async def _draft(self, log: EventLog, segment: _Growing, step: Step) -> None:
        """Translate the beginning once more, and commit what the policy holds to be settled."""
        segment.tried = step.upto
        draft = await self._translator.draft(
            self._task(segment, segment.words[segment.covered : step.upto])
        )
        if not draft:
            return
        segment.drafts = [*segment.drafts[-1:], draft]
        settled = self._policy.settled(segment.drafts)
        if len(settled) > len(segment.drafted) and settled.startswith(segment.drafted):
            added = settled[len(segment.drafted) :]
            if segment.said and not segment.drafted:
                added = " " + added
            segment.drafted = settled
            segment.said += added
            await self._commit(log, segment, added, engine=self._engine)
        shown = self._policy.shown(draft)
        await self._show(log, segment, continuation(segment.drafted, shown).strip())

    def _task(self, segment: _Growing, words: list[Word]) -> TranslationTask:
        context = [*self._context.get(segment.language, ()), *segment.clauses]
        return TranslationTask(
            text=_text(words),
            source=segment.language,
            target=self._language,
            context=tuple(context[-CONTEXT_SEGMENTS:]),
            glossary=self._glossary,
        )

    async def _show(self, log: EventLog, segment: _Growing, tail: str) -> None:
        if segment.said and tail:
            tail = " " + tail
        revised = TranslationRevised(segment.segment, self._language, tail)
        await log.append(revised, audio_from_ms=segment.start_ms, audio_to_ms=segment.end_ms)

    async def _give_up(self, log: EventLog, segment: _Growing, code: str) -> None:
        segment.failure = code
        await self._commit(log, segment, "", engine=self._engine)

    async def _commit(self, log: EventLog, segment: _Growing, text: str, *, engine: str) -> None:
        closed = segment.closed
        doubts = tuple(segment.doubts) if closed else ()
        if doubts:
            kinds = ", ".join(dict.fromkeys(doubt.kind for doubt in doubts))
            message = (
                f"segment {segment.segment}: the translation into {self._language} may be wrong "
                f"({kinds})"
            )
            await self._append(log, segment, StageFailed(_STAGE, "translation_doubtful", message))
        if closed and segment.said and not segment.failure:
            self._remember(segment)
        translated = SegmentTranslated(
            segment.segment,
            self._language,
            text,
            closed=closed,
            doubts=doubts,
            failure=segment.failure,
            words=0 if closed else segment.covered,
        )
        await self._append(log, segment, translated, engine=engine)

    async def _append(
        self, log: EventLog, segment: _Growing, event: Event, *, engine: str | None = None
    ) -> None:
        await log.append(
            event,
            audio_from_ms=segment.start_ms,
            audio_to_ms=segment.end_ms,
            engine=self._engine if engine is None else engine,
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

    def _remember(self, segment: _Growing) -> None:
        if not segment.said or not needs_translation(
            segment.text, segment.language, self._language
        ):
            return
        context = self._context.setdefault(segment.language, deque(maxlen=CONTEXT_SEGMENTS))
        context.append((segment.text, segment.said.strip()))

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


def _resume(segment: _Growing, earlier: list[SegmentTranslated]) -> None:
    """Go on behind what an earlier run has committed of a segment."""
    for event in earlier:
        segment.said += event.text
        if event.words > segment.covered:
            segment.covered, segment.drafted = event.words, ""
        elif not event.closed:
            segment.drafted += event.text


def _text(words: list[Word]) -> str:
    return "".join(word.text for word in words).strip()
