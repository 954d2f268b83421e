"""However the input ends, the last word is written and translated, and the minutes are complete.

Real Whisper over real speech whose last word is known; the language model is slow on purpose.
"""

import asyncio
import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import pytest
import pytest_asyncio

from benchmarks.accuracy import normalise
from benchmarks.crashes.passages import ENGLISH, passages
from greffier_models.fakes import FakeGenerator, TextDials
from greffier_models.runtime import RecognitionRuntime
from greffier_models.silero import load_silero
from greffier_models.whisper.engine import load_whisper
from greffier_server.core.events import (
    Event,
    InputEnded,
    MinutesWritten,
    RecognitionFinished,
    SegmentClosed,
    SegmentTranslated,
    SessionFinished,
    StageFailed,
)
from greffier_server.pipeline.building import Engines
from greffier_server.pipeline.ports import SpeakingSession
from greffier_server.pipeline.session import SessionLimits
from greffier_server.storage.memory import MemoryStore
from tests.support.desk import DeskKit, Disk, desk_kit, until
from tests.support.recordings import committed_words
from tests.support.weights import whisper_tiny_path

pytestmark = [pytest.mark.models, pytest.mark.slow]

SLOW = TextDials(delay_s=0.3)
PASSAGE = ENGLISH[0]
LAST_WORD = "over"

E = TypeVar("E", bound=Event)
End = Callable[[DeskKit, SpeakingSession], Awaitable[None]]


@pytest_asyncio.fixture
async def engines() -> AsyncIterator[Engines]:
    engine = await asyncio.to_thread(load_whisper, whisper_tiny_path(), threads=2)
    detector = await asyncio.to_thread(load_silero)
    await asyncio.to_thread(passages, (PASSAGE,))
    async with RecognitionRuntime(engine) as running:
        yield Engines(running, detector)


def serve(
    engines: Engines,
    left: tuple[MemoryStore, Disk] | None = None,
    limits: SessionLimits | None = None,
) -> AbstractAsyncContextManager[DeskKit]:
    """A server over what the last one left."""
    store, disk = left or (MemoryStore(), Disk())
    return desk_kit(
        store=store,
        disk=disk,
        recognizer=engines.recognizer,
        vad=engines.vad,
        generator=FakeGenerator(dials=SLOW),
        limits=limits,
    )


async def speak(kit: DeskKit) -> tuple[SpeakingSession, str]:
    """Open a session and say everything, at once and to the last sample."""
    session, token = await kit.open(language="en", translate_to=("fr",), minutes=True)
    pcm = passages((PASSAGE,))[0].pcm
    for at in range(0, len(pcm), 32_000):
        await session.push(pcm[at : at + 32_000])
    await until(lambda: session.durable_samples == len(pcm) // 2, timeout_s=20)
    return session, token


async def check(kit: DeskKit, session: SpeakingSession, reason: str) -> None:
    events = await kit.events(session.id)
    last = committed_words(await kit.records(session.id))[-1]
    assert normalise(last.text, "en") == LAST_WORD
    assert _only(events, InputEnded).reason == reason
    assert events[-1] == SessionFinished(reason)
    failures = {event.code for event in events if isinstance(event, StageFailed)}
    assert failures <= {"translation_doubtful"}  # which a pseudo-translation of numbers is
    closed = [event.segment for event in events if isinstance(event, SegmentClosed)]
    translated = [e.segment for e in events if isinstance(e, SegmentTranslated) and e.text]
    assert closed == sorted(translated)
    minutes = events.index(_only(events, MinutesWritten))
    assert events.index(_only(events, RecognitionFinished)) < minutes


def _only(events: list[Event], kind: type[E]) -> E:
    (found,) = [event for event in events if isinstance(event, kind)]
    return found


async def _finish(kit: DeskKit, session: SpeakingSession) -> None:
    del kit
    await session.finish()


async def _vanish(kit: DeskKit, session: SpeakingSession) -> None:
    del kit
    await session.detach("connection lost")


async def _wait(kit: DeskKit, session: SpeakingSession) -> None:
    del kit, session


@pytest.mark.parametrize(
    ("end", "reason", "limits"),
    [
        (_finish, "finish", SessionLimits()),
        (_vanish, "vanished", SessionLimits(grace_s=0.2)),
        (_wait, "timeout", SessionLimits(idle_s=0.5)),
        (_wait, "limit", SessionLimits(max_hours=1.0 / 3600)),
    ],
)
async def test_ends_of_the_input(
    engines: Engines, end: End, reason: str, limits: SessionLimits
) -> None:
    async with serve(engines, limits=limits) as kit:
        session, _ = await speak(kit)
        await end(kit, session)
        await kit.ended()
        await check(kit, session, reason)


async def test_a_stop_hands_over_what_is_not_decoded(engines: Engines) -> None:
    left = MemoryStore(), Disk()
    async with serve(engines, left) as kit:
        session, token = await speak(kit)
    async with serve(engines, left) as kit:
        assert await kit.desk.recover() == 1
        again = await kit.resume(session, token)
        await again.finish()
        await kit.ended()
        await check(kit, session, "finish")


@pytest.mark.parametrize("killed", [False, True])
async def test_an_end_while_the_language_model_is_at_work(
    engines: Engines, *, killed: bool
) -> None:
    """All is recognised; the translations and the minutes are still to come."""
    left = MemoryStore(), Disk()
    async with serve(engines, left) as kit:
        session, _ = await speak(kit)
        await session.finish()
        async for record in session.log.follow():
            if isinstance(record.event, RecognitionFinished):
                break
        before = copy.deepcopy(left)
    if killed:
        left = before
    async with serve(engines, left) as kit:
        assert await kit.desk.recover() == 1
        await kit.ended()
        await check(kit, session, "finish")
