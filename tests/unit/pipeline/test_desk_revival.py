"""Sessions that cannot go on just now: they are tried again, and clients are told to wait."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from greffier.protocol import Resume
from greffier_server.core.events import ClientAttached, Recorded, SessionFinished
from greffier_server.errors import AuthenticationFailed, SessionClosed, StorageFailed
from greffier_server.pipeline.session import SessionLimits
from greffier_server.storage.failures import StorageUnavailable
from greffier_server.storage.memory import MemoryStore
from tests.support.desk import TENANT, Disk, as_bytes, desk_kit
from tests.support.recordings import committed_words, recording_of

pytestmark = [pytest.mark.unit, pytest.mark.virtual_time]

SPEECH = recording_of([(30, 300)] * 12, stops=[5])
AUDIO = as_bytes(SPEECH.pcm)


class _Unreadable(MemoryStore):
    """Events cannot be read while `broken`."""

    broken = False

    async def events(self, tenant: str, session: str, *, after: int = 0) -> AsyncIterator[Recorded]:
        if self.broken:
            raise StorageUnavailable("The disk reports errors.")
        async for record in super().events(tenant, session, after=after):
            yield record


async def test_a_session_left_behind_at_the_start_goes_on_by_itself() -> None:
    store, disk = _Unreadable(), Disk()
    async with desk_kit(store=store, disk=disk) as kit:
        session, _ = await kit.open()
        await session.push(AUDIO)
        await asyncio.sleep(0.1)
    store.broken = True
    async with desk_kit(store=store, disk=disk, limits=SessionLimits(grace_s=1.0)) as kit:
        assert await kit.desk.recover() == 0
        await asyncio.sleep(60)
        assert kit.desk.live_count == 0
        store.broken = False
        await asyncio.sleep(120)
        await kit.ended()
        assert (await kit.events(session.id))[-1] == SessionFinished("vanished")
        texts = [word.text for word in committed_words(await kit.records(session.id))]
        assert texts == SPEECH.texts


async def test_its_client_is_told_to_come_back_and_goes_on_at_once() -> None:
    store, disk = _Unreadable(), Disk()
    async with desk_kit(store=store, disk=disk) as kit:
        session, token = await kit.open()
        await session.push(AUDIO)
        await asyncio.sleep(0.1)
    store.broken = True
    async with desk_kit(store=store, disk=disk) as kit:
        assert await kit.desk.recover() == 0
        with pytest.raises(StorageFailed) as told:
            await kit.desk.resume(TENANT, Resume(session.id, token))
        assert told.value.retryable
        store.broken = False
        with pytest.raises(AuthenticationFailed):
            await kit.desk.resume(TENANT, Resume(session.id, "wrong"))
        again = await kit.desk.resume(TENANT, Resume(session.id, token, len(AUDIO) // 2))
        assert again.durable_samples == len(AUDIO) // 2
        await again.finish()
        await kit.ended()
        with pytest.raises(SessionClosed):
            await kit.desk.resume(TENANT, Resume(session.id, token))
        assert (await kit.events(session.id))[-1] == SessionFinished("finish")


async def test_two_clients_at_once_bring_back_one_session() -> None:
    store, disk = _Unreadable(), Disk()
    async with desk_kit(store=store, disk=disk) as kit:
        session, token = await kit.open()
    async with desk_kit(store=store, disk=disk) as kit:
        resume = Resume(session.id, token)
        await asyncio.gather(*(kit.desk.resume(TENANT, resume) for _ in range(4)))
        assert kit.desk.live_count == 1


async def test_a_session_that_failed_goes_on_from_its_journal() -> None:
    store, disk = MemoryStore(), Disk()
    async with desk_kit(store=store, disk=disk) as kit:
        session, token = await kit.open()
        await session.push(AUDIO)
        await asyncio.sleep(0.1)
        kit.refusals.append(_Unexpected("A fault of the program."))  # type: ignore[arg-type]
        await asyncio.sleep(2)
        kit.refusals.clear()
        await asyncio.sleep(20)
        assert kit.desk.live_count == 1
        again = await kit.resume(session, token, from_sample=0)
        await again.finish()
        await kit.ended()
        texts = [word.text for word in committed_words(await kit.records(session.id))]
        assert texts == SPEECH.texts


class _Unexpected(Exception):
    pass


async def test_a_client_that_resumes_while_no_event_can_be_stored_is_told() -> None:
    async with desk_kit() as kit:
        session, token = await kit.open()
        await session.push(AUDIO)
        await asyncio.sleep(0.1)
        kit.refusals.append(StorageUnavailable("The disk is full."))
        for _ in range(3):
            with pytest.raises(StorageUnavailable) as told:
                async with asyncio.timeout(20):
                    await kit.resume(session, token)
            assert told.value.retryable
            assert "disk is full" in told.value.message
        kit.refusals.clear()
        again = await kit.resume(session, token)
        await again.finish()
        await kit.ended()
        events = await kit.events(session.id)
        # The first client, the attempts (which left one event between them), and the last client.
        assert sum(isinstance(event, ClientAttached) for event in events) == 3
        assert events[-1] == SessionFinished("finish")
