"""The stage that anchors audio: all of it, once, at the same places, come what may."""

import asyncio
from collections.abc import Iterator

import pytest

from greffier.protocol import AudioFormat
from greffier_server.core.chain import AudioChain
from greffier_server.core.events import AudioAnchored, Recorded, SessionStarted, StageFailed
from greffier_server.errors import StorageFailed
from greffier_server.pipeline.anchor import AnchorStage, TappedJournal
from greffier_server.pipeline.clock import ManualClock
from greffier_server.pipeline.log import EventLog
from greffier_server.storage.journal import SessionJournal
from greffier_server.transport.wire import WireMapping
from tests.support.desk import TENANT, Disk, MemoryJournal
from tests.support.recordings import keep_in_memory
from tests.support.sessions import chain

pytestmark = [pytest.mark.unit, pytest.mark.virtual_time]

FORM = AudioFormat(encoding="mulaw", rate=8_000)
STEP_MS = 10
STEP = 80
"""The same in bytes."""
AUDIO = bytes((11 * index) % 256 for index in range(1_000))


def expected(audio: bytes) -> list[AudioAnchored]:
    audio_chain = AudioChain(step_bytes=STEP)
    return audio_chain.add(audio) + audio_chain.finish()


def anchors(log: EventLog) -> list[AudioAnchored]:
    return [record.event for record in log.records if isinstance(record.event, AudioAnchored)]


def new_log(history: list[Recorded] | None = None) -> EventLog:
    return EventLog(TENANT, "s", clock=ManualClock(), sink=keep_in_memory, history=history or [])


async def tapped(disk: Disk) -> TappedJournal:
    return TappedJournal(await MemoryJournal(disk).open(TENANT, "s"))


def stage(journal: TappedJournal) -> AnchorStage:
    return AnchorStage(journal=journal, form=FORM, step_ms=STEP_MS)


async def settle() -> None:
    """Let the stage do what it can."""
    for _ in range(20):
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("size", [37, 80, 81, 500, 1_000])
async def test_all_audio_is_anchored_at_each_step(size: int) -> None:
    log, journal = new_log(), await tapped(Disk())
    running = asyncio.create_task(stage(journal).run(log))
    for at in range(0, len(AUDIO), size):
        assert await journal.append(AUDIO[at : at + size]) == min(len(AUDIO), at + size)
        await settle()
    assert anchors(log) == expected(AUDIO)[:-1]  # the last one waits for the end
    await journal.seal()
    await running
    assert anchors(log) == expected(AUDIO)


async def test_an_anchor_says_where_its_audio_is() -> None:
    log, journal = new_log(), await tapped(Disk())
    await journal.append(AUDIO[:100])
    await journal.seal()
    await stage(journal).run(log)
    places = [(record.audio_from_ms, record.audio_to_ms) for record in log.records]
    assert places == [(0, 10), (10, 12)]


async def test_a_session_without_audio_has_an_anchor() -> None:
    log, journal = new_log(), await tapped(Disk())
    await journal.seal()
    await stage(journal).run(log)
    assert [(anchor.from_byte, anchor.to_byte) for anchor in anchors(log)] == [(0, 0)]


@pytest.mark.parametrize("before", [0, 79, 80, 500, 1_000])
async def test_after_a_restart_the_chain_goes_on(before: int) -> None:
    disk, log = Disk(), new_log()
    journal = await tapped(disk)
    running = asyncio.create_task(stage(journal).run(log))
    await journal.append(AUDIO[:before])
    await settle()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    log, journal = new_log(list(log.records)), await tapped(disk)
    running = asyncio.create_task(stage(journal).run(log))
    await journal.append(AUDIO[before:])
    await journal.seal()
    await running
    assert anchors(log) == expected(AUDIO)
    await stage(journal).run(log)  # killed before the session's last event: nothing is said again
    assert anchors(log) == expected(AUDIO)


async def test_what_the_disk_lost_before_is_left_out() -> None:
    disk = Disk(unreadable=(300, 320))
    disk.files[TENANT, "s"] = bytearray(AUDIO)
    log, journal = new_log(), await tapped(disk)
    await journal.seal()
    await stage(journal).run(log)
    audio_chain = AudioChain(step_bytes=STEP)
    without = audio_chain.add(AUDIO[:300]) + audio_chain.skip(320)
    assert anchors(log) == without + audio_chain.add(AUDIO[320:]) + audio_chain.finish()


class _Broken:
    """A journal whose reads fail."""

    def __init__(self, journal: SessionJournal) -> None:
        self._journal = journal

    @property
    def accepted_bytes(self) -> int:
        return self._journal.accepted_bytes

    @property
    def durable_bytes(self) -> int:
        return self._journal.durable_bytes

    async def append(self, audio: bytes) -> int:
        return await self._journal.append(audio)

    def read(self, from_byte: int, to_byte: int | None = None) -> Iterator[bytes]:
        raise StorageFailed("The disk is gone.")

    async def seal(self) -> None:
        await self._journal.seal()


async def test_a_disk_that_cannot_be_read_is_reported_once_and_ends_nothing() -> None:
    disk = Disk()
    disk.files[TENANT, "s"] = bytearray(3 << 20)
    log = new_log()
    journal = TappedJournal(_Broken(await MemoryJournal(disk).open(TENANT, "s")))
    await journal.append(AUDIO)
    await journal.seal()
    await stage(journal).run(log)
    failures = [record.event for record in log.records if isinstance(record.event, StageFailed)]
    assert [failure.stage for failure in failures] == ["anchor"]
    begin, end = anchors(log)[0].from_byte, anchors(log)[-1].to_byte
    assert (begin, end) == (3 << 20, (3 << 20) + len(AUDIO))


async def test_a_stage_that_is_held_up_reads_the_journal_and_holds_little() -> None:
    disk, gate = Disk(), asyncio.Event()
    journal = await tapped(disk)

    async def sink(records: object) -> None:
        await gate.wait()

    log = EventLog(TENANT, "s", clock=ManualClock(), sink=sink)
    running = asyncio.create_task(AnchorStage(journal=journal, form=FORM, step_ms=100_000).run(log))
    second = bytes(range(256)) * 4_096
    for _ in range(9):
        await journal.append(second)
        await settle()
    begin, held = journal.take()
    assert sum(map(len, held)) <= 4 << 20
    assert begin > 0
    gate.set()
    await journal.seal()
    await running
    audio_chain = AudioChain(step_bytes=800_000)
    assert anchors(log) == audio_chain.add(second * 9) + audio_chain.finish()


async def test_a_refused_append_is_not_anchored() -> None:
    disk, log = Disk(), new_log()
    journal = await tapped(disk)
    await journal.append(AUDIO[:50])
    disk.full = True
    with pytest.raises(StorageFailed):
        await journal.append(AUDIO[50:])
    disk.full = False
    await journal.append(AUDIO[50:90])
    await journal.seal()
    await stage(journal).run(log)
    assert anchors(log) == expected(AUDIO[:90])
    assert journal.accepted_bytes == journal.durable_bytes == 90
    assert b"".join(journal.read(0)) == AUDIO[:90]


def test_anchors_are_not_on_the_wire() -> None:
    wire = WireMapping()
    for record in chain(SessionStarted(FORM, "fr"), *expected(AUDIO)):
        assert wire.messages(record) == ()
