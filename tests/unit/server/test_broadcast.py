"""Broadcasts: what each of many readers is told, whatever its place and pace."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from greffier.protocol import (
    Caption,
    Correction,
    CorrectionTarget,
    Error,
    Finished,
    Minutes,
    Start,
    Translation,
)
from greffier_models.types import Word
from greffier_server.core.events import (
    Corrected,
    MinutesWritten,
    Recorded,
    SegmentOpened,
    SegmentTranslated,
    SessionFinished,
    TailRevised,
    WordsCommitted,
)
from greffier_server.errors import SessionClosed, SessionNotFound
from greffier_server.transport import broadcast as module
from greffier_server.transport.broadcast import Broadcast, Broadcasts, Line
from greffier_server.transport.refusals import ServerStopping
from greffier_server.transport.stopping import Connections
from tests.support.fake_desk import FakeDesk, FakeSession, MemoryStore

pytestmark = pytest.mark.unit


def words(text: str) -> tuple[Word, ...]:
    return (Word(f" {text}", 0, 300, 0.9),)


async def desk_and_session() -> tuple[FakeDesk, FakeSession]:
    desk = FakeDesk(MemoryStore())
    session, _ = await desk.open("t", Start(language="fr"))
    return desk, session


async def told(
    broadcast: Broadcast,
    after_seq: int = 0,
    languages: tuple[str, ...] | None = None,
    *,
    minutes: bool = True,
) -> list[Line]:
    return [
        line
        async for batch in broadcast.batches(
            after_seq=after_seq, languages=languages, minutes=minutes
        )
        for line in batch
    ]


def texts(lines: Sequence[Line]) -> list[str]:
    return [
        line.message.committed or line.message.tail
        for line in lines
        if isinstance(line.message, Caption | Translation)
    ]


async def test_all_readers_share_one_encoded_text_and_one_follower() -> None:
    desk, session = await desk_and_session()
    opened = 0
    follow = desk.follow

    def counting(tenant: str, name: str, *, after: int = 0) -> AsyncIterator[Recorded]:
        nonlocal opened
        opened += 1
        return follow(tenant, name, after=after)

    desk.follow = counting  # type: ignore[method-assign,assignment]
    casts = Broadcasts(desk, Connections(limit=9))
    async with casts.join("t", session.id) as one, casts.join("t", session.id) as two:
        assert one is two
        readers = [asyncio.create_task(told(one)) for _ in range(3)]
        await session.log.append(SegmentOpened(1, 0, "fr"), WordsCommitted(1, words("a")))
        await session.finish()
        heard = await asyncio.gather(*readers)
        assert texts(heard[0]) == [" a"]
        assert all(lines == heard[0] for lines in heard)  # the very same lines
        assert heard[0][0].text is heard[1][0].text
        assert opened == 1
    assert casts.count == 0


async def test_a_reader_far_behind_reads_the_log_and_misses_nothing() -> None:
    desk, session = await desk_and_session()
    cast = Broadcast(lambda: desk.follow("t", session.id), connections=Connections(limit=9), kept=4)
    cast.start()
    slow = cast.batches()
    assert await anext(slow) == ()
    for number in range(40):
        await session.log.append(WordsCommitted(1, words(str(number))))
        await asyncio.sleep(0)
    late = asyncio.create_task(told(cast))
    middle = asyncio.create_task(told(cast, after_seq=20))
    await session.finish()
    everything = [f" {number}" for number in range(40)]
    assert texts([line async for batch in slow for line in batch]) == everything
    assert texts(await late) == everything
    assert texts(await middle) == everything[19:]  # the session's start is event 1
    await cast.close()


async def test_replaced_tails_are_left_out_for_who_comes_late() -> None:
    desk, session = await desk_and_session()
    cast = Broadcast(lambda: desk.follow("t", session.id), connections=Connections(limit=9))
    cast.start()
    quick = cast.batches()
    await anext(quick)
    seen: list[Line] = []
    for tail in ("a", "a b", "a b c"):
        await session.log.append(TailRevised(1, tail, 0, 300, "fr"))
        seen += await anext(quick)
    assert texts(seen) == ["a", "a b", "a b c"]
    late = cast.batches()
    await anext(late)
    assert texts(await anext(late)) == ["a b c"]
    again = cast.batches(after_seq=1)  # all that is durable was seen: the tail is told again
    await anext(again)
    assert texts(await anext(again)) == ["a b c"]
    for reader in (quick, late, again):
        await reader.aclose()
    await cast.close()


async def test_languages_are_each_readers_own() -> None:
    desk, session = await desk_and_session()
    async with Broadcasts(desk, Connections(limit=9)).join("t", session.id) as cast:
        chosen = (None, ("en",), ())
        readers = [asyncio.create_task(told(cast, languages=some)) for some in chosen]
        await session.log.append(
            WordsCommitted(1, words("a")),
            SegmentTranslated(1, "en", "A"),
            SegmentTranslated(1, "de", "B"),
        )
        await session.finish()
        heard = [texts(await reader) for reader in readers]
        assert heard == [[" a", "A", "B"], [" a", "A"], [" a"]]


async def test_the_end_is_told_to_who_has_seen_it() -> None:
    desk, session = await desk_and_session()
    await session.finish()
    async with Broadcasts(desk, Connections(limit=9)).join("t", session.id) as cast:
        (line,) = await told(cast, after_seq=99)
        assert line.last
        assert isinstance(line.message, Finished)
        assert line.event.startswith(b"id: 3\ndata: {")


async def test_no_such_session_is_said_to_everyone() -> None:
    casts = Broadcasts(FakeDesk(MemoryStore()), Connections(limit=9))
    for _ in range(2):
        async with casts.join("t", "nothing") as cast:
            with pytest.raises(SessionNotFound):
                await told(cast)
    assert casts.count == 0


async def test_readers_are_told_why_it_ends_early() -> None:
    desk, session = await desk_and_session()
    connections = Connections(limit=9)
    casts = Broadcasts(desk, connections)
    async with casts.join("t", session.id) as cast:
        reader = asyncio.create_task(told(cast))
        await asyncio.sleep(0)
        connections.stop()
        with pytest.raises(ServerStopping):
            await reader
    _, other = desk, (await desk.open("t", Start()))[0]
    async with Broadcasts(desk, Connections(limit=9)).join("t", other.id) as cast:
        reader = asyncio.create_task(told(cast))
        await asyncio.sleep(0)
        await desk.delete("t", other.id)
        with pytest.raises(SessionClosed):
            await reader


@pytest.mark.virtual_time
async def test_silence_is_told_by_empty_batches() -> None:
    desk, session = await desk_and_session()
    async with Broadcasts(desk, Connections(limit=9)).join("t", session.id) as cast:
        reader = cast.batches()
        loop = asyncio.get_running_loop()
        assert await anext(reader) == ()
        begun = loop.time()
        assert await anext(reader) == ()
        assert loop.time() - begun == pytest.approx(module.BEAT_S, abs=0.1)
        await session.log.append(SessionFinished("finish"))
        session.log.close()
        assert (await anext(reader))[-1].last
        await reader.aclose()


def corrected(kind: str, language: str = "") -> Corrected:
    target = CorrectionTarget(kind=kind, segment=1, language=language)  # type: ignore[arg-type]
    return Corrected("editor", target, "a", "b")


async def corrected_after_its_end() -> tuple[FakeDesk, FakeSession]:
    desk, session = await desk_and_session()
    await session.log.append(
        SegmentOpened(1, 0, "fr"),
        WordsCommitted(1, words("a")),
        MinutesWritten(Minutes(0, "fr", "Title")),
        SessionFinished("finish"),
        corrected("words"),
        corrected("translation", "de"),
        corrected("minutes"),
    )
    session.log.close()
    return desk, session


@pytest.mark.parametrize("kept", [1, 1_024], ids=["from the log", "from memory"])
async def test_what_was_corrected_since_comes_before_the_last_message(kept: int) -> None:
    desk, session = await corrected_after_its_end()
    cast = Broadcast(
        lambda: desk.follow("t", session.id), connections=Connections(limit=9), kept=kept
    )
    cast.start()
    while not cast.over:  # noqa: ASYNC110 - it has no event for it
        await asyncio.sleep(0)
    messages = [line.message for line in await told(cast)]
    await cast.close()
    assert [type(m).__name__ for m in messages] == [
        *("Caption", "Minutes", "Correction", "Correction", "Correction", "Finished")
    ]


async def test_who_came_by_a_link_is_told_of_no_minutes_and_of_nobody_who_works_here() -> None:
    desk, session = await corrected_after_its_end()
    async with Broadcasts(desk, Connections(limit=9)).join("t", session.id) as cast:
        messages = [line.message for line in await told(cast, languages=(), minutes=False)]
    assert [type(m) for m in messages] == [Caption, Correction, Finished]
    assert [m.who for m in messages if isinstance(m, Correction)] == [""]


async def test_a_language_that_will_not_come_is_told_first() -> None:
    desk, session = await desk_and_session()
    await session.log.append(SegmentOpened(1, 0, "fr"), SessionFinished("finish"))
    session.log.close()
    async with Broadcasts(desk, Connections(limit=9)).join("t", session.id) as cast:
        first, *_ = await told(cast, languages=("fr", "de"))
        again = await told(cast, after_seq=1, languages=("fr", "de"))
    assert isinstance(first.message, Error)
    assert first.message.code == "not_translated"
    assert "into de," in first.message.message
    assert not any(isinstance(line.message, Error) for line in again)
