"""The second pass over fakes: queue, giving way, failures, minutes."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from greffier.protocol import AudioFormat
from greffier_models.errors import EngineUnavailable, WeightsMissing
from greffier_models.fakes import FakeRecognizer, FakeVad, RecognitionDials
from greffier_models.protocols import SpeechRecognizer, TextGenerator
from greffier_models.types import Word
from greffier_server.core.events import (
    Event,
    InputEnded,
    MinutesWritten,
    RecognitionFinished,
    Recorded,
    SecondPassFinished,
    SecondPassStarted,
    SegmentClosed,
    SegmentOpened,
    SessionFinished,
    SessionStarted,
    StageFailed,
    WordsCommitted,
)
from greffier_server.core.records import GENESIS, record_hash
from greffier_server.core.revisions import revised
from greffier_server.core.state import SessionState, fold
from greffier_server.errors import AudioMissing, SessionNotFound, SessionUnfinished
from greffier_server.jobs import JobRunner
from greffier_server.pipeline.clock import ManualClock
from greffier_server.pipeline.second_pass import KIND, SecondPass, SecondPassOptions
from greffier_server.pipeline.transcribe import TranscribeSettings
from greffier_server.second_engine import Idle
from greffier_server.storage.memory import MemoryStore
from tests.support.desk import TENANT, Disk, MemoryJournal, as_bytes
from tests.support.generator import ScriptedGenerator
from tests.support.recordings import Listener, recording_of
from tests.support.sessions import chain, row

pytestmark = [pytest.mark.unit, pytest.mark.virtual_time]

ID = "s1"
SPEECH = recording_of([(400, 300)] + [(30, 300)] * 9 + [(2_500, 300)] + [(30, 300)] * 9, end_ms=900)
FIRST, SECOND = SPEECH.words[:10], SPEECH.words[10:]
MISHEARD = (*FIRST[:4], replace(FIRST[4], text=" mumble"), *FIRST[5:])
HEARD = "".join(word.text for word in SPEECH.words).split()
SUMMARY = json.dumps({"title": "Again", "summary": []})
NOTES = json.dumps({"items": [{"cites": [1], "kind": "point", "text": "w1 w2 w3"}]})


def live(*segments: Sequence[Word], finished: bool = True, duration_ms: int = 0) -> list[Event]:
    """The log of a session that heard `segments`."""
    events: list[Event] = [SessionStarted(AudioFormat(), "en", minutes=False)]
    for number, words in enumerate(segments, start=1):
        events += [
            SegmentOpened(number, words[0].start_ms, "en"),
            WordsCommitted(number, tuple(words)),
            SegmentClosed(number, words[0].start_ms, words[-1].end_ms),
        ]
    if finished:
        ended = InputEnded("finish", duration_ms or SPEECH.duration_ms)
        events += [ended, RecognitionFinished(), SessionFinished("finish")]
    return events


@dataclass
class Kit:
    """A second pass over a store and a journal in memory, and what its engine went through."""

    store: MemoryStore = field(default_factory=MemoryStore)
    disk: Disk = field(default_factory=Disk)
    clock: ManualClock = field(default_factory=ManualClock)
    recognizer: SpeechRecognizer = field(default_factory=Listener)
    generator: TextGenerator | None = None
    automatic: bool = False
    missing: bool = False
    sessions: int = 0
    """Live now."""
    opened: int = 0
    open_now: int = 0

    def __post_init__(self) -> None:
        self.second = SecondPass(
            store=self.store,
            sink=self.store.append,
            journal=MemoryJournal(self.disk),
            engine=self.engine,
            detector=FakeVad(),
            clock=self.clock,
            busy=lambda: self.sessions > 0,
            generator=self.generator,
            options=SecondPassOptions(
                automatic=self.automatic,
                reading=TranscribeSettings(
                    beam_size=5, in_flight=1, attempts=2, retryable_attempts=2
                ),
            ),
        )
        self.runner = JobRunner(
            self.store,
            clock=self.clock,
            handlers={KIND: self.second.do},
            abandoned=self.second.abandon,
        )

    @asynccontextmanager
    async def engine(self) -> AsyncGenerator[SpeechRecognizer, None]:
        if self.missing:
            raise WeightsMissing("not installed")
        self.opened += 1
        self.open_now += 1
        try:
            yield self.recognizer
        finally:
            self.open_now -= 1

    async def keep(self, *segments: Sequence[Word], audio: bool = True, **more: bool) -> "Kit":
        await self.store.create(row(ID))
        await self.store.append(chain(*live(*segments, **more), session=ID))
        if audio:
            self.disk.files[TENANT, ID] = bytearray(as_bytes(SPEECH.pcm))
        return self

    async def do(self, *, minutes: bool = False) -> "Kit":
        """Ask, and work until the queue is empty."""
        await self.second.ask(TENANT, ID, minutes=minutes)
        while await self.runner.run_once():
            self.clock.advance(3_600_000)
        return self

    async def records(self) -> list[Recorded]:
        return [record async for record in self.store.events(TENANT, ID)]

    async def state(self) -> SessionState:
        return fold(await self.records())

    async def failures(self) -> list[str]:
        return [failure.code for failure in (await self.state()).failures]


def words_of(state: SessionState) -> list[str]:
    return " ".join(segment.text for segment in state.segments.values()).split()


async def test_what_live_misheard_is_revised_and_what_it_missed_is_added() -> None:
    kit = await (await Kit().keep(MISHEARD)).do()
    state = await kit.state()
    assert "mumble" in words_of(state)
    assert words_of(revised(state)) == HEARD
    assert state.second_pass is not None
    assert state.second_pass.finished == SecondPassFinished(20, 1, 1, 0)
    assert (kit.opened, kit.open_now) == (1, 0)
    stored = await kit.store.get(TENANT, ID)
    assert stored is not None
    assert stored.state == "finished"
    assert await kit.store.unfinished() == []
    before = GENESIS
    records = await kit.records()
    for record in records:
        assert record.prev_hash == before
        before = record_hash(record)
    assert records[-1].engine == str(kit.recognizer.identity)


async def test_asking_again_makes_another_pass_and_a_repeated_job_makes_none() -> None:
    kit = await (await Kit().keep(MISHEARD)).do()
    await kit.second.ask(TENANT, ID)
    job = await kit.store.claim([KIND], kit.clock.now_ms(), 1_000)
    assert job is not None
    await kit.second.do(job)
    await kit.second.do(job)  # as after a crash between the pass and its completion
    passes = [r for r in await kit.records() if isinstance(r.event, SecondPassStarted)]
    assert len(passes) == 2


async def test_automatic_passes_are_queued_before_the_end_is_stored() -> None:
    kit = Kit(automatic=True)
    await kit.store.create(row(ID))
    records = chain(*live(MISHEARD), session=ID)
    await kit.second.watch(records[:-1])
    assert not await kit.runner.run_once()
    await kit.second.watch(records[-1:])
    assert await kit.runner.run_once()  # not finished yet: it waits, and is not given up
    assert await kit.failures() == []
    await kit.store.append(records)
    kit.disk.files[TENANT, ID] = bytearray(as_bytes(SPEECH.pcm))
    kit.clock.advance(60_000)
    assert await kit.runner.run_once()
    assert words_of(revised(await kit.state())) == HEARD
    quiet = Kit()
    await quiet.store.create(row(ID))
    await quiet.second.watch(records)
    assert not await quiet.runner.run_once()


async def test_it_gives_way_to_a_live_session_and_goes_on_where_it_was() -> None:
    listener = Listener(FakeRecognizer(RecognitionDials(delay_s=4.0)))
    kit = await Kit(recognizer=listener).keep(MISHEARD, SECOND)
    kit.sessions = 1
    doing = asyncio.create_task(kit.do())
    await asyncio.sleep(60)
    assert kit.opened == 0
    kit.sessions = 0
    await asyncio.sleep(2)
    assert kit.open_now == 1
    kit.sessions = 1
    await asyncio.sleep(1)
    assert kit.open_now == 0
    kit.sessions = 0
    await doing
    assert kit.opened == 2
    assert words_of(revised(await kit.state())) == HEARD


async def test_a_stop_leaves_nothing_behind_and_the_job_in_the_queue() -> None:
    listener = Listener(FakeRecognizer(RecognitionDials(delay_s=60.0)))
    kit = await Kit(recognizer=listener).keep(MISHEARD)
    doing = asyncio.create_task(kit.do())
    await asyncio.sleep(5)
    doing.cancel()
    await asyncio.gather(doing, return_exceptions=True)
    assert kit.open_now == 0
    assert (await kit.state()).second_pass is None
    again = Kit(store=kit.store, disk=kit.disk, clock=kit.clock)
    assert await again.runner.run_once()
    assert words_of(revised(await again.state())) == HEARD


async def test_sessions_that_cannot_be_read_again_are_refused() -> None:
    kit = Kit()
    with pytest.raises(SessionNotFound):
        await kit.second.ask(TENANT, ID)
    await kit.keep(MISHEARD, finished=False)
    with pytest.raises(SessionUnfinished):
        await kit.second.ask(TENANT, ID)
    bare = await Kit().keep(MISHEARD, audio=False)
    with pytest.raises(AudioMissing):
        await bare.second.ask(TENANT, ID)


async def test_audio_deleted_meanwhile_is_a_recorded_failure() -> None:
    kit = await Kit().keep(MISHEARD)
    await kit.second.ask(TENANT, ID)
    kit.disk.files.clear()
    assert await kit.runner.run_once()
    assert await kit.failures() == ["audio_missing"]
    assert not await kit.runner.run_once()


async def test_a_session_deleted_meanwhile_ends_its_job() -> None:
    kit = await Kit().keep(MISHEARD)
    await kit.second.ask(TENANT, ID)
    job = await kit.store.claim([KIND], kit.clock.now_ms(), 1_000)
    assert job is not None
    await kit.store.delete(TENANT, ID)
    with pytest.raises(SessionNotFound):
        await kit.second.do(job)
    await kit.second.abandon(job, "audio_missing")  # nobody is left to be told


async def test_a_missing_model_is_a_recorded_failure() -> None:
    kit = await (await Kit(missing=True).keep(MISHEARD)).do()
    assert await kit.failures() == ["weights_missing"]
    assert (await kit.state()).second_pass is None


async def test_a_damaged_journal_keeps_the_live_words_of_what_is_lost() -> None:
    kit = Kit(disk=Disk())
    await kit.keep(MISHEARD, SECOND)
    lost_from = SECOND[0].start_ms - 1_000
    kit.disk.unreadable = (lost_from * 32, SPEECH.duration_ms * 32)
    await kit.do()
    state = await kit.state()
    assert state.second_pass is not None
    assert set(state.second_pass.revisions) == {1}
    assert words_of(revised(state)) == HEARD


async def test_audio_that_ends_early_is_lost_and_not_silence() -> None:
    kit = await Kit().keep(MISHEARD, SECOND)
    del kit.disk.files[TENANT, ID][(SECOND[0].start_ms - 800) * 32 :]
    state = await (await kit.do()).state()
    assert words_of(revised(state)) == HEARD
    assert all(segment.confirmed for segment in revised(state).segments.values())


class Deaf(Listener):
    """An engine that answers nothing."""

    async def transcribe(self, *_: object, **__: object) -> None:  # type: ignore[override]
        raise EngineUnavailable("gone")


async def test_an_engine_that_fails_changes_nothing_and_says_so() -> None:
    kit = await (await Kit(recognizer=Deaf()).keep(MISHEARD)).do()  # type: ignore[arg-type]
    assert await kit.failures() == ["second_pass_failed"]
    assert (await kit.state()).second_pass is None


async def test_minutes_are_written_anew_from_the_second_reading() -> None:
    asked: list[str] = []

    def answer(prompt: object) -> str:
        asked.append(repr(prompt))
        return SUMMARY if len(asked) > 1 else NOTES

    generator = ScriptedGenerator(answer)
    kit = await (await Kit(generator=generator).keep(MISHEARD, SECOND)).do(minutes=True)
    assert not any("mumble" in prompt for prompt in asked)
    records = await kit.records()
    assert isinstance(records[-1].event, MinutesWritten)
    state = fold(records)
    assert state.minutes_revised
    assert state.minutes is not None
    assert state.finished is not None


async def test_minutes_without_a_language_model_are_a_failure_of_their_own() -> None:
    kit = await (await Kit().keep(MISHEARD)).do(minutes=True)
    assert await kit.failures() == ["no_language_model"]
    assert words_of(revised(await kit.state())) == HEARD
    assert [f.stage for f in (await kit.state()).failures if isinstance(f, StageFailed)] == [
        "minutes"
    ]


def test_idle_is_a_while_without_sessions() -> None:
    now, sessions = [0.0], [0]
    idle = Idle(lambda: sessions[0], least_s=30, now=lambda: now[0])
    assert not idle()
    now[0] = 29
    assert not idle()
    now[0] = 30
    assert idle()
    sessions[0] = 1
    assert not idle()
    sessions[0], now[0] = 0, 100
    assert not idle()
    now[0] = 130
    assert idle()
