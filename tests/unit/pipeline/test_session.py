"""Sessions as clients see them: attach, push, acks, finish, vanish, resume."""

import asyncio

import pytest

from greffier.protocol import AudioFormat
from greffier_models.fakes import FakeRecognizer, RecognitionDials
from greffier_server.core.events import (
    ClientAttached,
    ClientDetached,
    GapFound,
    InputEnded,
    SessionFinished,
)
from greffier_server.errors import (
    AuthenticationFailed,
    MisalignedAudio,
    SessionBusy,
    SessionClosed,
    SessionTakenOver,
    UnexpectedMessage,
)
from greffier_server.pipeline.session import SessionLimits
from tests.support.desk import TENANT, Disk, desk_kit
from tests.support.recordings import Listener, committed_words
from tests.support.spoken import AUDIO, SPEECH, all_acks, committed_texts, until_durable

pytestmark = [pytest.mark.unit, pytest.mark.virtual_time]


async def test_finish_flushes_every_word() -> None:
    async with desk_kit() as kit:
        session, _ = await kit.open()
        await session.push(AUDIO)
        await session.finish()
        await kit.ended()
        assert await committed_texts(kit, session) == SPEECH.texts
        events = await kit.events(session.id)
        assert events[-1] == SessionFinished("finish")
        assert InputEnded("finish", SPEECH.duration_ms) in events
        assert (TENANT, session.id) in kit.disk.sealed
        row = await kit.store.get(TENANT, session.id)
        assert row is not None
        assert (row.state, row.duration_ms) == ("finished", SPEECH.duration_ms)


async def test_finish_without_audio() -> None:
    async with desk_kit() as kit:
        session, _ = await kit.open()
        await session.finish()
        await kit.ended()
        assert (await kit.events(session.id))[-1] == SessionFinished("finish")


async def test_acks_grow_to_the_end_and_stop() -> None:
    async with desk_kit() as kit:
        session, _ = await kit.open()

        async def collect() -> list[int]:
            return [samples async for samples in session.acks()]

        acks = asyncio.create_task(collect())
        for at in range(0, len(AUDIO), 6_400):
            await session.push(AUDIO[at : at + 6_400])
            await asyncio.sleep(0.2)
        await session.finish()
        counts = await acks
        assert counts == sorted(set(counts))
        assert counts[-1] == len(AUDIO) // 2
        await kit.ended()


@pytest.mark.parametrize("size", [1, 3, 6_401])
async def test_audio_in_broken_frames_is_refused_whole(size: int) -> None:
    async with desk_kit() as kit:
        session, _ = await kit.open()
        with pytest.raises(MisalignedAudio):
            await session.push(AUDIO[:size])
        assert session.accepted_samples == 0
        await session.push(AUDIO)
        await session.push(b"")
        await session.finish()
        await kit.ended()
        assert await committed_texts(kit, session) == SPEECH.texts


async def test_nothing_can_be_added_after_finish() -> None:
    async with desk_kit() as kit:
        session, token = await kit.open()
        await session.push(AUDIO)
        await session.finish()
        with pytest.raises(SessionClosed):
            await session.push(AUDIO)
        with pytest.raises(SessionClosed):
            await kit.resume(session, token)
        await kit.ended()
        with pytest.raises(SessionClosed):
            await session.push(AUDIO)
        with pytest.raises(SessionClosed):
            await kit.resume(session, token)
        assert await committed_texts(kit, session) == SPEECH.texts


async def test_a_vanished_client_has_a_grace_time() -> None:
    limits = SessionLimits(grace_s=120)
    async with desk_kit(limits=limits) as kit:
        session, token = await kit.open()
        await session.push(AUDIO[: len(AUDIO) // 2])
        await session.detach("connection lost")
        await asyncio.sleep(119)
        back = await kit.resume(session, token)
        assert back.durable_samples == len(AUDIO) // 4
        await asyncio.sleep(130)
        await back.push(AUDIO[back.durable_samples * 2 :])
        await back.detach("connection lost")
        began = asyncio.get_running_loop().time()
        await kit.ended()
        assert 119 < asyncio.get_running_loop().time() - began < 122
        events = await kit.events(session.id)
        assert events[-1] == SessionFinished("vanished")
        assert [e.cause for e in events if isinstance(e, ClientDetached)] == ["connection lost"] * 2
        assert [e.from_sample for e in events if isinstance(e, ClientAttached)] == [
            0,
            len(AUDIO) // 4,
        ]
        assert await committed_texts(kit, session) == SPEECH.texts


async def test_a_silent_client_is_ended() -> None:
    async with desk_kit(limits=SessionLimits(idle_s=600)) as kit:
        session, _ = await kit.open()
        await session.push(AUDIO)
        await asyncio.sleep(599)
        assert kit.desk.live_count == 1
        await asyncio.sleep(2)
        assert kit.desk.live_count == 0
        assert (await kit.events(session.id))[-1] == SessionFinished("timeout")
        assert await committed_texts(kit, session) == SPEECH.texts


async def test_a_session_has_a_longest_time() -> None:
    async with desk_kit(limits=SessionLimits(max_hours=0.01, idle_s=600)) as kit:
        session, _ = await kit.open()
        await session.push(AUDIO)
        await asyncio.sleep(35)
        assert kit.desk.live_count == 1
        await asyncio.sleep(2)
        assert kit.desk.live_count == 0
        assert (await kit.events(session.id))[-1] == SessionFinished("limit")
        with pytest.raises(SessionClosed):
            await session.push(AUDIO)


async def test_the_newer_client_wins() -> None:
    async with desk_kit() as kit:
        old, token = await kit.open()
        half = len(AUDIO) // 2
        await old.push(AUDIO[:half])
        told = asyncio.create_task(all_acks(old))
        new = await kit.resume(old, token)
        with pytest.raises(SessionBusy):
            await old.push(AUDIO[half:])
        await old.finish()  # nothing: it is not its session any more
        await old.detach("late")
        with pytest.raises(SessionTakenOver) as lost:
            await told
        assert not lost.value.retryable  # two clients must not fight over it
        await new.push(AUDIO[new.durable_samples * 2 :])
        await new.finish()
        await kit.ended()
        assert await committed_texts(kit, new) == SPEECH.texts
        assert bytes(kit.disk.files[TENANT, new.id]) == AUDIO
        assert not [e for e in await kit.events(new.id) if isinstance(e, ClientDetached)]


async def test_a_takeover_waits_for_what_is_on_its_way_to_disk() -> None:
    """Else the new client would send again what the journal is just taking."""
    async with desk_kit(disk=Disk(slow_s=1.0)) as kit:
        old, token = await kit.open()
        await old.push(AUDIO[:6_400])
        await asyncio.sleep(0.1)
        await old.push(AUDIO[6_400:12_800])
        new = await kit.resume(old, token, from_sample=0)
        assert new.durable_samples == new.accepted_samples == 6_400
        await new.push(AUDIO[12_800:])
        await new.finish()
        await kit.ended()
        assert bytes(kit.disk.files[TENANT, new.id]) == AUDIO
        assert await committed_texts(kit, new) == SPEECH.texts


async def test_resume_asks_for_the_token() -> None:
    async with desk_kit() as kit:
        session, token = await kit.open()
        with pytest.raises(AuthenticationFailed):
            await kit.resume(session, token + "x")
        with pytest.raises(AuthenticationFailed):
            await kit.resume(session, "")
        await session.push(AUDIO)  # the first client still holds it
        await session.finish()
        await kit.ended()
        with pytest.raises(AuthenticationFailed):
            await kit.resume(session, "wrong")


@pytest.mark.parametrize("from_sample", [-1, 3_601 * 16_000])
async def test_resume_from_nowhere(from_sample: int) -> None:
    async with desk_kit() as kit:
        session, token = await kit.open()
        with pytest.raises(UnexpectedMessage):
            await kit.resume(session, token, from_sample=from_sample)
        await session.push(AUDIO)
        await session.finish()
        await kit.ended()


async def test_back_pressure() -> None:
    slow = Listener(FakeRecognizer(RecognitionDials(delay_s=1_000.0)))
    async with desk_kit(recognizer=slow, limits=SessionLimits(buffer_ms=3_000)) as kit:
        session, token = await kit.open()
        second = AUDIO[:32_000]
        taken = 0

        async def speak() -> None:
            nonlocal taken
            while True:
                await session.push(second)
                taken += 1

        speaking = asyncio.create_task(speak())
        await asyncio.sleep(100)
        assert 3 <= taken <= 5  # a decode is under way: what it has looked at makes room
        held = taken
        await asyncio.sleep(800)
        assert taken == held
        assert kit.desk.live_count == 1  # made to wait, not idle
        new = await kit.resume(session, token)
        with pytest.raises(SessionBusy):
            await speaking
        await new.detach("gone")


@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_f32le", "mulaw", "alaw"])
@pytest.mark.parametrize("channels", [1, 3])
async def test_skipped_audio_is_silence_and_a_gap(encoding: str, channels: int) -> None:
    form = AudioFormat(encoding=encoding, rate=16_000, channels=channels)  # type: ignore[arg-type]
    async with desk_kit() as kit:
        session, token = await kit.open(format=form)
        await session.push(bytes(form.frame_bytes) * 16_000)
        await session.detach("lost")
        new = await kit.resume(session, token, from_sample=16_000 * 31)
        assert new.accepted_samples == 16_000 * 31
        await until_durable(new, 16_000 * 31)
        await new.finish()
        await kit.ended()
        events = await kit.events(session.id)
        assert [e for e in events if isinstance(e, GapFound)] == [
            GapFound(1_000, 31_000, "client_lost_audio")
        ]
        assert InputEnded("finish", 31_000) in events
        quiet = {"pcm_s16le": b"\0", "pcm_f32le": b"\0", "mulaw": b"\xff", "alaw": b"\xd5"}
        assert (
            bytes(kit.disk.files[TENANT, session.id])[form.frame_bytes * 16_000 :]
            == quiet[encoding] * form.frame_bytes * 16_000 * 30
        )


async def test_a_long_gap_passes_through_the_bounded_buffer() -> None:
    async with desk_kit(limits=SessionLimits(buffer_ms=5_000)) as kit:
        session, token = await kit.open()
        await session.detach("lost")
        new = await kit.resume(session, token, from_sample=16_000 * 600)
        assert new.accepted_samples - new.durable_samples <= 16_000 * 6
        await new.push(AUDIO)
        await new.finish()
        await kit.ended()
        words = committed_words(await kit.records(session.id))
        assert [word.text for word in words] == SPEECH.texts
        assert words[0].start_ms == 600_000 + SPEECH.words[0].start_ms
