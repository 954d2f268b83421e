"""A session as the client that speaks into it holds it: one backlog, one inbox, many sockets."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from greffier.backlog import AudioBacklog
from greffier.backoff import Attempts, Reconnection, RetryPolicy
from greffier.codec import encode
from greffier.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    EventsUnread,
    GreffierError,
    InputClosed,
    MisalignedAudio,
    ProtocolViolation,
    ServerRefused,
)
from greffier.inbox import Inbox, is_volatile
from greffier.protocol import (
    Ack,
    AudioFormat,
    Finish,
    Finished,
    Missing,
    Resume,
    ServerMessage,
    Start,
    Started,
    Watch,
)
from greffier.wire import Dropped, Wire

__all__ = ["LiveSession"]

_FRAME_MS: Final = 500
"""Longest binary frame; a bigger one would hold up the acknowledgement of what it starts with."""


class LiveSession:
    """Send audio, iterate over events. Made by `greffier.connect`.

    Read the events while audio is sent: they are kept for a slow reader, up to `inbox_limit`.
    """

    def __init__(
        self,
        start: Start,
        *,
        dial: Callable[[], Awaitable[Wire]],
        retry: RetryPolicy,
        on_reconnect: Callable[[Reconnection], None] | None = None,
        max_unacknowledged_s: float = 30.0,
        inbox_limit: int = 10_000,
        on_acknowledged: Callable[[int], None] = lambda samples: None,
        renews_token: bool = False,
    ) -> None:
        self._start = start
        self._on_acknowledged = on_acknowledged
        self._renews_token = renews_token
        self._dial = dial
        self._attempts = Attempts(retry, notify=on_reconnect, random=random.random)
        self._backlog = AudioBacklog(start.format.frame_bytes)
        self._frame_samples = start.format.rate * _FRAME_MS // 1000
        limit = int(max_unacknowledged_s * start.format.rate)
        self._limit_samples = max(limit, self._frame_samples)
        self._inbox = Inbox(inbox_limit)
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._wire: Wire | None = None
        self._started: Started | None = None
        self._cursor = 0
        self._missing: list[Missing] = []
        self._missing_said = 0
        self._seq = 0
        self._replayed_to = 0
        self._finishing = False
        self._finish_sent = False
        self._reading_only = False
        self._ended = False
        self._failure: GreffierError | None = None

    @property
    def id(self) -> str:
        """Session id; `watch`, the HTTP interface and exports take it."""
        return self._started.session if self._started else ""

    @property
    def format(self) -> AudioFormat:
        """Of the audio that `send` takes."""
        return self._start.format

    @property
    def token(self) -> str:
        """Resumes the session; empty before it is open."""
        return self._started.token if self._started else ""

    @property
    def end_sample(self) -> int:
        """One past the newest sample given to `send`."""
        return self._backlog.end_sample

    @property
    def sent_ms(self) -> int:
        """Audio given to `send` so far."""
        return self._backlog.end_sample * 1000 // self._start.format.rate

    @property
    def acknowledged_ms(self) -> int:
        """Audio that is on the server's disk."""
        return self._backlog.first_sample * 1000 // self._start.format.rate

    async def open(self) -> None:
        """Connect for the first time, or go on where `start.resume` says.

        After a resume, `send` goes on at `end_sample`: what the server holds.

        Raises:
            ConnectionFailed, ServerRefused, ProtocolViolation: as in `greffier.connect`.
        """
        wire = await self._dial()
        try:
            started = await wire.greet(self._start)
            if self._start.resume is not None:
                self._continue(started, self._start.resume)
            self._accept(started)
        except BaseException:
            await wire.close()
            raise
        self._wire = wire
        self._task = asyncio.create_task(self._run(), name="greffier-live")

    async def send(self, audio: bytes) -> None:
        """Take audio; waits while too much of it is not yet on the server's disk.

        Raises:
            MisalignedAudio: not a whole number of frames; nothing of it is taken.
            InputClosed: after `finish`, or the server has ended the session.
            EventsUnread: nobody reads the events, so that this would wait for ever.
            ConnectionLost, ServerRefused, ProtocolViolation: the session broke off.
        """
        frame_bytes = self._start.format.frame_bytes
        if len(audio) % frame_bytes:
            raise MisalignedAudio(f"audio must come in whole frames of {frame_bytes} bytes")
        if self._finishing:
            raise InputClosed("the session takes no more audio after finish")
        step = self._frame_samples * frame_bytes
        for begin in range(0, len(audio), step):
            piece = bytes(audio[begin : begin + step])
            await self._wait_for_room(len(piece) // frame_bytes)
            self._backlog.append(piece)
            self._notify()

    def note_missing(self, missing: Missing) -> None:
        """Say that audio given to `send` is silence in place of what never came.

        It is said when that audio is sent, and again after a lost connection, until the server has
        the audio.
        """
        self._missing.append(missing)
        self._notify()

    async def finish(self) -> None:
        """Say that no more audio comes; returns when all of it is handed over.

        Go on reading events: the rest of the text, the minutes and ``finished`` follow.

        Raises:
            EventsUnread, ConnectionLost, ServerRefused, ProtocolViolation: as in `send`.
        """
        self._finishing = True
        self._notify()
        while not self._finish_sent and not self._ended:
            await self._wait_for_change()
        if self._failure is not None:
            raise self._failure

    def __aiter__(self) -> "LiveSession":
        return self

    async def __anext__(self) -> ServerMessage:
        message = await self._inbox.get()
        if message is None:
            raise StopAsyncIteration
        return message

    async def close(self) -> None:
        """Close the socket, whatever state the session is in; it can be called twice."""
        task, self._task = self._task, None
        if task is None:
            return
        if not self._ended:  # otherwise it is closing the socket already
            task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            if not task.cancelled():  # it is this coroutine that was cancelled
                raise
        finally:  # a task that is cancelled before its first step does not run at all
            await self._end()

    async def _wait_for_room(self, samples: int) -> None:
        while True:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                raise InputClosed("the server has ended the session")
            held = self._backlog.samples
            if held == 0 or held + samples <= self._limit_samples:
                return
            await self._wait_for_change()

    async def _wait_for_change(self) -> None:
        if self._inbox.full:
            raise EventsUnread("read the session's events while sending: async for ... in session")
        await self._changed.wait()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _run(self) -> None:
        try:
            while self._wire is not None:
                dropped = await self._converse(self._wire)
                if dropped is None:
                    break
                await self._wire.close()
                self._wire = await self._resume(dropped)
        except GreffierError as error:
            self._failure = error
        finally:
            await self._end()

    async def _end(self) -> None:
        self._ended = True
        self._notify()
        await self._inbox.end(self._failure)
        if self._wire is not None:
            await self._wire.close()

    async def _converse(self, wire: Wire) -> Dropped | None:
        """Use one socket to its end; None when the session is over."""
        reader = asyncio.create_task(self._read(wire), name="greffier-read")
        writer = asyncio.create_task(self._write(wire), name="greffier-write")
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
            if writer.done():
                writer.result()
            await reader
        except Dropped as dropped:
            return dropped
        finally:
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
        return None

    async def _write(self, wire: Wire) -> None:
        if self._reading_only:
            return
        try:
            while True:
                changed = self._changed
                if self._due(self._cursor):
                    await wire.send(encode(self._missing[self._missing_said]))
                    self._missing_said += 1
                elif self._cursor < self._backlog.end_sample:
                    audio = self._backlog.read(self._cursor, limit=self._frame_samples)
                    self._cursor += len(audio) // self._start.format.frame_bytes
                    await wire.send(audio)
                elif self._finishing:
                    await wire.send(encode(Finish()))
                    self._finish_sent = True
                    self._notify()
                    return
                else:
                    await changed.wait()
        except Dropped:
            return  # the reader learns it too, behind what the server still had to say

    def _due(self, sample: int) -> bool:
        """What is missing next lies before `sample`."""
        unsaid = self._missing[self._missing_said : self._missing_said + 1]
        return bool(unsaid) and unsaid[0].to_sample <= sample

    async def _read(self, wire: Wire) -> None:
        while True:
            message = await wire.receive()
            if isinstance(message, Ack):
                self._acknowledge(message.samples)
                self._attempts.succeed()
                continue
            if isinstance(message, Started):
                continue
            seq = getattr(message, "seq", 0)
            if 0 < seq <= self._replayed_to and not is_volatile(message):
                continue
            self._seq = max(self._seq, seq)
            self._attempts.succeed()
            if self._inbox.full:
                self._notify()
            await self._inbox.put(message)
            if isinstance(message, Finished):
                return

    def _acknowledge(self, samples: int) -> None:
        if samples > self._cursor:
            raise ProtocolViolation("the server acknowledged audio that it was not sent")
        self._backlog.acknowledge(samples)
        while self._missing_said and self._missing[0].to_sample <= samples:
            del self._missing[0]
            self._missing_said -= 1
        self._on_acknowledged(samples)
        self._notify()

    def _continue(self, started: Started, resume: Resume) -> None:
        """Take over what another process began."""
        if started.samples < resume.from_sample:
            raise ProtocolViolation("the server lost audio that it had acknowledged")
        frame_bytes = self._start.format.frame_bytes
        self._backlog = AudioBacklog(frame_bytes, first_sample=started.samples)
        self._cursor = started.samples
        self._seq = self._replayed_to = resume.after_seq

    def _accept(self, started: Started) -> None:
        if started.samples < self._backlog.first_sample:
            raise ProtocolViolation("the server lost audio that it had acknowledged")
        self._acknowledge(started.samples)
        self._cursor = started.samples
        self._missing_said = 0
        self._started = started

    async def _resume(self, cause: Exception) -> Wire:
        while True:
            await self._attempts.wait(cause)
            try:
                return await self._reopen()
            except (ConnectionFailed, ServerRefused) as error:
                expired = self._renews_token and isinstance(error, AuthenticationFailed)
                if not error.retryable and not expired:
                    raise
                cause = error
            except Dropped as error:
                cause = error

    async def _reopen(self) -> Wire:
        assert self._started is not None  # noqa: S101  # `open` came first
        resume = Resume(
            session=self._started.session,
            token=self._started.token,
            from_sample=self._backlog.first_sample,
            after_seq=self._seq,
            takeover=self._start.resume is None or self._start.resume.takeover,
        )
        wire = await self._redial()
        try:
            self._accept(await wire.greet(replace(self._start, resume=resume)))
            self._replayed_to = self._seq
        except ServerRefused as error:
            await wire.close()
            # All audio had arrived before the socket broke: only the events are left to read.
            if error.code == "session_closed" and self._finish_sent:
                return await self._watch_rest()
            raise
        except BaseException:
            await wire.close()
            raise
        return wire

    async def _redial(self) -> Wire:
        """Dial where the server was: whoever else answers stands in between for a while."""
        try:
            return await self._dial()
        except ProtocolViolation as error:
            raise ConnectionFailed("something else answers at the server's address") from error

    async def _watch_rest(self) -> Wire:
        wire = await self._redial()
        try:
            await wire.send(encode(Watch(session=self.id, after_seq=self._seq)))
        except BaseException:
            await wire.close()
            raise
        self._reading_only = True
        self._replayed_to = self._seq
        return wire
