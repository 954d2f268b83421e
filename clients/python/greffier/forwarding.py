"""Sends a kept recording to its server, over as many connections and sessions as it takes."""

import asyncio
import random
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from greffier.backoff import Attempts, Reconnection, RetryPolicy
from greffier.catch_up import CatchUp
from greffier.codec import encode
from greffier.errors import (
    ConnectionFailed,
    ConnectionLost,
    EventsUnread,
    GreffierError,
    InputClosed,
    ServerRefused,
    SpoolUnusable,
)
from greffier.live import LiveSession
from greffier.parts import Placement
from greffier.protocol import (
    Ack,
    Continuation,
    Finished,
    Resume,
    ServerMessage,
    Start,
    Started,
    Watch,
)
from greffier.spool import Recording
from greffier.spool_progress import Progress
from greffier.wire import Dropped, Wire

__all__ = ["Forwarder"]

_PIECE_MS: Final = 500
_FORGOTTEN_S: Final = 30.0
"""Longest wait for the last words of a session that ended while the link was down."""
_UNREAD_S: Final = 0.5
_MOST_SKIPPED_S: Final = 600
"""The server fills what is missing with silence before it answers, so it is asked for in steps."""
_NO_RETRY: Final = RetryPolicy(attempts=0)


class Forwarder:
    """Forwards one recording; `run` is its life.

    Args:
        recording: held by this process.
        dial: connects to the server.
        deliver: takes each event, on the recording's clock; may wait.
        retry: delays between attempts; their number counts from the end of the recording only.
        on_reconnect: told of each attempt.
        pace: kept audio is sent at most so many times faster than real time.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        dial: Callable[[], Awaitable[Wire]],
        deliver: Callable[[ServerMessage], Awaitable[None]],
        retry: RetryPolicy,
        on_reconnect: Callable[[Reconnection], None] | None = None,
        pace: float = 4.0,
    ) -> None:
        self._recording = recording
        self._dial = dial
        self._deliver = deliver
        self._retry = retry
        self._on_reconnect = on_reconnect
        self._attempts = self._new_attempts()
        self._counting = recording.ended
        self._catch_up = CatchUp(most=pace, clock=asyncio.get_running_loop().time)
        self._changed = asyncio.Event()
        self._over = asyncio.Event()
        self._acked = asyncio.Event()
        self._acknowledged = recording.progress.acknowledged
        self._resume_at: int | None = None
        base_ms = recording.progress.base_sample * 1000 // recording.format.rate
        self._placement = Placement(ms=base_ms)
        self._seq = 0
        self._last_segment = self._last_seq = 0
        self._takeover = True
        self.first_answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once the server took the session; failed when the first attempt did."""

    def notify(self) -> None:
        """There is more audio, or the recording has ended."""
        if self._recording.ended:
            self._over.set()
        self._changed.set()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Forward until the server has all of it and has said all of its events.

        Raises:
            ConnectionLost: the recording has ended, and the server cannot be reached.
            ServerRefused, ProtocolViolation: as above, and it refuses.
            SpoolUnusable: the disk fails.
        """
        while True:
            try:
                if await self._one_connection():
                    return
            except OSError as error:
                message = f"cannot write to {self._recording.folder}: {error.strerror}"
                raise SpoolUnusable(message) from error
            except GreffierError as error:
                if isinstance(error, SpoolUnusable):
                    raise
                self._first_answer(error)
                if error.code == "session_taken_over":
                    self._takeover = False
                if self._recording.ended and not error.retryable:
                    raise
                await self._pause(error)

    async def _pause(self, cause: Exception) -> None:
        """Wait before the next attempt; the end of the recording cuts the wait short."""
        if self._recording.ended and not self._counting:
            self._counting = True
            self._attempts = self._new_attempts()
        waiting = asyncio.create_task(self._attempts.wait(cause))
        ending = asyncio.create_task(self._over.wait())
        try:
            both = {waiting} if self._counting else {waiting, ending}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                waiting.result()
        finally:
            waiting.cancel()
            ending.cancel()
            await asyncio.gather(waiting, ending, return_exceptions=True)

    def _new_attempts(self) -> Attempts:
        policy = self._retry
        if not self._recording.ended:
            policy = replace(policy, attempts=sys.maxsize)
        return Attempts(policy, notify=self._on_reconnect, random=random.random)

    def _first_answer(self, error: GreffierError | None) -> None:
        if self.first_answer.done():
            return
        if error is None:
            self.first_answer.set_result(None)
        else:
            self.first_answer.set_exception(error)
            _ = self.first_answer.exception()  # nobody may be waiting

    # --- one connection -----------------------------------------------------------------------

    async def _one_connection(self) -> bool:
        """Forward over one connection; True when all is done, False when another is needed."""
        progress = self._recording.progress
        session = LiveSession(
            replace(_start(progress), resume=self._resume(progress)),
            dial=self._dial,
            retry=_NO_RETRY,
            on_acknowledged=self._hear_acknowledged,
        )
        try:
            await session.open()
        except ServerRefused as error:
            if error.code != "session_closed" or not progress.session:
                raise
            return await self._end_part(await self._last_words(progress))
        try:
            self._resume_at = None
            if not progress.session:
                await asyncio.to_thread(self._recording.begin_session, session.id, session.token)
            self._first_answer(None)
            return await self._converse(session)
        finally:
            await session.close()
            await self._note_acknowledged()

    def _resume(self, progress: Progress) -> Resume | None:
        if not progress.session:
            return None
        at = max(self._acknowledged, self._resume_at or 0) - progress.base_sample
        return Resume(progress.session, progress.token, at, self._seq, takeover=self._takeover)

    async def _converse(self, session: LiveSession) -> bool:
        reading = asyncio.create_task(self._read(session), name="greffier-forward-read")
        feeding = asyncio.create_task(self._feed(session), name="greffier-forward-feed")
        noting = asyncio.create_task(self._note(), name="greffier-forward-note")
        try:
            await asyncio.wait({reading, feeding, noting}, return_when=asyncio.FIRST_COMPLETED)
            if noting.done():
                noting.result()
            if not reading.done() and feeding.done():
                with suppress(InputClosed):  # the server ended it; its last words say why
                    if feeding.result():
                        return False
            finished = await reading
        finally:
            for task in (reading, feeding, noting):
                task.cancel()
            await asyncio.gather(reading, feeding, noting, return_exceptions=True)
        return await self._end_part(finished)

    async def _read(self, session: LiveSession) -> Finished | None:
        async for message in session:
            self._attempts.succeed()
            self._catch_up.hear(message)
            if isinstance(message, Finished):
                return message
            await self._tell(message)
        return None

    async def _tell(self, message: ServerMessage) -> None:
        self._seq = max(self._seq, getattr(message, "seq", 0))
        placed = self._placement.place(message)
        self._last_seq = max(self._last_seq, getattr(placed, "seq", 0))
        self._last_segment = max(self._last_segment, getattr(placed, "segment", 0))
        await self._deliver(placed)

    async def _feed(self, session: LiveSession) -> bool:
        """Send what is kept, then ``finish``; True: a part is missing, which a new resume skips."""
        recording, rate = self._recording, self._recording.format.rate
        base = recording.progress.base_sample
        while True:
            changed = self._changed
            at = base + session.end_sample
            stretch = await asyncio.to_thread(recording.read, at, limit=rate * _PIECE_MS // 1000)
            ended = recording.ended
            upto = stretch.first_sample if stretch else recording.end_sample if ended else at
            if upto > at:
                await self._acknowledged_up_to(at)
                self._resume_at = min(upto, at + _MOST_SKIPPED_S * rate)
                return True
            if stretch is not None:
                samples = len(stretch.audio) // recording.format.frame_bytes
                waiting_ms = (recording.end_sample - at) * 1000 // rate
                sent_ms = samples * 1000 // rate
                await asyncio.sleep(self._catch_up.delay_s(sent_ms, waiting_ms=waiting_ms))
                await self._patiently(partial(session.send, stretch.audio))
            elif ended:
                await self._patiently(session.finish)
                await asyncio.to_thread(recording.mark_finish_sent)
                return False
            else:
                await changed.wait()

    async def _patiently(self, act: Callable[[], Awaitable[None]]) -> None:
        """Events that nobody reads hold the link up, and never the capture."""
        while True:
            try:
                await act()
            except EventsUnread:
                await asyncio.sleep(_UNREAD_S)
            else:
                return

    # --- acknowledgements ---------------------------------------------------------------------

    def _hear_acknowledged(self, samples: int) -> None:
        self._acknowledged = max(self._acknowledged, self._recording.progress.base_sample + samples)
        self._attempts.succeed()
        self._acked.set()

    async def _acknowledged_up_to(self, sample: int) -> None:
        while self._acknowledged < sample:
            self._acked.clear()
            await self._acked.wait()

    async def _note(self) -> None:
        while True:
            await self._note_acknowledged()
            await asyncio.sleep(_UNREAD_S)

    async def _note_acknowledged(self) -> None:
        await asyncio.to_thread(self._recording.acknowledge, self._acknowledged)

    # --- parts --------------------------------------------------------------------------------

    async def _end_part(self, finished: Finished | None) -> bool:
        """The server's session is over: so is the recording, or the rest becomes another."""
        await self._note_acknowledged()
        progress = self._recording.progress
        if self._recording.ended and self._recording.waiting_samples == 0:
            await asyncio.to_thread(self._recording.mark_finish_sent)
            if finished is not None:
                await self._tell(finished)
            return True
        await asyncio.to_thread(self._recording.begin_anew)
        rest = self._recording.progress
        self._placement = Placement(
            ms=rest.base_sample * 1000 // self._recording.format.rate,
            segments=self._last_segment,
            seq=self._last_seq,
        )
        self._seq, self._resume_at = 0, None
        if progress.acknowledged == progress.base_sample:  # do not open one after another at once
            raise ConnectionFailed("the server ended the session before it took any audio")
        return False

    async def _last_words(self, progress: Progress) -> Finished | None:
        """Read the rest of a session that takes no more audio, as far as it can be had."""
        patience_s = None if progress.finish_sent else _FORGOTTEN_S
        try:
            async with asyncio.timeout(patience_s):
                return await self._watch(progress.session)
        except (TimeoutError, Dropped) as error:
            if progress.finish_sent:
                raise ConnectionLost("the connection broke before the last words") from error
        except ServerRefused:  # deleted meanwhile
            pass
        return None

    async def _watch(self, session: str) -> Finished | None:
        wire = await self._dial()
        try:
            await wire.send(encode(Watch(session, self._seq)))
            while True:
                message = await wire.receive()
                if isinstance(message, Finished):
                    return message
                if not isinstance(message, (Ack, Started)):
                    self._attempts.succeed()
                    await self._tell(message)
        finally:
            await wire.close()


def _start(progress: Progress) -> Start:
    start = replace(progress.start, spooled=True)
    if progress.part == 1:
        return start
    title = f"{start.title} ({progress.part})" if start.title else ""
    from_ms = progress.base_sample * 1000 // start.format.rate
    return replace(start, title=title, continues=Continuation(progress.earlier[-1], from_ms))
