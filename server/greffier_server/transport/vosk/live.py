"""A WebSocket of a Vosk client, from its first message on: strictly one reply for each frame."""

import asyncio
import json
from collections.abc import Awaitable

from starlette.datastructures import QueryParams

from greffier_models.errors import EngineError
from greffier_server.core.events import RecognitionFinished, SessionFinished
from greffier_server.errors import BadRequest, ServerError, SessionClosed
from greffier_server.transport.address_options import with_options
from greffier_server.transport.aligning import Aligner
from greffier_server.transport.flushing import ClientClock, Flusher
from greffier_server.transport.frames import FrameReader, Outbox
from greffier_server.transport.guest import Doorway, Guest, welcome
from greffier_server.transport.parting import Farewell
from greffier_server.transport.refusals import IdleTimeout
from greffier_server.transport.visiting import batches, converse
from greffier_server.transport.vosk.asked import Configuration, read_command
from greffier_server.transport.vosk.utterances import Utterances

__all__ = ["VoskVisit", "farewell"]


class VoskVisit:
    """One stream. Its session is opened by the first audio: before, the rate may change.

    Args:
        first: the client's first frame.
        doorway: of the server.
        reader: the client's other frames.
        outbox: messages to it.
        query: of the address.
    """

    def __init__(
        self,
        first: str | bytes,
        doorway: Doorway,
        reader: FrameReader,
        outbox: Outbox,
        *,
        query: QueryParams,
    ) -> None:
        self._asked = Configuration.of_address(query)
        self._query = query
        self._first: str | bytes | None = first
        self._doorway = doorway
        self._reader = reader
        self._outbox = outbox
        self._clock = ClientClock()
        self._utterances = Utterances(self._clock.client_ms)
        self._aligner = Aligner(2)
        self._relayed_seq = 0
        self._ended = False
        self._over = False
        self._asked_to_end = False
        self._changed = asyncio.Event()

    async def hold(self, tenant: str) -> None:
        """Serve the stream to its end."""
        frame = await self._opening()
        if frame is None:  # nothing was said
            await self._reply(self._utterances.last(self._asked))
            await self._outbox.end()
            await self._outbox.run()
            return
        start = with_options(self._asked.start, self._query)
        async with welcome(self._doorway, tenant, start, protocol="vosk") as guest:
            flusher = Flusher(guest, self._clock)
            self._first = frame
            await converse(
                self._outbox,
                self._doorway.connections,
                read=lambda: self._read(guest, flusher),
                relay=lambda: self._relay(guest),
            )

    async def _opening(self) -> str | bytes | None:
        """Read up to the first frame that wants an answer; None when the stream ends before."""
        while True:
            frame = await self._next()
            if isinstance(frame, bytes):
                return frame
            command, config = read_command(frame)
            if command == "eof":
                return None
            if command == "reset":
                return frame
            self._asked = self._asked.updated(config)

    async def _read(self, guest: Guest, flusher: Flusher) -> None:
        while True:
            frame = await self._next()
            if guest.finished:
                continue
            if isinstance(frame, bytes):
                await self._take(guest, frame)
                continue
            command, config = read_command(frame)
            if command == "eof":
                self._asked_to_end = True
                await guest.finish()
            elif command == "config":
                self._asked = self._asked.updated(config)
            else:
                await self._unless_closed(flusher.flush())
                await self._caught_up(guest.session.log.seq)
                await self._reply(self._utterances.last(self._asked))

    async def _take(self, guest: Guest, frame: bytes) -> None:
        audio = self._aligner.whole(frame)
        if audio and not self._over:
            await self._unless_closed(guest.push(audio))
        await self._reply(self._utterances.answer(self._asked))

    async def _unless_closed(self, call: Awaitable[None]) -> None:
        """Frames are still answered when the session takes no more audio."""
        try:
            await call
        except SessionClosed:
            self._over = True

    async def _relay(self, guest: Guest) -> None:
        async for batch in batches(guest.records()):
            self._utterances.take(batch)
            self._relayed_seq = batch[-1].seq
            self._changed.set()
            if any(isinstance(r.event, RecognitionFinished | SessionFinished) for r in batch):
                break
        self._ended = True
        self._changed.set()
        await self._reply(self._utterances.last(self._asked))

    async def _caught_up(self, seq: int) -> None:
        """Wait until the records up to `seq` have been taken."""
        while self._relayed_seq < seq and not self._ended:
            self._changed.clear()
            await self._changed.wait()

    async def _next(self) -> str | bytes:
        if self._first is not None:
            frame, self._first = self._first, None
            return frame
        idle_s = self._doorway.limits.idle_timeout_s
        try:
            # After eof it is the client that waits, however long the last words take.
            async with asyncio.timeout(None if self._asked_to_end else idle_s):
                return await self._reader.next()
        except TimeoutError:
            raise IdleTimeout("no audio came for too long") from None

    async def _reply(self, message: dict[str, object]) -> None:
        await self._outbox.put_text(json.dumps(message, ensure_ascii=False))


def farewell(error: ServerError | EngineError) -> Farewell:
    """Vosk has no message for errors: the close says why."""
    code = error.close_code if isinstance(error, ServerError) else 1011
    if code >= 4_000 or isinstance(error, BadRequest):
        code = 1008
    reason = f"{error.code}: {error.message}".encode()[:120].decode(errors="ignore")
    return Farewell(None, code, reason)
