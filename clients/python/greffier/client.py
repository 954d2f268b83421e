"""The asynchronous client: speak into a session, or watch one.

Audio given to `LiveSession.send` waits in a bounded backlog until the server has it on disk. When
the connection breaks, the client connects again with the session's token, learns from ``started``
how much the server holds, sends the rest again and asks for the events it has not seen. The caller
notices nothing but a delay. With a spool, the audio goes to this machine's disk first
(`greffier.spooled`).
"""

import asyncio
import random
import ssl as tls
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from greffier.backoff import Attempts, Reconnection, RetryPolicy
from greffier.codec import encode
from greffier.dialling import Dialler, Token
from greffier.errors import GreffierError
from greffier.live import LiveSession
from greffier.protocol import (
    Ack,
    AudioFormat,
    AudioProfile,
    ChannelUse,
    Finished,
    GlossaryTerm,
    ServerMessage,
    Start,
    Started,
    Watch,
)
from greffier.spool import DEFAULT_LIMIT_BYTES, Recording
from greffier.spool_seal import SpoolSecret
from greffier.spooled import SpooledSession
from greffier.wire import Dropped

__all__ = ["Token", "connect", "forward", "watch"]

_DEFAULT_FORMAT = AudioFormat()


@asynccontextmanager
async def connect(
    url: str | Sequence[str],
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
) -> AsyncGenerator[LiveSession | SpooledSession, None]:
    """Open a session to speak into; use with ``async with``.

    Leaving the block closes the socket at once. Call `LiveSession.finish` and read the events to
    their end first; otherwise the server waits for this client to come back, and finishes the
    session by itself after its grace time.

    Args:
        url: ``ws://host:port`` or ``http://host:port``, ``wss``/``https`` for TLS; or several, of
            servers that share their sessions: each is tried in turn when the one before fails.
        token: API token, sent as ``Authorization: Bearer``; or a function that gives it, asked at
            each connection.
        language: ISO 639-1 code of the speech, or ``auto``.
        translate_to: language codes to translate into.
        title: what the session is about; also helps the minutes.
        glossary: terms to recognise, and how to translate them.
        minutes: write minutes at the end.
        minutes_language: language of the minutes; that of the speech when absent.
        profile: kind of audio, ``wide``, ``telephone`` or ``radio``; the server's setting when
            absent.
        format: of the audio given to `send`.
        channels: ``separate`` where each channel is a speaker: each is recognised by itself.
        speakers: names of the separate channels' speakers, in order.
        recorded: the audio is a whole recording that nobody watches word by word; it is read more
            exactly and for less work.
        reconnect: resume after a lost connection; a `RetryPolicy` sets the delays.
        on_reconnect: told of each attempt, and when the session goes on.
        max_unacknowledged_s: `send` waits while more seconds of audio than this are not yet on
            the server's disk; it bounds the memory used.
        spool: folder for the audio until the server has it: `send` then waits for this machine's
            disk only, for hours if need be, and even when the server was never reached.
        spool_limit_bytes: what the folder takes; beyond it audio is left out, and becomes a gap.
        spool_pace: what was kept is sent at most so many times faster than real time.
        spool_secret: what is kept is encrypted with it (extra ``spool-encryption``).
        ssl: TLS settings, such as a private certificate authority.

    Raises:
        ValueError: `url` is not a server address.
        ConnectionFailed: nobody answers there.
        AuthenticationFailed: the token was refused.
        ServerRefused: the server will not open the session.
        ProtocolViolation: it is not a Greffier server.
        SpoolUnusable: `spool` cannot be written.
        ExtraMissing: `spool_secret` is given, and `cryptography` is not installed.
    """
    start = Start(
        format=format,
        language=language,
        translate_to=tuple(translate_to),
        glossary=tuple(glossary),
        title=title,
        minutes=minutes,
        minutes_language=minutes_language,
        channels=channels,
        speakers=tuple(speakers),
        profile=profile,
        recorded=recorded,
    )
    dial = Dialler(url, token=token, ssl=ssl).dial
    session: LiveSession | SpooledSession
    if spool is not None:
        recording = await asyncio.to_thread(
            Recording.create,
            spool,
            server=_first(url),
            start=start,
            limit_bytes=spool_limit_bytes,
            secret=spool_secret,
        )
        session = SpooledSession(
            recording,
            dial=dial,
            retry=_retry_policy(reconnect),
            on_reconnect=on_reconnect,
            pace=spool_pace,
        )
    else:
        session = LiveSession(
            start,
            dial=dial,
            retry=_retry_policy(reconnect),
            on_reconnect=on_reconnect,
            max_unacknowledged_s=max_unacknowledged_s,
            renews_token=callable(token),
        )
    try:
        await session.open()
        yield session
    finally:
        await session.close()


@asynccontextmanager
async def forward(
    recording: Path,
    *,
    url: str | None = None,
    token: Token = None,
    reconnect: bool | RetryPolicy = True,
    on_reconnect: Callable[[Reconnection], None] | None = None,
    anew: bool = False,
    pace: float = 4.0,
    spool_secret: SpoolSecret | None = None,
    ssl: tls.SSLContext | None = None,
) -> AsyncGenerator[SpooledSession, None]:
    """Send what is left of a recording that another process kept; use with ``async with``.

    Iterate to the end: it comes when the server has all of it. The folder is deleted then.

    Args:
        recording: a folder of the spool.
        url: server to send it to; the one it was meant for when absent.
        token: as in `connect`.
        reconnect: as in `connect`.
        on_reconnect: as in `connect`.
        anew: as a new session, when the server no longer knows the one that was begun.
        pace: as `spool_pace` of `connect`.
        spool_secret: what it was encrypted with.
        ssl: as in `connect`.

    Raises:
        SpoolUnusable: it is in use, or cannot be read, or `spool_secret` does not open it.
        ExtraMissing: it is encrypted, and `cryptography` is not installed.
    """
    held = await asyncio.to_thread(Recording.open, recording, secret=spool_secret)
    try:
        await asyncio.to_thread(held.end)
        if anew:
            await asyncio.to_thread(held.begin_anew)
        session = SpooledSession(
            held,
            dial=Dialler(url or held.progress.server, token=token, ssl=ssl).dial,
            retry=_retry_policy(reconnect),
            on_reconnect=on_reconnect,
            pace=pace,
        )
    except BaseException:
        await asyncio.to_thread(held.close)
        raise
    try:
        await session.open()
        yield session
    finally:
        await session.close()


async def watch(
    url: str | Sequence[str],
    session: str,
    *,
    after_seq: int = 0,
    languages: Sequence[str] | None = None,
    token: Token = None,
    reconnect: bool | RetryPolicy = True,
    on_reconnect: Callable[[Reconnection], None] | None = None,
    ssl: tls.SSLContext | None = None,
) -> AsyncGenerator[ServerMessage, None]:
    """Yield a session's events from `after_seq` on, live to its end (``finished`` is the last).

    Args:
        url: as in `connect`.
        session: session id.
        after_seq: last event already seen.
        languages: only translations into these; all when absent.
        token: as in `connect`.
        reconnect: go on where the connection broke.
        on_reconnect: as in `connect`.
        ssl: as in `connect`.

    Raises:
        ServerRefused: no such session, or not for this token.
        ConnectionFailed, ConnectionLost, ProtocolViolation: as in `connect`.
    """
    dialler = Dialler(url, token=token, ssl=ssl)
    wanted = None if languages is None else tuple(languages)
    attempts = Attempts(_retry_policy(reconnect), notify=on_reconnect, random=random.random)
    seen = after_seq
    first = True
    while True:
        try:
            wire = await dialler.dial()
        except GreffierError as error:
            if first or not error.retryable:
                raise
            await attempts.wait(error)
            continue
        first = False
        try:
            await wire.send(encode(Watch(session=session, after_seq=seen, languages=wanted)))
            while True:
                message = await wire.receive()
                if isinstance(message, (Ack, Started)):
                    continue
                attempts.succeed()
                seen = max(seen, getattr(message, "seq", 0))
                yield message
                if isinstance(message, Finished):
                    return
        except Dropped as dropped:
            await attempts.wait(dropped)
        finally:
            await wire.close()


def _first(url: str | Sequence[str]) -> str:
    return url if isinstance(url, str) else url[0]


def _retry_policy(reconnect: bool | RetryPolicy) -> RetryPolicy:
    if isinstance(reconnect, RetryPolicy):
        return reconnect
    return RetryPolicy() if reconnect else RetryPolicy(attempts=0)
