"""A server that stops, or dies, and goes on: no word lost, doubled or changed."""

import asyncio
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier.protocol import Resume
from greffier_server.core.events import SessionFinished
from greffier_server.core.records import GENESIS, record_hash
from greffier_server.storage.memory import MemoryStore
from tests.support.desk import TENANT, Disk, as_bytes, desk_kit
from tests.support.recordings import Recording, committed_words, recordings
from tests.support.virtual_time import run

pytestmark = pytest.mark.integration


async def _speak_with_stops(
    recording: Recording, stops_ms: list[int], store: MemoryStore, disk: Disk
) -> str:
    """Speak at the pace of the clock; the server stops at `stops_ms` and is started again."""
    audio = as_bytes(recording.pcm)
    sent, session_id, token = 0, "", ""
    for stop_ms in [*sorted(stops_ms), recording.duration_ms + 1]:
        async with desk_kit(store=store, disk=disk) as kit:
            assert await kit.desk.recover() == (1 if session_id else 0)
            if session_id:
                holder = await kit.desk.resume(TENANT, Resume(session_id, token, 0))
            else:
                holder, token = await kit.open()
                session_id = holder.id
            sent = holder.durable_samples * 2
            while sent < min(len(audio), stop_ms * 32):
                await holder.push(audio[sent : sent + 3_200])
                sent += 3_200
                await asyncio.sleep(0.1)
            if stop_ms > recording.duration_ms:
                await holder.finish()
                await kit.ended()
    return session_id


@given(
    recording=recordings(max_words=40),
    stops=st.lists(st.integers(0, 20_000), max_size=3),
)
def test_stops_change_nothing(recording: Recording, stops: list[int]) -> None:
    store, disk = MemoryStore(), Disk()

    async def scene() -> None:
        inside = [stop for stop in stops if stop <= recording.duration_ms]
        session = await _speak_with_stops(recording, inside, store, disk)
        records = [record async for record in store.events(TENANT, session)]
        assert [word.text for word in committed_words(records)] == recording.texts
        assert isinstance(records[-1].event, SessionFinished)
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        before = GENESIS
        for record in records:
            assert record.prev_hash == before
            before = record_hash(record)
        assert bytes(disk.files[TENANT, session]) == as_bytes(recording.pcm)
        words = committed_words(records)
        assert all(a.start_ms <= b.start_ms for a, b in zip(words, words[1:], strict=False))

    run(scene())
