import asyncio
from collections.abc import AsyncIterator

import pytest

from greffier.exchange import until

pytestmark = pytest.mark.unit


async def _chunks(closed: list[str], *, then_wait: bool) -> AsyncIterator[bytes]:
    try:
        yield b"1"
        yield b"2"
        if then_wait:
            await asyncio.Event().wait()
    finally:
        closed.append("closed")


async def test_chunks_pass_to_their_end() -> None:
    assert [c async for c in until(_chunks([], then_wait=False), asyncio.Event())] == [b"1", b"2"]


async def test_stop_ends_even_a_silent_source() -> None:
    stop, closed = asyncio.Event(), list[str]()
    seen: list[bytes] = []
    async for chunk in until(_chunks(closed, then_wait=True), stop):
        seen.append(chunk)
        if len(seen) == 2:
            asyncio.get_running_loop().call_soon(stop.set)
    assert (seen, closed) == ([b"1", b"2"], ["closed"])


async def test_an_error_of_the_source_is_raised() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"1"
        raise OSError

    with pytest.raises(OSError, match=r"^$"):
        async for _ in until(broken(), asyncio.Event()):
            pass
