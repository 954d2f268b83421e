"""Laws of separate channels: every word once, under its speaker, whatever the others say."""

import asyncio
import copy

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from greffier.protocol import AudioFormat, Resume
from greffier_models.fakes import FakeRecognizer, RecognitionDials
from greffier_server.core.channels import speaker_names
from greffier_server.core.events import (
    InputEnded,
    RecognitionFinished,
    Recorded,
    SessionFinished,
    SessionStarted,
)
from greffier_server.storage.memory import MemoryStore
from tests.support.channels import (
    Conversation,
    check_segments,
    conversation_of,
    words_by_speaker,
)
from tests.support.desk import TENANT, Disk, desk_kit
from tests.support.recordings import Listener, recording_of, recordings
from tests.support.virtual_time import run

pytestmark = pytest.mark.property

NAMES = ("Claire", "", "Nour")


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    count = draw(st.integers(1, 3))
    return conversation_of(*(draw(recordings(max_words=12)) for _ in range(count)))


def _check(records: list[Recorded], conversation: Conversation) -> None:
    started = records[0].event
    assert isinstance(started, SessionStarted)
    names = speaker_names(started)
    said = {
        name: [word.text for word in words] for name, words in words_by_speaker(records).items()
    }
    assert said == conversation.texts(names)
    check_segments(records)
    kinds = [type(record.event) for record in records]
    for once in (InputEnded, RecognitionFinished, SessionFinished):
        assert kinds.count(once) == 1
    assert kinds[-2:] == [RecognitionFinished, SessionFinished]


@given(
    conversation=conversations(),
    delay_s=st.sampled_from([0.0, 0.3]),
    chunk_ms=st.sampled_from([37, 100, 1_000]),
)
@example(conversation=conversation_of(recording_of([]), recording_of([])), delay_s=0, chunk_ms=100)
def test_every_word_is_committed_once_under_its_speaker(
    conversation: Conversation, delay_s: float, chunk_ms: int
) -> None:
    async def scene() -> None:
        slow = Listener(FakeRecognizer(RecognitionDials(delay_s=delay_s)))
        async with desk_kit(recognizer=slow) as kit:
            count = len(conversation.channels)
            session, _ = await kit.open(
                format=AudioFormat(channels=count), channels="separate", speakers=NAMES[:count]
            )
            step = chunk_ms * 32 * count
            for at in range(0, len(conversation.audio), step):
                await session.push(conversation.audio[at : at + step])
                await asyncio.sleep(chunk_ms / 1000)
            await session.finish()
            await kit.ended()
            _check(await kit.records(session.id), conversation)

    run(scene())


@given(
    conversation=conversations(),
    stops=st.lists(st.tuples(st.integers(0, 12_000), st.booleans()), max_size=3),
    delay_s=st.sampled_from([0.0, 0.3]),
)
@example(
    conversation=conversation_of(
        recording_of([(30, 300)] * 30), recording_of([(5_000, 300)] + [(30, 300)] * 9)
    ),
    stops=[(4_000, True), (6_100, True), (7_000, False)],
    delay_s=0.3,
)
def test_stops_and_deaths_change_nothing(
    conversation: Conversation, stops: list[tuple[int, bool]], delay_s: float
) -> None:
    count = len(conversation.channels)

    async def scene() -> None:
        store, disk = MemoryStore(), Disk()
        session_id = token = ""
        for until_ms, killed in [*sorted(stops), (None, False)]:
            left = store, disk
            slow = Listener(FakeRecognizer(RecognitionDials(delay_s=delay_s)))
            async with desk_kit(store=store, disk=disk, recognizer=slow) as kit:
                assert await kit.desk.recover() == (1 if session_id else 0)
                if session_id:
                    holder = await kit.desk.resume(TENANT, Resume(session_id, token, 0))
                else:
                    holder, token = await kit.open(
                        format=AudioFormat(channels=count),
                        channels="separate",
                        speakers=NAMES[:count],
                    )
                    session_id = holder.id
                sent, step = holder.durable_samples * 2 * count, 3_200 * count
                end = len(conversation.audio) if until_ms is None else until_ms * 32 * count
                while sent < min(end, len(conversation.audio)):
                    await holder.push(conversation.audio[sent : sent + step])
                    sent += step
                    await asyncio.sleep(0.1)
                if until_ms is None:
                    await holder.finish()
                    await kit.ended()
                if killed:  # what was on disk at this instant is all that is left
                    left = copy.deepcopy((store, disk))
            store, disk = left
        records = [record async for record in store.events(TENANT, session_id)]
        _check(records, conversation)
        assert bytes(disk.files[TENANT, session_id]) == conversation.audio

    run(scene())
