"""The second pass over finished sessions: asked for, queued, done when the device is idle.

A pass is recorded at once, in one transaction: a log holds all of a pass's revisions, or none. One
that was cut short leaves nothing behind and is done anew.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from greffier_models.protocols import TextGenerator, VoiceActivityDetector
from greffier_server.core.document_terms import session_glossary
from greffier_server.core.events import (
    MinutesWritten,
    PassageRevised,
    Recorded,
    SecondPassFinished,
    SecondPassStarted,
    SessionFinished,
    StageFailed,
)
from greffier_server.core.revisions import Heard, align, count, differences
from greffier_server.core.speech import SpeechSettings
from greffier_server.core.state import Segment, SessionState, fold
from greffier_server.errors import (
    AudioMissing,
    SecondPassFailed,
    ServerError,
    SessionNotFound,
    SessionUnfinished,
    StorageFailed,
)
from greffier_server.pipeline.clock import Clock
from greffier_server.pipeline.damage import new_gaps
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.minute import MinuteStage
from greffier_server.pipeline.reread import OpenEngine, Reread
from greffier_server.pipeline.transcribe import TranscribeSettings
from greffier_server.storage.journal import AudioJournal
from greffier_server.storage.store import Job, SessionRow, SessionStore

__all__ = ["KIND", "SecondPass", "SecondPassOptions"]

_log = logging.getLogger(__name__)

KIND = "second-pass"
"""Of the job, and the name of the stage in failures."""

_HOTWORDS = 50


@dataclass(frozen=True, slots=True)
class SecondPassOptions:
    """What every second pass of this process is made with."""

    automatic: bool = False
    """Every session gets one when it has finished."""
    minutes: bool = True
    """Automatic passes also redo minutes that the session had."""
    expected_languages: tuple[str, ...] = ()
    speech: SpeechSettings = field(default_factory=SpeechSettings)
    reading: TranscribeSettings = field(
        default_factory=lambda: TranscribeSettings(beam_size=5, in_flight=4)
    )
    poll_s: float = 0.5
    """How soon it gives way to a live session."""


@dataclass(frozen=True, slots=True)
class _Order:
    """What a job asks for, as its payload holds it."""

    after: int = 0
    """A pass recorded after this event is the one that was asked for."""
    minutes: bool | None = None
    """None: as the options say."""


class SecondPass:
    """Asks for second passes, and does them as jobs.

    Args:
        store: sessions, events and the queue.
        sink: makes records durable (a writer over the store).
        journal: audio.
        engine: opens the recogniser; it is open only while a pass runs.
        detector: voice activity.
        clock: wall clock.
        busy: whether live sessions need the device.
        generator: for minutes; None = minutes are not redone.
        options: what passes are made with.
    """

    def __init__(
        self,
        *,
        store: SessionStore,
        sink: Callable[[Sequence[Recorded]], Awaitable[None]],
        journal: AudioJournal,
        engine: OpenEngine,
        detector: VoiceActivityDetector,
        clock: Clock,
        busy: Callable[[], bool],
        generator: TextGenerator | None = None,
        options: SecondPassOptions | None = None,
    ) -> None:
        self._store = store
        self._sink = sink
        self._journal = journal
        self._engine = engine
        self._detector = detector
        self._clock = clock
        self._busy = busy
        self._generator = generator
        self._options = options or SecondPassOptions()
        self._logs: dict[tuple[str, str], EventLog] = {}

    def log_of(self, tenant: str, session: str) -> EventLog | None:
        """Return the log that a pass writes to now; others append to the session through it."""
        return self._logs.get((tenant, session))

    # --- asking -------------------------------------------------------------------------------

    async def ask(self, tenant: str, session: str, *, minutes: bool = False) -> None:
        """Queue a pass over a finished session, although it may have had one before.

        Args:
            tenant: owner.
            session: id.
            minutes: write the minutes anew from its text.

        Raises:
            SessionNotFound, SessionUnfinished, AudioMissing, StorageFailed.
        """
        row = await self._finished(tenant, session)
        if row.duration_ms and not await self._journal.size_bytes(tenant, session):
            raise _no_audio()
        order = _Order(after=row.last_seq, minutes=minutes)
        await self._store.enqueue(KIND, tenant, session, json.dumps(asdict(order)))

    async def watch(self, records: Sequence[Recorded]) -> None:
        """Queue passes over sessions that these records end, where passes are automatic.

        Call it before the records are stored: a crash in between leaves an unfinished session,
        which goes on and ends again, and never a finished one that was forgotten.

        Raises:
            StorageFailed: it could not be queued.
        """
        if not self._options.automatic:
            return
        for record in records:
            if isinstance(record.event, SessionFinished):
                await self._store.enqueue(KIND, record.tenant, record.session)

    # --- doing --------------------------------------------------------------------------------

    async def do(self, job: Job) -> None:
        """Do one job; what an earlier attempt has recorded is not done again.

        Raises:
            SessionNotFound: it was deleted.
            ServerError, EngineError: it could not be done.
        """
        row = await self._finished(job.tenant, job.session)
        order = _Order(**json.loads(job.payload)) if job.payload else _Order()
        records, log = await self._hold(row)
        state = await asyncio.to_thread(fold, records)
        try:
            passed = _last(records, SecondPassFinished)
            if passed <= order.after:
                await self._pass(log, state)
                passed = log.seq
            redone = self._options.minutes and state.minutes is not None
            wanted = redone if order.minutes is None else order.minutes
            if wanted and _last(records, MinutesWritten) < passed:
                await self._write_minutes(log)
        finally:
            del self._logs[row.tenant, row.session]
            log.close()
            await log.settled()

    async def _hold(self, row: SessionRow) -> tuple[Sequence[Recorded], EventLog]:
        """Return the log with its records; from now on, others of this process append through it.

        A correction that is recorded in between is read too, or the pass could not be recorded.
        """
        key = (row.tenant, row.session)
        records = [record async for record in self._store.events(*key)]
        while True:
            log = EventLog(*key, clock=self._clock, sink=self._sink, history=records)
            self._logs[key] = log
            newer = [record async for record in self._store.events(*key, after=len(records))]
            if not newer:
                return records, log
            records += newer

    async def abandon(self, job: Job, code: str) -> None:
        """Record that a job will not be tried again."""
        records = [record async for record in self._store.events(job.tenant, job.session)]
        if not records:
            return
        log = EventLog(job.tenant, job.session, clock=self._clock, sink=self._sink, history=records)
        message = _ADVICE.get(code, "The recording could not be read again; the live text stands.")
        try:
            await log.append(StageFailed(KIND, code, message))
        except ServerError as error:
            _log.warning("the failure of a second pass could not be recorded: %s", error.code)

    async def _pass(self, log: EventLog, state: SessionState) -> None:
        started = state.started
        row = log.records[0]
        if started is None:
            raise SessionNotFound("The session has no first event.")
        journal = await self._journal.open(row.tenant, row.session)
        if state.ended is not None and state.ended.duration_ms and not journal.durable_bytes:
            raise _no_audio()
        reading = Reread(
            journal,
            started.format,
            engine=self._engine,
            detector=self._detector,
            speech=self._options.speech,
            settings=self._options.reading,
            busy=self._busy,
            poll_s=self._options.poll_s,
            language=None if started.language == "auto" else started.language,
            expected=self._options.expected_languages,
            hotwords=tuple(
                term.term for term in session_glossary(started.glossary, state.documents)
            )[:_HOTWORDS],
        )
        try:
            await reading.run()
        finally:
            with suppress(StorageFailed):  # it is whole already; this lets go of it
                await journal.seal()
        bytes_ms = started.format.rate * started.format.frame_bytes
        length_ms = journal.durable_bytes * 1000 // bytes_ms
        asked_ms = state.ended.duration_ms if state.ended is not None else length_ms
        lost = [*reading.lost, (length_ms, asked_ms)] if length_ms < asked_ms else reading.lost
        heard = reading.heard
        if lost and not any(part.words for part in heard):
            raise SecondPassFailed("Nothing of the recording could be read again; try later.")
        segments = list(state.segments.values())
        revisions, summed_up = await asyncio.to_thread(_compared, segments, heard, lost)
        gaps = await asyncio.to_thread(new_gaps, journal, started.format, log.records)
        await log.append(
            *gaps,
            SecondPassStarted(started.language, self._options.reading.beam_size),
            *revisions,
            summed_up,
            audio_to_ms=asked_ms,
            engine=reading.engine,
        )
        _log.info(
            "second pass: %d words, %d segments changed, %d added, %d unconfirmed",
            summed_up.words,
            summed_up.changed,
            summed_up.added,
            summed_up.unconfirmed,
        )

    async def _write_minutes(self, log: EventLog) -> None:
        if self._generator is None:
            failed = StageFailed("minutes", "no_language_model", _ADVICE["no_language_model"])
            await log.append(failed)
            return
        await MinuteStage(self._generator).rewrite(log)

    async def _finished(self, tenant: str, session: str) -> SessionRow:
        row = await self._store.get(tenant, session)
        if row is None:
            raise SessionNotFound("There is no such session.")
        if row.state != "finished":
            raise SessionUnfinished("The session goes on; ask again when it has finished.")
        return row


_ADVICE = {
    "audio_missing": "The session's audio is no longer kept; the live text stands.",
    "weights_missing": "The model of the second pass is not installed; see second_pass.model.",
    "no_language_model": "This server has no language model: minutes are not written.",
}


def _compared(
    segments: Sequence[Segment], heard: Sequence[Heard], lost: Sequence[tuple[int, int]]
) -> tuple[list[PassageRevised], SecondPassFinished]:
    """Return what differs, and the sum of all."""
    revisions = align(segments, heard, lost=lost)
    return differences(segments, revisions), count(segments, revisions)


def _last(records: Sequence[Recorded], kind: type[SecondPassFinished | MinutesWritten]) -> int:
    """Number of the last event of a kind; 0 = none."""
    return max((r.seq for r in records if isinstance(r.event, kind)), default=0)


def _no_audio() -> AudioMissing:
    return AudioMissing("The session's audio is no longer kept; it cannot be read again.")
