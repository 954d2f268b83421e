"""The connection of a client that speaks: audio in, acknowledgements and events out."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from greffier.protocol import Ack, Caption, Error, Finish, Finished, Missing, ServerMessage
from greffier_server.core.events import GapFound
from greffier_server.errors import (
    MisalignedAudio,
    ServerError,
    SessionClosed,
    UnexpectedMessage,
)
from greffier_server.pipeline.ports import SpeakingSession
from greffier_server.telemetry import Metrics
from greffier_server.transport.frames import ClientGone, FrameReader, Outbox, closing
from greffier_server.transport.greeting import parse
from greffier_server.transport.intake import Intake
from greffier_server.transport.refusals import (
    IdleTimeout,
    ServerStopping,
    TooManyErrors,
    UnknownMessageType,
)
from greffier_server.transport.stopping import Connections
from greffier_server.transport.wire import WireMapping

__all__ = ["SpeakingConnection"]

_ACK_INTERVAL_S: Final = 0.1
_LAST_ACK_S: Final = 2.0
_MAX_COMPLAINTS: Final = 100


class SpeakingConnection:
    """Carries one session over one socket; the session outlives it.

    Args:
        session: held by this connection.
        intake: brings what comes into the session's format; closed at the end.
        reader: the client's frames.
        outbox: messages to the client; run by this connection.
        mapping: knows what the client has seen.
        connections: says when the server stops.
        idle_timeout_s: longest time without a frame.
        drain_s: on shutdown, longest wait for what is on its way to disk.
        metrics: told when the first caption of a new session is there.
    """

    def __init__(
        self,
        session: SpeakingSession,
        *,
        intake: Intake,
        reader: FrameReader,
        outbox: Outbox,
        mapping: WireMapping,
        connections: Connections,
        idle_timeout_s: float,
        drain_s: float,
        metrics: Metrics,
    ) -> None:
        self._session = session
        self._intake = intake
        self._reader = reader
        self._outbox = outbox
        self._mapping = mapping
        self._connections = connections
        self._idle_timeout_s = idle_timeout_s
        self._drain_s = drain_s
        self._metrics = metrics
        self._input_over = False
        self._cut_off = False
        self._complaints = 0
        self._acknowledged = session.durable_samples
        self._progress = asyncio.Event()

    async def run(self) -> None:
        """Serve until the session's log ends and everything in it has been sent.

        However it ends early, the session is detached first and can be resumed.

        Raises:
            ExceptionGroup: of `ClientGone` or `ServerError`, when it ended early.
        """
        cause = "connection lost"
        try:
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(self._outbox.run())
                reading = group.create_task(self._read())
                acknowledging = group.create_task(self._acknowledge())
                stopping = group.create_task(self._stop(reading))
                last = await self._relay()
                await asyncio.wait([acknowledging], timeout=_LAST_ACK_S)
                await self._outbox.put(last)
                await self._outbox.end()
                await sending
                for task in (reading, acknowledging, stopping):
                    task.cancel()
            self._input_over = True
        except ExceptionGroup as group:
            cause = _cause(group)
            raise
        finally:
            if not self._input_over:
                await self._session.detach(cause)
            await self._intake.close()

    async def _relay(self) -> ServerMessage:
        """Queue messages until the log ends; return the last one, which nothing may follow."""
        loop = asyncio.get_running_loop()
        begun, captioned = loop.time(), self._session.durable_samples > 0
        async with closing(self._session.log.follow(after=0)) as records:
            async for record in records:
                for message in self._mapping.messages(record):
                    if isinstance(message, Finished):
                        return message
                    if isinstance(message, Caption) and not captioned:
                        captioned = True
                        self._metrics.first_caption_seconds.observe(loop.time() - begun)
                    await self._outbox.put(message)
        if self._connections.stopping:
            raise _stopping()
        raise SessionClosed("the session was ended by the server; nothing more will come")

    async def _read(self) -> None:
        while True:
            frame = await self._next()
            try:
                if isinstance(frame, bytes):
                    await self._take_audio(frame)
                else:
                    await self._take_text(frame)
            except (MisalignedAudio, UnknownMessageType) as error:
                await self._complain(error)

    async def _next(self) -> str | bytes:
        if self._input_over:
            return await self._reader.next()
        try:
            async with asyncio.timeout(self._idle_timeout_s):
                return await self._reader.next()
        except TimeoutError:
            raise IdleTimeout(
                f"nothing came for {self._idle_timeout_s:g} s; resume the session to go on"
            ) from None

    async def _take_audio(self, audio: bytes) -> None:
        if self._cut_off:
            return  # said once; what was taken before is still on its way back
        if self._input_over:
            await self._complain(SessionClosed("audio came after finish; it was not taken"))
        elif audio:
            try:
                await self._push(self._intake.take(audio))
            except SessionClosed as error:
                self._cut_off = self._input_over = True
                await self._complain(error)

    async def _push(self, pieces: AsyncGenerator[bytes]) -> None:
        async with closing(pieces):
            async for piece in pieces:
                await self._session.push(piece)
        if gaps := self._intake.gaps():
            await self._session.note_gaps(gaps)

    async def _take_text(self, text: str) -> None:
        message = parse(text)
        if isinstance(message, Missing):
            await self._note_missing(message)
            return
        if not isinstance(message, Finish):
            raise UnexpectedMessage("this connection has its session; open another one")
        if not self._input_over:
            self._input_over = True
            try:
                if not self._cut_off:
                    await self._push(self._intake.rest())
            finally:
                await self._session.finish()

    async def _note_missing(self, missing: Missing) -> None:
        form = self._session.format
        within = 0 <= missing.from_sample < missing.to_sample <= self._session.accepted_samples
        if not within or not 0 <= missing.channel <= form.channels:
            raise UnexpectedMessage("missing names samples or a channel that were not sent")
        gap = GapFound(
            missing.from_sample * 1000 // form.rate,
            -(-missing.to_sample * 1000 // form.rate),
            missing.cause,
            missing.channel,
        )
        await self._session.note_gaps([gap])

    async def _complain(self, error: ServerError) -> None:
        """Report what was not taken, and go on."""
        self._complaints += 1
        if self._complaints > _MAX_COMPLAINTS:
            raise TooManyErrors("too many messages could not be used; correct the client")
        await self._outbox.put(Error(error.code, error.message, error.retryable))

    async def _acknowledge(self) -> None:
        async with closing(self._session.acks()) as acks:
            async for _ in acks:
                self._progress.set()
                if await self._acknowledge_durable():
                    await asyncio.sleep(_ACK_INTERVAL_S)
        await self._acknowledge_durable()

    async def _acknowledge_durable(self) -> bool:
        samples = self._session.durable_samples
        if samples <= self._acknowledged:
            return False
        self._acknowledged = samples
        await self._outbox.put(Ack(samples))
        return True

    async def _stop(self, reading: asyncio.Task[None]) -> None:
        """On shutdown: take no more audio, acknowledge what is taken, then leave."""
        await self._connections.stopped()
        reading.cancel()
        try:
            async with asyncio.timeout(self._drain_s):
                while self._session.durable_samples < self._session.accepted_samples:
                    self._progress.clear()
                    await self._progress.wait()
                await self._acknowledge_durable()
                await self._outbox.drained()
        except TimeoutError:
            pass
        raise _stopping()


def _stopping() -> ServerStopping:
    return ServerStopping("the server is shutting down; resume the session when it is back")


def _cause(group: ExceptionGroup[Exception]) -> str:
    for error in group.exceptions:
        if isinstance(error, ClientGone):
            return error.cause
        if isinstance(error, ServerError):
            return error.code
    return "internal_error"
