"""Sessions over a disk that is full or lost audio, and over a database that is gone."""

import asyncio

import pytest

from greffier.protocol import AudioFormat
from greffier_models.fakes import FakeRecognizer, RecognitionDials
from greffier_server.core.events import (
    GapFound,
    SessionFinished,
)
from greffier_server.core.state import fold
from greffier_server.errors import (
    StorageFailed,
)
from tests.support.desk import TENANT, Disk, as_bytes, desk_kit
from tests.support.recordings import Listener, committed_words, recording_of
from tests.support.spoken import AUDIO, SPEECH, all_acks, committed_texts, until_durable

pytestmark = [pytest.mark.unit, pytest.mark.virtual_time]


async def test_a_full_disk_is_told_and_a_later_client_goes_on() -> None:
    async with desk_kit() as kit:
        session, token = await kit.open()
        half = len(AUDIO) // 2 // 2 * 2
        await session.push(AUDIO[:half])
        await until_durable(session, half // 2)
        kit.disk.full = True
        acks = asyncio.create_task(all_acks(session))
        await session.push(AUDIO[half:])
        with pytest.raises(StorageFailed):
            await acks
        with pytest.raises(StorageFailed):
            await session.push(AUDIO[half:])
        assert session.durable_samples == session.accepted_samples == half // 2
        await session.detach("storage_failed")
        kit.disk.full = False
        new = await kit.resume(session, token)
        assert new.durable_samples == half // 2
        await new.push(AUDIO[half:])
        await new.finish()
        await kit.ended()
        assert await committed_texts(kit, session) == SPEECH.texts
        assert bytes(kit.disk.files[TENANT, session.id]) == AUDIO


async def test_finish_before_the_disk_filled_up_is_taken_back() -> None:
    async with desk_kit() as kit:
        session, token = await kit.open()
        kit.disk.full = True
        await session.push(AUDIO)
        await session.finish()
        with pytest.raises(StorageFailed):
            await all_acks(session)
        await session.detach("storage_failed")
        kit.disk.full = False
        new = await kit.resume(session, token)
        assert new.durable_samples == 0
        await new.push(AUDIO)
        await new.finish()
        await kit.ended()
        assert await committed_texts(kit, session) == SPEECH.texts


async def test_finish_behind_audio_that_was_not_kept_ends_nothing() -> None:
    async with desk_kit() as kit:
        session, token = await kit.open()
        kit.disk.full = True
        await session.push(AUDIO)
        with pytest.raises(StorageFailed):
            await all_acks(session)
        with pytest.raises(StorageFailed):  # it was on its way when the disk said no
            await session.finish()
        await session.detach("storage_failed")
        kit.disk.full = False
        new = await kit.resume(session, token)
        await new.push(AUDIO)
        await new.finish()
        await kit.ended()
        assert await committed_texts(kit, session) == SPEECH.texts


async def test_after_a_finish_taken_back_the_grace_time_holds() -> None:
    async with desk_kit() as kit:
        session, _ = await kit.open()
        kit.disk.full = True
        await session.push(AUDIO)
        await session.finish()
        await asyncio.sleep(1)
        await session.detach("storage_failed")
        await kit.ended()
        assert (await kit.events(session.id))[-1] == SessionFinished("vanished")


async def test_audio_that_cannot_be_sealed_is_recognised_all_the_same() -> None:
    async with desk_kit() as kit:
        session, _ = await kit.open()
        await session.push(AUDIO)
        await until_durable(session, len(AUDIO) // 2)
        kit.disk.full = True
        await session.finish()
        await asyncio.sleep(5)
        assert await committed_texts(kit, session) == SPEECH.texts
        kit.disk.full = False
        await kit.ended()
        assert (TENANT, session.id) in kit.disk.sealed
        assert (await kit.events(session.id))[-1] == SessionFinished("finish")


async def test_a_lost_database_holds_the_session_up() -> None:
    async with desk_kit() as kit:
        session, _ = await kit.open()
        kit.refusals.append(StorageFailed("The database is gone."))
        await session.push(AUDIO)
        await session.finish()
        await asyncio.sleep(60)
        assert await committed_texts(kit, session) == []
        assert kit.desk.live_count == 1
        kit.refusals.clear()
        await kit.ended()
        assert await committed_texts(kit, session) == SPEECH.texts


async def test_a_client_cut_off_while_its_event_is_stored_leaves_a_sound_log() -> None:
    async with desk_kit() as kit:
        session, token = await kit.open()
        kit.refusals.append(StorageFailed("The database is gone."))
        resuming = asyncio.create_task(kit.resume(session, token))
        await asyncio.sleep(0.5)
        resuming.cancel()
        await asyncio.wait([resuming])
        kit.refusals.clear()
        await asyncio.sleep(3)
        back = await kit.resume(session, token)
        await back.push(AUDIO)
        await back.finish()
        await kit.ended()
        records = await kit.records(session.id)
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        assert fold(records).finished is not None
        assert await committed_texts(kit, session) == SPEECH.texts


async def test_a_torn_frame_is_completed() -> None:
    form = AudioFormat(channels=2)
    pair = as_bytes(SPEECH.pcm.repeat(2))
    disk = Disk()
    async with desk_kit(disk=disk) as kit:
        session, token = await kit.open(format=form)
        await session.push(pair[: 4 * 3_000])
        await until_durable(session, 3_000)
        store = kit.store
    disk.files[TENANT, session.id] = disk.files[TENANT, session.id][:-1]
    async with desk_kit(disk=disk, store=store) as kit:
        await kit.desk.recover()
        new = await kit.resume(session, token, from_sample=0)
        await new.push(pair[4 * 2_999 :][: 4 * 8_001])
        await new.finish()
        await kit.ended()
        kept = bytes(disk.files[TENANT, session.id])
        assert len(kept) % 4 == 0
        assert kept.endswith(pair[4 * 2_999 :][: 4 * 8_001])


async def test_audio_the_disk_lost_is_a_gap_and_keeps_later_words_in_place() -> None:
    speech = recording_of([(30, 300)] * 60)
    audio = as_bytes(speech.pcm)
    disk = Disk()
    silent = Listener(FakeRecognizer(RecognitionDials(delay_s=10_000)))
    async with desk_kit(disk=disk, recognizer=silent) as kit:
        session, token = await kit.open()
        await session.push(audio)
        await until_durable(session, len(audio) // 2)
        store = kit.store
    lost = speech.words[20]
    disk.unreadable = (lost.start_ms * 32 + 8, lost.end_ms * 32 - 8)
    async with desk_kit(disk=disk, store=store, recognizer=silent) as kit:
        await kit.desk.recover()
        await asyncio.sleep(30)  # read, and not decoded: it is read again at the next start
        assert any(isinstance(event, GapFound) for event in await kit.events(session.id))
    async with desk_kit(disk=disk, store=store) as kit:
        await kit.desk.recover()
        await (await kit.resume(session, token)).finish()
        await kit.ended()
        (gap,) = [e for e in await kit.events(session.id) if isinstance(e, GapFound)]
        assert gap.cause == "audio_damaged"
        assert lost.start_ms - 100 <= gap.from_ms <= lost.start_ms
        assert lost.end_ms <= gap.to_ms <= lost.end_ms + 100
        words = committed_words(await kit.records(session.id))
        known = {word.text: word.start_ms for word in speech.words}
        whole = [word for word in words if word.text in known]
        assert len(whole) >= 56
        assert all(known[word.text] == word.start_ms for word in whole)
