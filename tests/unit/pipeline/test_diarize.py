"""The stage that tells voices apart, over a journal in memory; a voice is a level of sound."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from greffier.protocol import AudioFormat
from greffier_models.errors import EngineError
from greffier_models.fakes import FakeVad
from greffier_models.types import EngineIdentity, Pcm
from greffier_server.core.events import (
    InputEnded,
    MinutesWritten,
    RecognitionFinished,
    SegmentClosed,
    SegmentOpened,
    SpeakerRevised,
    SpeakersSettled,
    StageFailed,
    WordsCommitted,
)
from greffier_server.core.state import fold
from greffier_server.pipeline.diarize import DiarizeStage
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.minute import MinuteStage
from tests.support.desk import Disk, MemoryJournal, as_bytes
from tests.support.generator import ScriptedGenerator
from tests.support.meetings import new_log, started, words_of

pytestmark = pytest.mark.unit

TURN_MS = 6_000
PAUSE_MS = 1_000
VOICES = (1, 2, 1, 3, 2)


class LevelEmbedder:
    """A voice of level n is the nth axis."""

    identity = EngineIdentity("levels", "none", "")

    def __init__(self, *, fails: bool = False, breaks: bool = False) -> None:
        self._fails = fails
        self._breaks = breaks

    def embed(self, windows: Sequence[Pcm]) -> NDArray[np.float32]:
        if self._fails:
            raise EngineError("no voices today")
        if self._breaks:
            raise RuntimeError("a bug")
        levels = [int(np.median(np.abs(window))) // 1_000 for window in windows]
        rows: NDArray[np.float32] = np.eye(8, dtype=np.float32)[levels]
        return rows


def meeting() -> Pcm:
    pause = np.zeros(PAUSE_MS * 16, np.int16)
    turns = [np.full(TURN_MS * 16, voice * 1_000, np.int16) for voice in VOICES]
    return np.concatenate([part for turn in turns for part in (turn, pause)])


async def said(log: EventLog, upto: int, *, first: int = 0) -> None:
    for number in range(first, upto):
        start_ms = number * (TURN_MS + PAUSE_MS)
        words = words_of("this is one turn of the talk", start_ms, start_ms + TURN_MS)
        await log.append(SegmentOpened(number + 1, start_ms, "en"))
        await log.append(WordsCommitted(number + 1, words))
        await log.append(SegmentClosed(number + 1, start_ms, start_ms + TURN_MS))


async def ended(log: EventLog) -> None:
    await log.append(InputEnded("finish", 35_000), RecognitionFinished())


async def stage_over(
    disk: Disk, embedder: LevelEmbedder | None = None, form: AudioFormat | None = None
) -> DiarizeStage:
    journal = await MemoryJournal(disk).open("t", "s")

    async def pause(seconds: float) -> None:
        del seconds
        await asyncio.sleep(0)

    return DiarizeStage(
        journal=journal,
        form=form or AudioFormat(),
        vad=FakeVad(),
        embedder=embedder or LevelEmbedder(),
        sleep=pause,
    )


def disk_with(audio: Pcm) -> Disk:
    return Disk(files={("t", "s"): bytearray(as_bytes(audio))})


def labels(log: EventLog) -> list[str | None]:
    return [segment.speaker for segment in fold(log.records).segments.values()]


async def test_every_segment_gets_the_label_of_its_voice() -> None:
    log = new_log()
    await log.append(started())
    await said(log, len(VOICES))
    await ended(log)
    await (await stage_over(disk_with(meeting()))).run(log)
    assert labels(log) == ["1", "2", "1", "3", "2"]
    assert log.records[-1].event == SpeakersSettled()
    revised = [r for r in log.records if isinstance(r.event, SpeakerRevised)]
    assert {r.engine for r in revised} == {"levels:none@:"}


async def test_labels_come_while_the_session_runs() -> None:
    log = new_log()
    await log.append(started())
    disk = disk_with(np.zeros(0, np.int16))
    running = asyncio.create_task((await stage_over(disk)).run(log))
    disk.files["t", "s"] += as_bytes(meeting()[: 7 * 16_000])
    await said(log, 1)
    async with asyncio.timeout(30):
        async for record in log.follow():
            if isinstance(record.event, SpeakerRevised):
                break
    assert labels(log) == ["1"]
    disk.files["t", "s"] += as_bytes(meeting()[7 * 16_000 :])
    await said(log, len(VOICES), first=1)
    await ended(log)
    await running
    assert labels(log) == ["1", "2", "1", "3", "2"]


async def test_after_a_restart_the_labels_are_the_same_and_nothing_is_said_again() -> None:
    disk = disk_with(meeting())
    log = new_log()
    await log.append(started())
    await said(log, 3)
    stopped = asyncio.create_task((await stage_over(disk)).run(log))
    async with asyncio.timeout(30):
        async for record in log.follow():
            if record.event == SpeakerRevised(3, "1"):
                break
    stopped.cancel()
    await asyncio.gather(stopped, return_exceptions=True)
    before = [r.event for r in log.records if isinstance(r.event, SpeakerRevised)]
    await said(log, len(VOICES), first=3)
    await ended(log)
    await (await stage_over(disk)).run(log)
    after = [r.event for r in log.records if isinstance(r.event, SpeakerRevised)]
    assert after[: len(before)] == before
    assert {event.segment for event in after[len(before) :]} == {4, 5}
    assert labels(log) == ["1", "2", "1", "3", "2"]
    count = len(log.records)
    await (await stage_over(disk)).run(log)
    assert len(log.records) == count


async def test_an_engine_that_fails_is_reported_once_and_ends_the_stage() -> None:
    log = new_log()
    await log.append(started())
    await said(log, 2)
    await (await stage_over(disk_with(meeting()), LevelEmbedder(fails=True))).run(log)
    (failed,) = [r.event for r in log.records if isinstance(r.event, StageFailed)]
    assert (failed.stage, failed.code) == ("speakers", "engine_failed")
    assert log.records[-1].event == SpeakersSettled()
    assert labels(log) == [None, None]


async def test_a_bug_does_not_keep_the_minutes_waiting() -> None:
    log = new_log()
    await log.append(started())
    await said(log, 2)
    with pytest.raises(RuntimeError):
        await (await stage_over(disk_with(meeting()), LevelEmbedder(breaks=True))).run(log)
    assert log.records[-1].event == SpeakersSettled()


async def test_minutes_wait_until_the_speakers_are_settled() -> None:
    log = new_log()
    await log.append(started(language="en"))
    await said(log, 2)
    await ended(log)
    generator = ScriptedGenerator(lambda prompt: '{"items": [], "title": "T", "summary": []}')
    writing = asyncio.create_task(MinuteStage(generator, after=SpeakersSettled).run(log))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not writing.done()
    await log.append(SpeakerRevised(1, "1"), SpeakersSettled())
    async with asyncio.timeout(30):
        await writing
    assert isinstance(log.records[-1].event, MinutesWritten)


async def test_telephone_sound_is_heard_at_its_own_rate() -> None:
    log = new_log()
    await log.append(started())
    await said(log, len(VOICES))
    await ended(log)
    form = AudioFormat(rate=8_000, channels=2)
    audio = np.repeat(meeting()[::2], 2)
    await (await stage_over(disk_with(audio), form=form)).run(log)
    assert labels(log)[0] == "1"
    assert labels(log) == ["1", "2", "1", "3", "2"]
