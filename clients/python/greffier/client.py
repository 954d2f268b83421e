"""The asynchronous client: speak into a session, or watch one.

Audio given to `LiveSession.send` waits in a bounded backlog until the server has it on disk. When
the connection breaks, the client connects again with the session's token, learns from ``started``
how much the server holds, sends the rest again and asks for the events it has not seen. The caller
notices nothing but a delay.
"""

import random
import ssl as tls
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from greffier.backoff import Attempts, Reconnection, RetryPolicy
from greffier.codec import encode
from greffier.dialling import Dialler
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
from greffier.wire import Dropped

__all__ = ["connect", "watch"]

_DEFAULT_FORMAT = AudioFormat()


@asynccontextmanager
async def connect(
    url: str | Sequence[str],
    *,
    token: str | None = None,
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
    reconnect: bool | RetryPolicy = True,
    on_reconnect: Callable[[Reconnection], None] | None = None,
    max_unacknowledged_s: float = 30.0,
    ssl: tls.SSLContext | None = None,
) -> AsyncGenerator[LiveSession, None]:
    """Open a session to speak into; use with ``async with``.

    Leaving the block closes the socket at once. Call `LiveSession.finish` and read the events to
    their end first; otherwise the server waits for this client to come back, and finishes the
    session by itself after its grace time.

    Args:
        url: ``ws://host:port`` or ``http://host:port``, ``wss``/``https`` for TLS; or several, of
            servers that share their sessions: each is tried in turn when the one before fails.
        token: API token, sent as ``Authorization: Bearer``.
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
        reconnect: resume after a lost connection; a `RetryPolicy` sets the delays.
        on_reconnect: told of each attempt, and when the session goes on.
        max_unacknowledged_s: `send` waits while more seconds of audio than this are not yet on
            the server's disk; it bounds the memory used.
        ssl: TLS settings, such as a private certificate authority.

    Raises:
        ValueError: `url` is not a server address.
        ConnectionFailed: nobody answers there.
        AuthenticationFailed: the token was refused.
        ServerRefused: the server will not open the session.
        ProtocolViolation: it is not a Greffier server.
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
    )
    session = LiveSession(
        start,
        dial=Dialler(url, token=token, ssl=ssl).dial,
        retry=_retry_policy(reconnect),
        on_reconnect=on_reconnect,
        max_unacknowledged_s=max_unacknowledged_s,
    )
    await session.open()
    try:
        yield session
    finally:
        await session.close()


async def watch(
    url: str | Sequence[str],
    session: str,
    *,
    after_seq: int = 0,
    languages: Sequence[str] | None = None,
    token: str | None = None,
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


def _retry_policy(reconnect: bool | RetryPolicy) -> RetryPolicy:
    if isinstance(reconnect, RetryPolicy):
        return reconnect
    return RetryPolicy() if reconnect else RetryPolicy(attempts=0)
