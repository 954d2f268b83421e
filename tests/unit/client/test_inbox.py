import asyncio

import pytest

from greffier.errors import ConnectionLost
from greffier.inbox import Inbox
from greffier.protocol import Caption, Quality, ServerMessage, Translation

pytestmark = pytest.mark.unit


def tail(text: str, segment: int = 1) -> Caption:
    return Caption(1, segment, 0, 1, "", text)


async def test_a_newer_tail_takes_the_place_of_an_unread_one() -> None:
    inbox = Inbox()
    for message in (tail("a"), tail("b"), tail("c", 2), Caption(2, 2, 0, 1, "d", ""), tail("e", 2)):
        await inbox.put(message)
    french = Translation(1, 2, "fr", "", "x")
    await inbox.put(french)
    await inbox.end()
    seen: list[ServerMessage] = []
    while (message := await inbox.get()) is not None:
        seen.append(message)
    assert seen == [tail("b"), tail("c", 2), Caption(2, 2, 0, 1, "d", ""), tail("e", 2), french]


async def test_a_full_inbox_holds_the_writer_up() -> None:
    inbox = Inbox(limit=1)
    await inbox.put(Quality(1, "full"))
    assert inbox.full
    waiting = asyncio.create_task(inbox.put(Quality(2, "finals-only")))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await inbox.get() == Quality(1, "full")
    await waiting
    assert await inbox.get() == Quality(2, "finals-only")


async def test_a_failure_comes_behind_the_last_message_and_stays() -> None:
    inbox = Inbox()
    await inbox.put(Quality(1, "full"))
    await inbox.end(ConnectionLost("gone"))
    await inbox.end()
    assert await inbox.get() == Quality(1, "full")
    for _ in range(2):
        with pytest.raises(ConnectionLost):
            await inbox.get()
