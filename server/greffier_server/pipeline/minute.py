"""The stage that takes notes while a session runs and writes its minutes at the end."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from greffier.plain import PlainError, from_plain, to_plain
from greffier.protocol import Chapter
from greffier_models.errors import EngineError, PromptTooLong
from greffier_models.protocols import TextGenerator
from greffier_models.types import GenerationOptions
from greffier_server.core.corrections import shown
from greffier_server.core.events import (
    ChapterSummarised,
    Corrected,
    DocumentAttached,
    DocumentDetached,
    Event,
    GapFound,
    InputEnded,
    LanguageDetected,
    MinutesWritten,
    NotesTaken,
    RecognitionFinished,
    Recorded,
    SecondPassFinished,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    SessionStarted,
    SpeakerRevised,
    SpeakersSettled,
    StageFailed,
    TailRevised,
    TextWithheld,
    TranslationRevised,
    WordsCommitted,
)
from greffier_server.core.languages import canonical
from greffier_server.core.minutes import main_language, spoken_segments, write_minutes
from greffier_server.core.note_checks import Notes, check_notes, merge_notes
from greffier_server.core.note_corrections import Changes, renamed
from greffier_server.core.notes import (
    NOTES_TOKENS,
    notes_prompt,
    notes_schema,
    parse_notes,
    says_something,
)
from greffier_server.core.state import Segment, SessionState, fold
from greffier_server.pipeline.clerk import Clerk
from greffier_server.pipeline.generation import Sleep
from greffier_server.pipeline.log import EventLog

__all__ = ["MinuteStage", "as_shown"]

_log = logging.getLogger(__name__)

STRETCH_SEGMENTS = 12
STRETCH_MS = 90_000
"""Notes are taken when this many segments, or this much speech, have closed since the last ones.

Segments of a word or two come on top: counted, they would halve the stretches of a conversation,
and double what its minutes cost.
"""

MOST_SEGMENTS = 3 * STRETCH_SEGMENTS
"""Of a stretch, those of a word or two included."""

LOOK_AHEAD = 2
"""Further segments that must have closed by then, so that translations have caught up."""

CHAPTER_STRETCHES = 6
"""Where there are more, so many of them are summed up into a chapter: about ten minutes."""

_RECORDS_AHEAD = 128
"""Of what comes after a stretch: the translations, and speakers told apart later."""

_STAGE = "minutes"


def as_shown(records: Sequence[Recorded]) -> SessionState:
    """Return a session as readers see it: the best reading, with what people have set right."""
    return shown(fold(records))


class MinuteStage:
    """Takes notes over every stretch of speech, and writes the minutes when recognition is over.

    Does nothing in a session that asked for no minutes. When the language model fails, the stretch
    is tried again at the end; what could not be summed up then is named in the annex, and where
    there are no notes at all no minutes are written and a failure says so.

    Notes and minutes are of the text as people have corrected it; where they correct what has its
    notes already, the stretch gets new ones at the end.

    Args:
        generator: the language model, shared between sessions.
        language: of the minutes where the session does not say; its main language when absent.
        after: the event after which the record is complete and the minutes are written.
        sleep: waits between retries.
        read: the text that minutes are written from, out of the log.
    """

    name = "minutes"
    reads: frozenset[type[Event]] = frozenset(
        {
            SessionStarted,
            LanguageDetected,
            SegmentOpened,
            WordsCommitted,
            SegmentClosed,
            SegmentTranslated,
            TextWithheld,
            GapFound,
            InputEnded,
            RecognitionFinished,
            SpeakerRevised,
            SpeakersSettled,
            Corrected,
            DocumentAttached,
            DocumentDetached,
        }
    )
    writes: frozenset[type[Event]] = frozenset(
        {NotesTaken, ChapterSummarised, MinutesWritten, StageFailed}
    )

    def __init__(
        self,
        generator: TextGenerator,
        *,
        language: str | None = None,
        after: type[Event] = RecognitionFinished,
        sleep: Sleep = asyncio.sleep,
        read: Callable[[Sequence[Recorded]], SessionState] = as_shown,
    ) -> None:
        self._clerk = Clerk(generator, sleep)
        self._given_language = language
        self._after = after
        self._read = read
        self._engine = str(generator.capabilities.identity)
        self._notes: list[tuple[NotesTaken, Notes]] = []
        self._chapters: list[Chapter] = []
        self._chapter_sizes: list[int] = []
        self._held: dict[int, Segment] = {}
        self._noted: set[int] = set()
        self._tried: set[int] = set()
        self._reported: set[StageFailed] = set()

    async def run(self, log: EventLog) -> None:
        """Follow the session to the end of its recognition; return when the minutes are written."""
        written, known = False, 0
        async for record in log.past():
            known = record.seq
            written = written or isinstance(record.event, MinutesWritten)
            if isinstance(record.event, StageFailed):
                self._reported.add(record.event)
            else:
                self._recall_any(record.event)
        if written:
            return
        state = SessionState()
        async for record in log.follow():
            if isinstance(record.event, TailRevised | TranslationRevised):
                continue
            state = fold([record], state)
            if isinstance(record.event, SessionStarted) and not record.event.minutes:
                return
            if isinstance(record.event, NotesTaken) and record.seq > known:
                self._recall(record.event)
            if isinstance(record.event, SegmentClosed):
                await self._take_due_notes(log, state)
                state = self._without_noted(state)
            elif isinstance(record.event, self._after):
                await self._finish(log)
                return

    def _without_noted(self, state: SessionState) -> SessionState:
        """Forget the segments that have their notes: hours of words would stay in memory."""
        if self._noted.isdisjoint(state.segments):
            return state
        rest = {key: s for key, s in state.segments.items() if key not in self._noted}
        return replace(state, segments=rest)

    async def rewrite(self, log: EventLog) -> None:
        """Write the minutes of a finished session anew, notes and all; they replace the others."""
        await self._finish(log)

    async def redo(self, log: EventLog) -> None:
        """Write them anew after corrections: notes whose text nobody has touched are kept."""
        async for record in log.past():
            if isinstance(record.event, SecondPassFinished):  # what comes before is of other words
                self._notes, self._noted = [], set()
                self._chapters, self._chapter_sizes = [], []
            self._recall_any(record.event)
        await self._finish(log)

    def _recall_any(self, event: Event) -> None:
        if isinstance(event, NotesTaken):
            self._recall(event)
        elif isinstance(event, ChapterSummarised):
            self._keep_chapter(event)

    def _keep_chapter(self, told: ChapterSummarised) -> None:
        """Add a chapter, or put it in the place of one that was made before a correction."""
        if told.index < len(self._chapters):
            self._chapters[told.index] = told.chapter
            return
        self._chapters.append(told.chapter)
        self._chapter_sizes.append(told.notes)

    def _recall(self, taken: NotesTaken) -> None:
        """Read notes of the log (our own come by here, too: they are known already)."""
        if any(known == taken for known, _ in self._notes):
            return
        try:
            notes = from_plain(Notes, json.loads(taken.notes))
        except (ValueError, PlainError):
            return
        self._remember(taken, notes, _segments_of(taken))

    def _remember(self, taken: NotesTaken, notes: Notes, segments: Sequence[int]) -> None:
        self._noted.update(segments)
        for place, (known, _) in enumerate(self._notes):
            if [*_segments_of(known)] == [*segments]:
                self._notes[place] = (taken, notes)
                return
        self._notes.append((taken, notes))

    async def _take_due_notes(self, log: EventLog, state: SessionState) -> None:
        waiting = [
            segment
            for segment in spoken_segments(state)
            if segment.id not in self._noted and segment.id not in self._tried
        ]
        due = _stretch(waiting[:-LOOK_AHEAD])
        spoken_ms = sum(segment.end_ms - segment.start_ms for segment in due)
        filled = sum(map(says_something, due)) >= STRETCH_SEGMENTS or len(due) >= MOST_SEGMENTS
        if filled or spoken_ms >= STRETCH_MS:
            self._tried.update(segment.id for segment in due)
            newest = shown(await _newest(log, state)).segments
            stretch = [newest[segment.id] for segment in due]
            language = self._language(state)
            await self._take_notes(log, stretch, language)
            await self._close_chapters(log, language)

    async def _finish(self, log: EventLog) -> None:
        state = await asyncio.to_thread(self._read, log.records)
        language = self._language(state)
        await self._retake_corrected(log, state, language)
        for stretch in _stretches([s for s in spoken_segments(state) if s.id not in self._noted]):
            if not await self._take_notes(log, stretch, language):
                break  # it was tried with patience: more stretches would only add to the wait
        segments = spoken_segments(state)
        unread = [segment for segment in segments if segment.id not in self._noted]
        if segments and len(unread) == len(segments):
            return
        await self._close_chapters(log, language, to_the_end=True)
        # Pure work that takes long in a long session: not on the event loop.
        taken = [notes for _, notes in self._notes]
        notes = await asyncio.to_thread(merge_notes, taken, language)
        state = await asyncio.to_thread(self._read, log.records)
        report = self._reporting(log)
        if len(self._chapters) > 1:
            summary = await self._clerk.summary_of_chapters(self._chapters, state, language, report)
        else:
            summary = await self._clerk.summary(notes, state, language, report)
        state = await asyncio.to_thread(self._read, log.records)
        minutes = await asyncio.to_thread(
            write_minutes,
            state,
            notes,
            summary,
            language=language,
            unread=unread,
            chapters=self._chapters,
        )
        until_ms = max((segment.end_ms for segment in segments), default=0)
        await log.append(MinutesWritten(minutes), audio_to_ms=until_ms, engine=self._engine)

    async def _retake_corrected(self, log: EventLog, state: SessionState, language: str) -> None:
        """Take notes anew where people have set right what they are of; give people their names."""
        changes = Changes()
        async for record in log.past():
            changes.take(record)
        stale: list[int] = []
        for place, (taken, notes) in enumerate(self._notes):
            ids = _segments_of(taken)
            if changes.touched(ids) and all(key in state.segments for key in ids):
                stale.append(place)
            elif given := changes.names_since(ids):
                self._notes[place] = (taken, renamed(notes, given))
        for place in stale:
            ids = _segments_of(self._notes[place][0])
            if not await self._take_notes(log, [state.segments[key] for key in ids], language):
                break  # what is left is held against the corrected text all the same
        first = 0
        for index, size in enumerate(self._chapter_sizes):
            if any(first <= place < first + size for place in stale):
                part = self._notes[first : first + size]
                await self._write_chapter(log, index, part, state.segments, language)
            first += size

    async def _close_chapters(
        self, log: EventLog, language: str, *, to_the_end: bool = False
    ) -> None:
        """Sum up the stretches that make a chapter; at the end of a long session, the rest too."""
        while waiting := self._notes[sum(self._chapter_sizes) :]:
            if len(waiting) <= CHAPTER_STRETCHES and not (to_the_end and self._chapters):
                return
            part = waiting[:CHAPTER_STRETCHES]
            ids = [key for taken, _ in part for key in _segments_of(taken)]
            if not self._held.keys() >= set(ids):  # taken before a restart
                state = await asyncio.to_thread(self._read, log.records)
                self._held.update(
                    (key, state.segments[key]) for key in ids if key in state.segments
                )
            segments = {key: self._held.pop(key) for key in ids if key in self._held}
            await self._write_chapter(log, len(self._chapters), part, segments, language)

    async def _write_chapter(
        self,
        log: EventLog,
        index: int,
        part: Sequence[tuple[NotesTaken, Notes]],
        segments: Mapping[int, Segment],
        language: str,
    ) -> None:
        ids = [key for taken, _ in part for key in _segments_of(taken)]
        there = [segments[key] for key in ids if key in segments]
        notes = await asyncio.to_thread(merge_notes, [noted for _, noted in part], language)
        chapter = await self._clerk.chapter(notes, there, language, self._reporting(log))
        told = ChapterSummarised(index, len(part), chapter)
        self._keep_chapter(told)
        await log.append(
            told,
            audio_from_ms=chapter.from_ms,
            audio_to_ms=chapter.to_ms,
            engine=self._engine,
        )

    async def _take_notes(self, log: EventLog, stretch: Sequence[Segment], language: str) -> bool:
        """Take notes over `stretch`; False when the model could not."""
        options = GenerationOptions(
            max_tokens=NOTES_TOKENS, schema=notes_schema(stretch), priority=1, timeout_s=180.0
        )
        try:
            answer = await self._clerk.ask(notes_prompt(stretch, language), options)
        except PromptTooLong as error:
            if len(stretch) == 1:
                await self._report(log, error)
                return False
            middle = len(stretch) // 2
            first = await self._take_notes(log, stretch[:middle], language)
            return await self._take_notes(log, stretch[middle:], language) and first
        except EngineError as error:
            await self._report(log, error)
            return False
        notes = await asyncio.to_thread(check_notes, parse_notes(answer), stretch, language)
        notes = await self._clerk.proofread(notes, stretch, self._reporting(log))
        ids = [segment.id for segment in stretch]
        taken = NotesTaken(
            index=len(self._notes),
            first_segment=min(ids),
            last_segment=max(ids),
            notes=json.dumps(to_plain(notes), ensure_ascii=False, separators=(",", ":")),
            segments=tuple(ids),
        )
        self._remember(taken, notes, ids)
        self._held.update((segment.id, segment) for segment in stretch)
        await log.append(
            taken,
            audio_from_ms=stretch[0].start_ms,
            audio_to_ms=max(segment.end_ms for segment in stretch),
            engine=self._engine,
        )
        return True

    def _language(self, state: SessionState) -> str:
        asked = state.started.minutes_language if state.started is not None else None
        noted = self._notes[0][1].language if self._notes else ""
        chosen = asked or self._given_language or noted or main_language(state)
        return canonical(chosen) or chosen

    def _reporting(self, log: EventLog) -> Callable[[EngineError], Awaitable[None]]:
        return lambda error: self._report(log, error)

    async def _report(self, log: EventLog, error: EngineError) -> None:
        """Record an engine error, once a kind."""
        _log.warning("notes or minutes failed: %s", error.code)
        message = "the language model could not sum up a part of the session"
        failure = StageFailed(_STAGE, error.code, message, error.retryable)
        if failure not in self._reported:
            self._reported.add(failure)
            await log.append(failure)


def _segments_of(taken: NotesTaken) -> Sequence[int]:
    return taken.segments or range(taken.first_segment, taken.last_segment + 1)


async def _newest(log: EventLog, state: SessionState) -> SessionState:
    """Return `state` with what was recorded since; a long log takes a while to read.

    In a stage that is far behind, as when a whole recording was sent at once, that is not all there
    is: every stretch would read the rest of the log.
    """
    records, seq = log.records, state.seq
    return await asyncio.to_thread(lambda: fold(records[seq : seq + _RECORDS_AHEAD], state))


def _stretch(segments: Sequence[Segment]) -> list[Segment]:
    """Return the first segments of what waits, as many as one stretch may hold."""
    chosen: list[Segment] = []
    counted = 0
    for segment in segments[:MOST_SEGMENTS]:
        chosen.append(segment)
        counted += says_something(segment)
        if counted == STRETCH_SEGMENTS:
            break
    return chosen


def _stretches(segments: Sequence[Segment]) -> list[list[Segment]]:
    """Cut segments into stretches of about the same, allowed length."""
    counted = sum(map(says_something, segments))
    count = max(-(-counted // STRETCH_SEGMENTS), -(-len(segments) // MOST_SEGMENTS))
    if not count:
        return []
    size = -(-len(segments) // count)
    return [list(segments[start : start + size]) for start in range(0, len(segments), size)]
