"""Sessions whose channels are speakers: one log, one pace, one end; and what silence costs."""

import asyncio
import itertools
from collections.abc import Sequence

import pytest

from greffier.protocol import AudioFormat, Caption
from greffier_models.errors import EngineUnavailable
from greffier_models.fakes import FakeRecognizer, FakeVad, FakeVadStream, RecognitionDials
from greffier_models.types import AudioWindow, Hypothesis, Pcm, RecognitionOptions
from greffier_server.core.events import (
    GapFound,
    InputEnded,
    QualityChanged,
    RecognitionFinished,
    Recorded,
    SilencePassed,
    StageFailed,
)
from greffier_server.core.state import fold
from greffier_server.errors import MalformedMessage, UnsupportedAudio
from greffier_server.pipeline.session import SessionLimits
from greffier_server.storage.memory import MemoryStore
from greffier_server.transport.wire import WireMapping
from tests.support.channels import (
    Conversation,
    check_segments,
    conversation_of,
    words_by_speaker,
)
from tests.support.desk import DeskKit, Disk, desk_kit, until
from tests.support.recordings import Listener, recording_of

pytestmark = [pytest.mark.unit, pytest.mark.virtual_time]

TALK = conversation_of(
    recording_of([(30, 300)] * 20, stops=[9, 19]),
    recording_of([(1_000, 300), *[(50, 250)] * 15], stops=[7]),
)
"""Both speak at once most of the time."""


async def _hold(kit: DeskKit, talk: Conversation, *, real_time: bool = False) -> list[Recorded]:
    """A whole session over `talk`; its records."""
    count = len(talk.channels)
    session, _ = await kit.open(
        format=AudioFormat(channels=count), channels="separate", speakers=("Claire", "Nour")[:count]
    )
    step = 3_200 * count
    for at in range(0, len(talk.audio), step):
        await session.push(talk.audio[at : at + step])
        if real_time:
            await asyncio.sleep(0.1)
    await session.finish()
    await kit.ended()
    return await kit.records(session.id)


def _texts(records: Sequence[Recorded]) -> dict[str, list[str]]:
    said = words_by_speaker(records)
    return {name: [word.text for word in words] for name, words in said.items()}


async def test_both_are_heard_when_they_speak_at_once() -> None:
    async with desk_kit() as kit:
        records = await _hold(kit, TALK)
    assert _texts(records) == TALK.texts(("Claire", "Nour"))
    check_segments(records)
    events = [record.event for record in records]
    assert events.count(RecognitionFinished()) == 1
    assert events.count(InputEnded("finish", TALK.duration_ms)) == 1
    state = fold(records)
    assert {segment.channel for segment in state.segments.values()} == {1, 2}
    first, second = state.in_order()[:2]
    assert (first.speaker, second.speaker) == ("Claire", "Nour")
    assert first.start_ms < second.start_ms < first.end_ms, "overlap is what this is about"


async def test_who_has_no_name_has_a_number() -> None:
    async with desk_kit() as kit:
        session, _ = await kit.open(format=AudioFormat(channels=2), channels="separate")
        await session.push(TALK.audio)
        await session.finish()
        await kit.ended()
        assert _texts(await kit.records(session.id)) == TALK.texts(("1", "2"))


async def test_channels_are_mixed_where_nothing_is_asked() -> None:
    one = conversation_of(recording_of([(30, 300)] * 5), recording_of([]))
    async with desk_kit() as kit:
        session, _ = await kit.open(format=AudioFormat(channels=2))
        await session.push(one.audio)
        await session.finish()
        await kit.ended()
        state = fold(await kit.records(session.id))
    assert {s.speaker for s in state.segments.values()} <= {None}
    assert {s.channel for s in state.segments.values()} <= {0}


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"speakers": ("A",)}, MalformedMessage, "separate"),
        ({"channels": "separate", "speakers": ("A", "B", "C")}, MalformedMessage, "more names"),
        ({"channels": "separate", "speakers": ("A" * 101,)}, MalformedMessage, "100"),
        ({"channels": "separate", "format": AudioFormat(channels=9)}, UnsupportedAudio, "1 to 8"),
    ],
)
async def test_what_cannot_be_is_refused(
    options: dict[str, object], error: type[Exception], named: str
) -> None:
    async with desk_kit() as kit:
        with pytest.raises(error, match=named):
            await kit.open(**{"format": AudioFormat(channels=2), **options})
        assert not kit.desk.live_count


async def test_a_silent_channel_costs_voice_activity_only_and_is_not_heard_again() -> None:
    quiet_ms = 150_000
    talk = conversation_of(
        recording_of([(30, 300)] * 10, end_ms=quiet_ms), recording_of([], end_ms=quiet_ms)
    )
    listener, store, disk = Listener(), MemoryStore(), Disk()
    async with desk_kit(recognizer=listener, store=store, disk=disk) as kit:
        session, token = await kit.open(format=AudioFormat(channels=2), channels="separate")
        for at in range(0, len(talk.audio), 64_000):
            await session.push(talk.audio[at : at + 64_000])
            await asyncio.sleep(0.5)
        await until(lambda: _silences(session.log.records)[2:], timeout_s=60)
        marks = _silences(session.log.records)
    assert listener.windows
    assert all(window.pcm.any() for window in listener.windows), "nobody asks what silence says"
    assert {mark.channel for mark in marks} == {1, 2}
    assert all(0 < mark.to_ms < quiet_ms + 4_000 for mark in marks)
    vad = _CountingVad()
    async with desk_kit(store=store, disk=disk, vad=vad) as kit:
        await kit.desk.recover()
        await (await kit.resume(session, token)).finish()
        await kit.ended()
        assert _texts(await kit.records(session.id)) == {"1": talk.channels[0].texts}
    assert len(vad.streams) == 2
    assert all(stream.samples < 16_000 * 80 for stream in vad.streams), "a minute, not all of it"


def _silences(records: Sequence[Recorded]) -> list[SilencePassed]:
    return [record.event for record in records if isinstance(record.event, SilencePassed)]


class _CountingStream(FakeVadStream):
    samples = 0

    def push(self, pcm: Pcm) -> Sequence[float]:
        self.samples += len(pcm)
        return super().push(pcm)


class _CountingVad(FakeVad):
    """Knows how much its streams were given."""

    def __init__(self) -> None:
        self.streams: list[_CountingStream] = []

    def open(self) -> FakeVadStream:
        self.streams.append(_CountingStream(self.frame_ms * 16))
        return self.streams[-1]


async def test_quality_is_one_for_all_channels() -> None:
    long = conversation_of(recording_of([(30, 300)] * 90), recording_of([(30, 300)] * 90))
    slow = Listener(FakeRecognizer(RecognitionDials(delay_s=4.0)))
    async with desk_kit(recognizer=slow) as kit:
        records = await _hold(kit, long, real_time=True)
    levels = [r.event.level for r in records if isinstance(r.event, QualityChanged)]
    assert levels
    assert all(a != b for a, b in itertools.pairwise(levels))
    assert _texts(records) == long.texts(("Claire", "Nour"))


async def test_a_failure_of_the_engine_is_told_once_and_a_loss_is_its_channels() -> None:
    class Broken(Listener):
        async def transcribe(
            self,
            window: AudioWindow,
            options: RecognitionOptions,
            *,
            deadline_ms: int = 0,
            priority: int = 0,
            stream: tuple[str, str] = ("", ""),
        ) -> Hypothesis:
            raise EngineUnavailable("Gone.")

    async with desk_kit(recognizer=Broken()) as kit:
        records = await _hold(kit, TALK)
    events = [record.event for record in records]
    assert len([event for event in events if isinstance(event, StageFailed)]) == 1
    gaps = [event for event in events if isinstance(event, GapFound)]
    assert {gap.channel for gap in gaps} == {1, 2}
    assert events.count(RecognitionFinished()) == 1
    mapping = WireMapping()
    messages = [message for record in records for message in mapping.messages(record)]
    said = {getattr(message, "speaker", None) for message in messages if hasattr(message, "cause")}
    assert said == {"Claire", "Nour"}


async def test_tails_of_all_channels_are_shown_under_their_speakers() -> None:
    async with desk_kit() as kit:
        session, _ = await kit.open(
            format=AudioFormat(channels=2), channels="separate", speakers=("Claire", "Nour")
        )
        shown: dict[int, tuple[str | None, set[str]]] = {}

        async def read() -> None:
            mapping = WireMapping()
            async for record in session.log.follow():
                for message in mapping.messages(record):
                    if isinstance(message, Caption) and message.tail:
                        speaker, tails = shown.setdefault(message.segment, (message.speaker, set()))
                        assert speaker == message.speaker
                        tails.add(message.tail)

        reading = asyncio.create_task(read())
        for at in range(0, len(TALK.audio), 6_400):
            await session.push(TALK.audio[at : at + 6_400])
            await asyncio.sleep(0.1)
        await session.finish()
        await reading
    letters = {
        speaker: {word[0] for tail in tails for word in tail.split()}
        for speaker, tails in shown.values()
    }
    assert letters == {"Claire": {"a"}, "Nour": {"b"}}


async def test_the_slowest_channel_holds_the_client_back() -> None:
    class Deaf(Listener):
        """Never answers on the second channel."""

        async def transcribe(
            self,
            window: AudioWindow,
            options: RecognitionOptions,
            *,
            deadline_ms: int = 0,
            priority: int = 0,
            stream: tuple[str, str] = ("", ""),
        ) -> Hypothesis:
            heard = await super().transcribe(
                window, options, deadline_ms=deadline_ms, priority=priority, stream=stream
            )
            if any(word.text.startswith(" b") for word in heard.words):
                await asyncio.sleep(1_000_000)
            return heard

    limits = SessionLimits(buffer_ms=2_000)
    async with desk_kit(recognizer=Deaf(), limits=limits) as kit:
        session, _ = await kit.open(format=AudioFormat(channels=2), channels="separate")
        await session.push(TALK.audio)
        more = asyncio.create_task(session.push(b"\0" * 4))
        await asyncio.sleep(100)
        assert not more.done()
        more.cancel()
        await asyncio.gather(more, return_exceptions=True)
