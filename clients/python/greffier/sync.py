"""The client without ``async``: the same names, for scripts and threads.

Each connection runs the asynchronous client on an event loop in a thread of its own; the calls here
hand their work over and wait for it.
"""

import asyncio
import ssl as tls
import threading
from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from greffier import client
from greffier.backoff import Reconnection, RetryPolicy
from greffier.client import Token
from greffier.live import LiveSession
from greffier.protocol import (
    AudioFormat,
    AudioProfile,
    ChannelUse,
    GlossaryTerm,
    ServerMessage,
)
from greffier.spool import DEFAULT_LIMIT_BYTES
from greffier.spool_seal import SpoolSecret
from greffier.spooled import SpooledSession

__all__ = ["Session", "connect", "watch"]

T = TypeVar("T")
_DEFAULT_FORMAT = AudioFormat()


class Session:
    """Send audio, iterate over events; see `greffier.live.LiveSession`.

    One thread may send while another iterates.
    """

    def __init__(self, live: LiveSession | SpooledSession, loop: "_LoopThread") -> None:
        self._live = live
        self._loop = loop

    @property
    def id(self) -> str:
        """Session id."""
        return self._live.id

    @property
    def format(self) -> AudioFormat:
        """Of the audio that `send` takes."""
        return self._live.format

    def send(self, audio: bytes) -> None:
        """Take audio; waits while too much of it is not yet on the server's disk."""
        self._loop.run(self._live.send(audio))

    def finish(self) -> None:
        """Say that no more audio comes; returns when all of it is handed over."""
        self._loop.run(self._live.finish())

    def __iter__(self) -> Iterator[ServerMessage]:
        while (message := self._loop.run(_next(self._live))) is not None:
            yield message


@contextmanager
def connect(
    url: str,
    *,
    token: Token = None,
    language: str = "auto",
    translate_to: Sequence[str] = (),
    title: str = "",
    glossary: Sequence[GlossaryTerm] = (),
    minutes: bool = True,
    minutes_language: str | None = None,
    profile: AudioProfile | None = None,
    format: AudioFormat = _DEFAULT_FORMAT,
    channels: ChannelUse = "mix",
    speakers: Sequence[str] = (),
    recorded: bool = False,
    reconnect: bool | RetryPolicy = True,
    on_reconnect: Callable[[Reconnection], None] | None = None,
    max_unacknowledged_s: float = 30.0,
    spool: Path | None = None,
    spool_limit_bytes: int = DEFAULT_LIMIT_BYTES,
    spool_pace: float = 4.0,
    spool_secret: SpoolSecret | None = None,
    ssl: tls.SSLContext | None = None,
) -> Generator[Session, None, None]:
    """Open a session to speak into; arguments and errors are those of `greffier.connect`.

    `on_reconnect` is called from another thread.
    """
    opening: AbstractAsyncContextManager[LiveSession | SpooledSession] = client.connect(
        url,
        token=token,
        language=language,
        translate_to=translate_to,
        title=title,
        glossary=glossary,
        minutes=minutes,
        minutes_language=minutes_language,
        profile=profile,
        format=format,
        channels=channels,
        speakers=speakers,
        recorded=recorded,
        reconnect=reconnect,
        on_reconnect=on_reconnect,
        max_unacknowledged_s=max_unacknowledged_s,
        spool=spool,
        spool_limit_bytes=spool_limit_bytes,
        spool_pace=spool_pace,
        spool_secret=spool_secret,
        ssl=ssl,
    )
    with _LoopThread() as loop:
        live = loop.run(opening.__aenter__())
        try:
            yield Session(live, loop)
        finally:
            loop.run(live.close())


def watch(
    url: str,
    session: str,
    *,
    after_seq: int = 0,
    languages: Sequence[str] | None = None,
    token: Token = None,
    reconnect: bool | RetryPolicy = True,
    ssl: tls.SSLContext | None = None,
) -> Generator[ServerMessage, None, None]:
    """Yield a session's events; arguments and errors are those of `greffier.watch`."""
    events = client.watch(
        url,
        session,
        after_seq=after_seq,
        languages=languages,
        token=token,
        reconnect=reconnect,
        ssl=ssl,
    )

    async def following() -> ServerMessage | None:
        return await anext(events, None)

    with _LoopThread() as loop:
        try:
            while (message := loop.run(following())) is not None:
                yield message
        finally:
            loop.run(events.aclose())


async def _next(live: LiveSession | SpooledSession) -> ServerMessage | None:
    return await anext(live, None)


class _LoopThread:
    """An event loop in a thread; leaving the block stops both."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="greffier", daemon=True)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the loop and return its result; an interruption cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def __enter__(self) -> "_LoopThread":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
                self._loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()
