"""A server that stops, or dies, and goes on: no word lost, doubled or changed."""

import asyncio
import copy
import itertools
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from greffier.protocol import Resume
from greffier_models.fakes import FakeRecognizer, RecognitionDials
from greffier_server.core.events import Recorded, SegmentClosed, SegmentOpened, SessionFinished
from greffier_server.core.records import GENESIS, record_hash
from greffier_server.storage.memory import MemoryStore
from tests.support.desk import TENANT, DeskKit, Disk, as_bytes, desk_kit, disk_journal, until
from tests.support.recordings import (
    Listener,
    Recording,
    committed_words,
    recording_of,
    recordings,
)
from tests.support.virtual_time import run

pytestmark = pytest.mark.integration

STEP = 3_200
"""Bytes of a tenth of a second."""


class _Server:
    """One server after the other over what the last one left behind."""

    def __init__(self, recording: Recording, *, delay_s: float) -> None:
        self.store, self.disk = MemoryStore(), Disk()
        self._audio = as_bytes(recording.pcm)
        self._delay_s = delay_s
        self.session, self._token = "", ""

    async def serve(self, *, until_ms: int | None, killed: bool) -> None:
        """Take audio up to `until_ms`, or to the end; then stop, or die."""
        left = self.store, self.disk
        recognizer = Listener(FakeRecognizer(RecognitionDials(delay_s=self._delay_s)))
        async with desk_kit(store=self.store, disk=self.disk, recognizer=recognizer) as kit:
            await self._speak(kit, until_ms)
            if killed:  # what was on disk at this instant is all that is left
                left = copy.deepcopy((self.store, self.disk))
        self.store, self.disk = left

    async def _speak(self, kit: DeskKit, until_ms: int | None) -> None:
        recovered = await kit.desk.recover()
        if self.session:
            assert recovered == 1
            resume = Resume(self.session, self._token, 0)
            holder = await kit.desk.resume(TENANT, resume)
        else:
            holder, self._token = await kit.open()
            self.session = holder.id
        sent = holder.durable_samples * 2
        limit = len(self._audio) if until_ms is None else until_ms * 32
        while sent < min(len(self._audio), limit):
            await holder.push(self._audio[sent : sent + STEP])
            sent += STEP
            await asyncio.sleep(0.1)
        if until_ms is None:
            await holder.finish()
            await kit.ended()

    async def records(self) -> list[Recorded]:
        return [record async for record in self.store.events(TENANT, self.session)]


def _check(records: list[Recorded], recording: Recording) -> None:
    words = committed_words(records)
    assert [word.text for word in words] == recording.texts
    assert all(a.start_ms <= b.start_ms for a, b in itertools.pairwise(words))
    assert isinstance(records[-1].event, SessionFinished)
    before = GENESIS
    for seq, record in enumerate(records, start=1):
        assert (record.seq, record.prev_hash) == (seq, before)
        before = record_hash(record)
    opened = [record.event.segment for record in records if isinstance(record.event, SegmentOpened)]
    closed = [record.event.segment for record in records if isinstance(record.event, SegmentClosed)]
    assert opened == closed == list(range(1, len(opened) + 1))


@given(
    recording=recordings(max_words=40),
    stops=st.lists(st.tuples(st.integers(0, 20_000), st.booleans()), max_size=3),
    delay_s=st.sampled_from([0.0, 0.3]),
)
@example(
    recording=recording_of([(30, 300)] * 30),
    stops=[(4_000, True), (4_100, True), (7_000, False)],
    delay_s=0.3,
)
def test_stops_and_deaths_change_nothing(
    recording: Recording, stops: list[tuple[int, bool]], delay_s: float
) -> None:
    async def scene() -> None:
        server = _Server(recording, delay_s=delay_s)
        for until_ms, killed in sorted(stops):
            if until_ms <= recording.duration_ms:
                await server.serve(until_ms=until_ms, killed=killed)
        await server.serve(until_ms=None, killed=False)
        _check(await server.records(), recording)
        assert bytes(server.disk.files[TENANT, server.session]) == as_bytes(recording.pcm)

    run(scene())


@given(recording=recordings(max_words=30), death_s=st.floats(0.0, 6.0))
def test_a_death_after_finish_changes_nothing(recording: Recording, death_s: float) -> None:
    """All the audio is there; the words are not yet."""

    async def scene() -> None:
        store, disk = MemoryStore(), Disk()
        slow = Listener(FakeRecognizer(RecognitionDials(delay_s=0.7)))
        async with desk_kit(store=store, disk=disk, recognizer=slow) as kit:
            session, _ = await kit.open()
            await session.push(as_bytes(recording.pcm))
            await session.finish()
            await asyncio.sleep(0.01 + death_s)
            left = copy.deepcopy((store, disk))
        async with desk_kit(store=left[0], disk=left[1]) as kit:
            await kit.desk.recover()
            await kit.ended()
            _check(await kit.records(session.id), recording)

    run(scene())


async def test_the_journal_on_disk_goes_on(tmp_path: Path) -> None:
    """The same over real files, with a clock that nobody jumps."""
    recording = recording_of([(30, 300)] * 40, stops=[9, 19, 39])
    audio = as_bytes(recording.pcm)
    store = MemoryStore()
    async with disk_journal(tmp_path) as journal, desk_kit(store=store, journal=journal) as kit:
        session, token = await kit.open()
        for at in range(0, len(audio) // 2, STEP):
            await session.push(audio[at : at + STEP])
        half = session.accepted_samples
        await until(lambda: session.durable_samples == half, timeout_s=30)
    async with disk_journal(tmp_path) as journal, desk_kit(store=store, journal=journal) as kit:
        assert await kit.desk.recover() == 1
        again = await kit.desk.resume(TENANT, Resume(session.id, token, half))
        assert again.durable_samples == half
        await again.push(audio[half * 2 :])
        await again.finish()
        await kit.ended()
        _check(await kit.records(session.id), recording)
        await kit.desk.delete(TENANT, session.id)
        assert await journal.size_bytes(TENANT, session.id) == 0
