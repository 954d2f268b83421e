"""The desk: opening, admission, deletion, stopping and going on."""

import asyncio
from dataclasses import replace

import pytest

from greffier.protocol import AudioFormat, Resume
from greffier_models.fakes import FakeRecognizer, RecognitionDials
from greffier_server.core.events import ClientDetached, Recorded, SessionFinished, StageFailed
from greffier_server.errors import (
    ServerBusy,
    SessionBusy,
    SessionClosed,
    SessionNotFound,
    StorageFailed,
    UnknownLanguage,
    UnsupportedAudio,
)
from greffier_server.storage.memory import MemoryStore
from tests.support.desk import TENANT, Disk, as_bytes, desk_kit, until
from tests.support.recordings import Listener, committed_words, recording_of

pytestmark = [pytest.mark.unit, pytest.mark.virtual_time]

SPEECH = recording_of([(30, 300)] * 20, stops=[9, 19])
AUDIO = as_bytes(SPEECH.pcm)


@pytest.mark.parametrize(
    "start",
    [
        {"language": "xx"},
        {"language": ""},
        {"translate_to": ("klingon",)},
        {"translate_to": ("en", "en")},
        {"minutes_language": "??"},
        {"translate_to": ("en", "de", "es", "it", "pt", "nl", "pl", "ru", "uk")},
    ],
)
async def test_unknown_languages_are_refused_before_anything_is_kept(
    start: dict[str, object],
) -> None:
    async with desk_kit() as kit:
        with pytest.raises(UnknownLanguage):
            await kit.open(**start)
        assert kit.desk.live_count == 0
        assert await kit.store.list(TENANT) == []


@pytest.mark.parametrize(
    "form", [AudioFormat(rate=7_999), AudioFormat(rate=192_001), AudioFormat(channels=9)]
)
async def test_unusable_audio_is_refused(form: AudioFormat) -> None:
    async with desk_kit() as kit:
        with pytest.raises(UnsupportedAudio):
            await kit.open(format=form)


async def test_admission() -> None:
    async with desk_kit(max_sessions=2) as kit:
        results = await asyncio.gather(*(kit.open() for _ in range(5)), return_exceptions=True)
        assert sum(isinstance(result, ServerBusy) for result in results) == 3
        assert kit.desk.live_count == 2
        await next(result[0] for result in results if isinstance(result, tuple)).finish()
        await until(lambda: kit.desk.live_count == 1)
        await kit.open()


async def test_a_disk_that_is_full_at_the_start_leaves_no_session_behind() -> None:
    async with desk_kit(disk=Disk(full=True)) as kit:
        with pytest.raises(StorageFailed):
            await kit.open()
        assert await kit.store.list(TENANT) == []
        assert kit.desk.live_count == 0


async def test_a_lost_database_at_the_start_is_told_at_once() -> None:
    async with desk_kit() as kit:
        kit.refusals.append(StorageFailed("The database is gone."))
        with pytest.raises(StorageFailed):
            await kit.open()
        assert await kit.store.list(TENANT) == []


async def test_followers_of_live_and_stored_sessions_see_the_same() -> None:
    async with desk_kit() as kit:
        session, _ = await kit.open()
        live = asyncio.create_task(_follow(kit.desk.follow(TENANT, session.id)))
        await session.push(AUDIO)
        await session.finish()
        await kit.ended()
        seen = [record for record in await live if record.event.durable]
        assert seen == await _follow(kit.desk.follow(TENANT, session.id))
        assert seen[3:] == await _follow(kit.desk.follow(TENANT, session.id, after=3))
        assert isinstance(seen[-1].event, SessionFinished)


async def _follow(records: object) -> list[Recorded]:
    return [record async for record in records]  # type: ignore[attr-defined]


async def test_no_session_of_that_name() -> None:
    async with desk_kit() as kit:
        session, token = await kit.open()
        with pytest.raises(SessionNotFound):
            await _follow(kit.desk.follow(TENANT, "nothing"))
        with pytest.raises(SessionNotFound):
            await _follow(kit.desk.follow("other", session.id))
        with pytest.raises(SessionNotFound):
            await kit.desk.delete(TENANT, "nothing")
        with pytest.raises(SessionNotFound):
            await kit.desk.delete("other", session.id)
        session_of_other = replace(_resume(session.id, token), session="nothing")
        with pytest.raises(SessionNotFound):
            await kit.desk.resume(TENANT, session_of_other)
        with pytest.raises(SessionNotFound):
            await kit.desk.resume("other", _resume(session.id, token))


def _resume(session: str, token: str) -> Resume:
    return Resume(session, token)


async def test_a_live_session_is_deleted_whole() -> None:
    async with desk_kit() as kit:
        session, _ = await kit.open()
        follower = asyncio.create_task(_follow(kit.desk.follow(TENANT, session.id)))
        await session.push(AUDIO)
        await asyncio.sleep(1)
        await kit.desk.delete(TENANT, session.id)
        assert kit.desk.live_count == 0
        assert await kit.store.get(TENANT, session.id) is None
        assert kit.disk.files == {}
        assert await follower
        with pytest.raises((SessionClosed, SessionBusy, StorageFailed)):
            await session.push(AUDIO)
        with pytest.raises(SessionNotFound):
            await kit.desk.delete(TENANT, session.id)


async def test_a_stored_session_is_deleted_whole() -> None:
    async with desk_kit() as kit:
        session, _ = await kit.open()
        await session.push(AUDIO)
        await session.finish()
        await kit.ended()
        await kit.desk.delete(TENANT, session.id)
        assert await kit.store.get(TENANT, session.id) is None
        assert kit.disk.files == {}


async def test_a_stopped_server_takes_no_session_and_hands_over_the_others() -> None:
    store = MemoryStore()
    async with desk_kit(store=store) as kit:
        session, _ = await kit.open()
        await session.push(AUDIO)
        await kit.desk.close()
        with pytest.raises(ServerBusy):
            await kit.open()
        assert kit.desk.live_count == 0
        events = await kit.events(session.id)
        assert ClientDetached("server_stopped") in events
        assert not [event for event in events if isinstance(event, SessionFinished)]
        assert [row.session for row in await store.unfinished()] == [session.id]


async def test_a_server_without_its_database_can_still_be_stopped() -> None:
    async with desk_kit() as kit:
        session, _ = await kit.open()
        kit.refusals.append(StorageFailed("The database is gone."))
        await session.push(AUDIO)
        await asyncio.sleep(3)
        async with asyncio.timeout(10):
            await kit.desk.close()
        assert kit.desk.live_count == 0


async def test_undecoded_audio_is_decoded_after_a_restart() -> None:
    store, disk = MemoryStore(), Disk()
    stuck = Listener(FakeRecognizer(RecognitionDials(delay_s=10_000)))
    async with desk_kit(store=store, disk=disk, recognizer=stuck) as kit:
        session, _ = await kit.open()
        await session.push(AUDIO)
        await asyncio.sleep(5)
        assert committed_words(await kit.records(session.id)) == []
    async with desk_kit(store=store, disk=disk) as kit:
        assert await kit.desk.recover() == 1
        await kit.ended()
        events = await kit.events(session.id)
        assert events[-1] == SessionFinished("vanished")
        texts = [word.text for word in committed_words(await kit.records(session.id))]
        assert texts == SPEECH.texts
        assert await kit.desk.recover() == 0


async def test_work_left_after_the_input_ended_is_done_after_a_restart() -> None:
    store, disk = MemoryStore(), Disk()
    stuck = Listener(FakeRecognizer(RecognitionDials(delay_s=10_000)))
    async with desk_kit(store=store, disk=disk, recognizer=stuck) as kit:
        session, token = await kit.open()
        await session.push(AUDIO)
        await session.finish()
        await asyncio.sleep(5)
    async with desk_kit(store=store, disk=disk) as kit:
        assert await kit.desk.recover() == 1
        with pytest.raises(SessionClosed):
            await kit.desk.resume(TENANT, Resume(session.id, token))
        await kit.ended()
        events = await kit.events(session.id)
        assert events[-1] == SessionFinished("finish")
        texts = [word.text for word in committed_words(await kit.records(session.id))]
        assert texts == SPEECH.texts


async def test_a_session_that_cannot_go_on_does_not_hold_up_the_others() -> None:
    class Damaged(MemoryStore):
        broken = ""

        def events(self, tenant: str, session: str, *, after: int = 0):  # type: ignore[no-untyped-def]
            if session == self.broken:
                raise StorageFailed("This session cannot be read.")
            return super().events(tenant, session, after=after)

    store, disk = Damaged(), Disk()
    async with desk_kit(store=store, disk=disk) as kit:
        first, _ = await kit.open()
        second, _ = await kit.open()
    store.broken = first.id
    async with desk_kit(store=store, disk=disk) as kit:
        assert await kit.desk.recover() == 1
        await kit.ended()
        assert (await kit.events(second.id))[-1] == SessionFinished("vanished")


async def test_a_row_without_events_is_removed() -> None:
    store = MemoryStore()
    async with desk_kit(store=store) as kit:
        session, _ = await kit.open()
        row = await store.get(TENANT, session.id)
    assert row is not None
    await store.create(replace(row, session="empty", last_seq=0, state="open"))
    async with desk_kit(store=store) as kit:
        assert await kit.desk.recover() == 1
        assert await store.get(TENANT, "empty") is None


async def test_translation_without_a_language_model_is_said_once() -> None:
    store, disk = MemoryStore(), Disk()
    async with desk_kit(store=store, disk=disk) as kit:
        session, _ = await kit.open(translate_to=("en",))
        await asyncio.sleep(1)
    async with desk_kit(store=store, disk=disk) as kit:
        await kit.desk.recover()
        await kit.ended()
        failures = [e for e in await kit.events(session.id) if isinstance(e, StageFailed)]
        assert [failure.code for failure in failures] == ["no_language_model"]
