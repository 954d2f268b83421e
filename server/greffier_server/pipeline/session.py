"""One session: its audio to the journal, from there to recognition, and the stages on its log."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence

from greffier.protocol import AudioFormat, QualityLevel
from greffier_server.core.events import (
    ClientAttached,
    ClientDetached,
    GapFound,
    InputEnded,
    SessionFinished,
)
from greffier_server.errors import (
    MisalignedAudio,
    ServerError,
    SessionClosed,
    StorageFailed,
)
from greffier_server.pipeline.channels import Channels
from greffier_server.pipeline.damage import AUDIO_DAMAGED, is_recorded, new_gaps
from greffier_server.pipeline.feed import ChannelDecoder, ChannelFeeds
from greffier_server.pipeline.holder import Holder, taken_over
from greffier_server.pipeline.input_watch import InputWatch, SessionLimits
from greffier_server.pipeline.log import EventLog, LogClosed
from greffier_server.pipeline.ports import Stage
from greffier_server.pipeline.prompt_log import PromptLog
from greffier_server.pipeline.read_back import silence, stretches
from greffier_server.pipeline.sealing import seal
from greffier_server.pipeline.stages import run_stage
from greffier_server.storage.failures import SessionMoved, moved
from greffier_server.storage.journal import SessionJournal

__all__ = ["Session", "SessionLimits"]

_log = logging.getLogger(__name__)

_LEAST_WAIT_S = 0.01
"""A timer may fire an instant early; waiting for less would spin."""


class Session:
    """A live session. `run` is its life; `Holder`s are what clients speak through.

    Args:
        tenant: owner.
        session: id.
        form: of the audio.
        log: the session's events.
        journal: the session's audio.
        decoder: journalled bytes to the channels that are recognised.
        feed: what recognition reads.
        recognition: audio to segments.
        stages: what else runs on the log (translations, minutes).
        limits: bounds.
        resume_from_byte: journalled audio from here on is handed to recognition first.
        input_ended: why the input had ended before a restart, None when it goes on.
        spooled: the client keeps the audio on its disk, and may come back after hours.
    """

    def __init__(
        self,
        *,
        tenant: str,
        session: str,
        form: AudioFormat,
        log: EventLog,
        journal: SessionJournal,
        decoder: ChannelDecoder,
        feed: ChannelFeeds,
        recognition: Channels,
        stages: Sequence[Stage],
        limits: SessionLimits,
        resume_from_byte: int = 0,
        input_ended: str | None = None,
        spooled: bool = False,
    ) -> None:
        self._spooled = spooled
        self._gone_at: float | None = None
        self.tenant = tenant
        self.id = session
        self.format = form
        self.log = log
        self._journal = journal
        self._feed = feed
        self._recognition = recognition
        self._stages = stages
        self._limits = limits
        self._decoder = decoder
        self._resume_from_byte = resume_from_byte
        self._queue: deque[bytes] = deque()
        self._accepted = journal.durable_bytes
        self._durable = journal.durable_bytes
        self._end_reason = input_ended
        self._input_recorded = input_ended is not None
        self._sealed = False
        self._failure: StorageFailed | None = None
        self._moved: ServerError | None = None
        self._holder: Holder | None = None
        self._prompt = PromptLog(log)
        self._changed = asyncio.Event()

    # --- state --------------------------------------------------------------------------------

    @property
    def accepted_samples(self) -> int:
        """Samples of each channel taken so far."""
        return self._accepted // self.format.frame_bytes

    @property
    def durable_samples(self) -> int:
        """Samples of each channel that are on disk."""
        return self._durable // self.format.frame_bytes

    @property
    def heard_ms(self) -> int:
        """Audio that recognition has looked at."""
        return self._recognition.heard_ms

    @property
    def ended(self) -> bool:
        """No more audio is taken."""
        return self._end_reason is not None

    @property
    def recognised(self) -> bool:
        """No speech is left to decode."""
        return self._recognition.finished

    @property
    def level(self) -> QualityLevel:
        """The session's step on the ladder."""
        return self._recognition.level

    @property
    def holder(self) -> Holder | None:
        """The client that speaks now."""
        return self._holder

    @property
    def dormant(self) -> bool:
        """Its client has been gone for longer than others are waited for: it holds no place."""
        gone_at = self._gone_at
        if not self._spooled or self._holder is not None or gone_at is None:
            return False
        return asyncio.get_running_loop().time() - gone_at >= self._limits.grace_s

    def notify(self) -> None:
        """Wake all that wait for this session to change."""
        self._changed.set()
        self._changed = asyncio.Event()

    # --- input --------------------------------------------------------------------------------

    async def attach(self, *, skip_to_sample: int | None = None) -> Holder:
        """Give the input to a new client; the one before is refused from then on.

        Args:
            skip_to_sample: the client no longer has the audio before this sample: what lies
                between is journalled as silence and recorded as a gap.
        """
        if self.ended:
            raise SessionClosed("The session's input has ended; open a new one.")
        holder = Holder(self)
        self._holder = holder
        self.notify()
        try:
            # The client goes on at what is durable, so nothing of the one before may still be on
            # its way to disk.
            while self._accepted > self._durable and not self._sealed:
                await self._changed.wait()
            self._failure = None
            at = self.accepted_samples
            if skip_to_sample is not None and skip_to_sample > at:
                await self._fill_gap(holder, at, skip_to_sample)
            await self._prompt.append(ClientAttached(self.accepted_samples))
        except BaseException:  # the client is gone already: nobody holds the session
            if self._holder is holder:
                self._holder = None
                self.notify()
            raise
        return holder

    async def _fill_gap(self, holder: Holder, from_sample: int, to_sample: int) -> None:
        """Take silence up to a sample, as slowly as audio; what was filled is a gap."""
        rate = self.format.rate
        at = from_sample
        try:
            while at < to_sample:
                upto = min(to_sample, at + rate)
                await self.take(holder, silence(self.format, upto - at))
                at = upto
        finally:
            from_ms, to_ms = from_sample * 1000 // rate, at * 1000 // rate
            if to_ms > from_ms:
                gap = GapFound(from_ms, to_ms, "client_lost_audio")
                await self._prompt.append(gap, audio_from_ms=from_ms, audio_to_ms=to_ms)

    async def take(self, holder: Holder, audio: bytes) -> None:
        """`push` of the client that holds the session."""
        while True:
            if self._moved is not None:
                raise self._moved
            if self._failure is not None:
                raise self._failure
            if self._holder is not holder:
                raise taken_over()
            if self.ended or self._sealed:
                raise SessionClosed("The session's input has ended; no audio can be added.")
            if len(audio) % self.format.frame_bytes:
                raise MisalignedAudio(
                    f"Audio must come in whole frames of {self.format.frame_bytes} bytes; "
                    "this message was not taken."
                )
            if self._backlog_ms() < self._limits.buffer_ms:
                break
            await self._changed.wait()
        if audio:
            self._queue.append(audio)
            self._accepted += len(audio)
            self.notify()

    async def note_gaps(self, holder: Holder, gaps: Sequence[GapFound]) -> None:
        """Record what the client that holds the session gave as silence, because it lost it."""
        if self._holder is not holder:
            raise taken_over()
        if not gaps:
            return
        try:
            await self.log.append(
                *gaps,
                audio_from_ms=min(gap.from_ms for gap in gaps),
                audio_to_ms=max(gap.to_ms for gap in gaps),
            )
        except LogClosed:
            raise SessionClosed("The session is over; no gap can be recorded.") from None

    def _backlog_ms(self) -> int:
        accepted_ms = self.accepted_samples * 1000 // self.format.rate
        return accepted_ms - self._recognition.heard_ms

    def finish(self, holder: Holder) -> None:
        """`finish` of the client that holds the session; nothing of any other.

        Raises:
            StorageFailed: audio before it was not kept; the client may send it again.
        """
        if self._holder is not holder:
            return
        if self._failure is not None:
            raise self._failure
        self.end_input("finish")

    def end_input(self, reason: str) -> None:
        """No more audio will come."""
        if self._end_reason is None:
            self._end_reason = reason
            self.notify()

    def move(self, error: ServerError) -> None:
        """Another server goes on with the session: its client hears `error`."""
        self._moved = error
        self.notify()

    async def lose(self, holder: Holder, cause: str) -> None:
        """The client that holds the session is gone."""
        if self._holder is not holder:
            return
        self._holder = None
        self._gone_at = asyncio.get_running_loop().time()
        self.notify()
        if not self.ended:
            try:
                await self.log.append(ClientDetached(cause))
            except (LogClosed, StorageFailed):
                return

    async def acks(self, holder: Holder) -> AsyncIterator[int]:
        """Durable samples each time they have grown, to the end of the input."""
        told = -1
        while True:
            changed = self._changed
            if self._moved is not None:
                raise self._moved
            if self._failure is not None and self._holder is holder:
                raise self._failure
            if self.durable_samples > told:
                told = self.durable_samples
                yield told
                continue
            if self._sealed or self._holder is None:
                return
            if self._holder is not holder:
                raise taken_over()
            await changed.wait()

    # --- life ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Live to the last event; cancelled = handed to the next start of the server."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write_audio(), name=f"journal {self.id}")
                tasks.create_task(self._recognition.run(), name=f"recognise {self.id}")
                tasks.create_task(self._watch(), name=f"watch {self.id}")
                for stage in self._stages:
                    tasks.create_task(
                        run_stage(stage, self.log, self.id), name=f"{stage.name} {self.id}"
                    )
            await self.log.append(SessionFinished(self._end_reason or "finish"))
        except* SessionMoved:
            self._moved = self._moved or moved()
            raise
        finally:
            self._sealed = True
            self.log.close(self._moved)
            self.notify()

    async def settled(self) -> None:
        """Wait, after `run` has failed, for what is still on its way to disk."""
        await self.log.settled()
        while self._journal.accepted_bytes > self._journal.durable_bytes:  # noqa: ASYNC110
            await asyncio.sleep(_LEAST_WAIT_S)  # the journal tells only those who appended

    async def _write_audio(self) -> None:
        await self._read_back()
        while True:
            if not self._queue:
                if self.ended:
                    break
                await self._changed.wait()
                continue
            batch = b"".join(self._queue)
            self._queue.clear()
            torn = self._durable % self.format.frame_bytes
            if torn:  # by a crash: complete the frame, or every later one would be out of step
                batch = silence(self.format, 1)[torn:] + batch
            try:
                self._durable = await self._journal.append(batch)
            except StorageFailed as error:
                self._fail(error)
                continue
            self._accepted = self._durable + sum(len(audio) for audio in self._queue)
            if torn:
                batch = silence(self.format, 1) + batch[self.format.frame_bytes - torn :]
            self._feed.put(await asyncio.to_thread(self._decoder.decode, batch))
            self.notify()
        if not self._input_recorded:
            duration_ms = self.durable_samples * 1000 // self.format.rate
            await self.log.append(
                InputEnded(self._end_reason or "finish", duration_ms), audio_to_ms=duration_ms
            )
        self._sealed = True
        self._feed.put(await asyncio.to_thread(self._decoder.decode, b"", last=True))
        self._feed.end()
        self.notify()
        await seal(self._journal, self.id)

    def _fail(self, error: StorageFailed) -> None:
        """Take back what is not durable, and tell the client."""
        self._queue.clear()
        self._accepted = self._durable = self._journal.durable_bytes
        self._failure = error
        if self._end_reason == "finish":  # not all is here: the client may send it again
            self._end_reason = None
        self.notify()

    async def _read_back(self) -> None:
        """Hand on what was journalled before a restart."""
        for gap in await asyncio.to_thread(new_gaps, self._journal, self.format, self.log.records):
            await self.log.append(gap, audio_from_ms=gap.from_ms, audio_to_ms=gap.to_ms)
        kept = stretches(self._journal, self.format, self._resume_from_byte)
        async with contextlib.aclosing(kept):
            async for stretch in kept:
                if stretch.lost is not None:
                    per_second = self.format.rate * self.format.frame_bytes
                    from_ms, to_ms = (byte * 1000 // per_second for byte in stretch.lost)
                    gap = GapFound(from_ms, to_ms, AUDIO_DAMAGED)
                    if not await asyncio.to_thread(is_recorded, gap, self.log.records):
                        await self.log.append(gap, audio_from_ms=from_ms, audio_to_ms=to_ms)
                self._feed.put(await asyncio.to_thread(self._decoder.decode, stretch.audio))
                while self._feed.received_ms - self._recognition.heard_ms > self._limits.buffer_ms:
                    await self._changed.wait()

    async def _watch(self) -> None:
        """End the input of a client that is gone, silent or endless."""
        loop = asyncio.get_running_loop()
        watch = InputWatch(self._limits, spooled=self._spooled, now_s=loop.time())
        self._gone_at = loop.time() if self._holder is None else None
        while not self._sealed:
            changed = self._changed
            if self.ended:
                await changed.wait()
                continue
            reason, wait_s = watch.look(
                loop.time(),
                accepted=self._accepted,
                audio_s=self.accepted_samples / self.format.rate,
                held=self._holder is not None,
                held_up=self._backlog_ms() >= self._limits.buffer_ms,
            )
            if reason is not None:
                self.end_input(reason)
                continue
            # Not `wait_for`: before Python 3.12 it swallows a cancellation that meets the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(wait_s, _LEAST_WAIT_S)):
                    await changed.wait()
