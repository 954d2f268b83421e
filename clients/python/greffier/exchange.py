"""Speaking and reading at once: feed a session from chunks and yield what it answers."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager, suppress

from greffier.errors import InputClosed
from greffier.live import LiveSession
from greffier.protocol import ServerMessage
from greffier.spooled import SpooledSession

__all__ = ["exchange", "interruptible", "until"]


async def exchange(
    session: LiveSession | SpooledSession,
    chunks: AsyncIterator[bytes],
    *,
    on_sent: Callable[[int], None] = lambda _: None,
    on_finished: Callable[[], None] = lambda: None,
) -> AsyncIterator[ServerMessage]:
    """Send `chunks`, finish, and yield the session's messages to its end.

    Args:
        session: an open session.
        chunks: audio in the session's format.
        on_sent: told the milliseconds sent so far, after each chunk.
        on_finished: told when the last of the audio is handed over.

    Raises:
        GreffierError: from the session or from `chunks`; then the session is closed.
    """
    failure: BaseException | None = None

    async def feed() -> None:
        nonlocal failure
        try:
            async for chunk in chunks:
                await session.send(chunk)
                on_sent(session.sent_ms)
            await session.finish()
            on_finished()
        except InputClosed:
            pass  # the server ended the session; its messages say why
        except BaseException as error:
            failure = error
            await session.close()  # so that the reader below is not left waiting
            raise

    sender = asyncio.create_task(feed(), name="greffier-feed")
    try:
        async for message in session:
            yield message
        if failure is not None:
            raise failure
    finally:
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)


async def until(chunks: AsyncIterator[bytes], stop: asyncio.Event) -> AsyncIterator[bytes]:
    """Yield `chunks` to their end or until `stop` is set, even while none comes."""

    async def following() -> bytes | None:
        return await anext(chunks, None)

    stopping = asyncio.create_task(stop.wait())
    upcoming: asyncio.Task[bytes | None] | None = None
    try:
        while not stop.is_set():
            upcoming = asyncio.create_task(following())
            await asyncio.wait({upcoming, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not upcoming.done():
                return
            chunk = upcoming.result()
            if chunk is None:
                return
            yield chunk
    finally:
        stopping.cancel()
        if upcoming is not None:
            upcoming.cancel()
            await asyncio.gather(upcoming, return_exceptions=True)


@contextmanager
def interruptible(stop: Callable[[], None]) -> Generator[None, None, None]:
    """First Ctrl-C calls `stop`, the second cancels this task."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    pressed = 0

    def interrupt() -> None:
        nonlocal pressed
        pressed += 1
        if pressed == 1:
            stop()
        elif task is not None:
            task.cancel()

    installed = False
    # Where the loop has no signals (Windows, another thread), Ctrl-C ends the program at once.
    with suppress(NotImplementedError, RuntimeError, ValueError):
        loop.add_signal_handler(signal.SIGINT, interrupt)
        installed = True
    try:
        yield
    finally:
        if installed:
            loop.remove_signal_handler(signal.SIGINT)
