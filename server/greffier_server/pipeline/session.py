"""One session: its audio to the journal, from there to recognition, and the stages on its log."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from greffier.protocol import AudioFormat
from greffier_server.core.events import (
    ClientAttached,
    ClientDetached,
    GapFound,
    InputEnded,
    SessionFinished,
)
from greffier_server.errors import MisalignedAudio, SessionBusy, SessionClosed, StorageFailed
from greffier_server.pipeline.feed import AudioFeed, FrameDecoder
from greffier_server.pipeline.log import EventLog, LogClosed
from greffier_server.pipeline.ports import Stage
from greffier_server.pipeline.recognise import Recognition
from greffier_server.storage.journal import SessionJournal

__all__ = ["Holder", "Session", "SessionLimits"]

_READ_BACK_MS = 5_000
"""Audio handed on at once when a session goes on from its journal."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds of one session."""

    buffer_ms: int = 60_000
    """Audio accepted and not yet looked at; at the limit the client is made to wait."""
    grace_s: float = 120.0
    """A session whose client vanished is finished after this."""
    idle_s: float = 600.0
    """A session whose client sends nothing is finished after this."""
    max_hours: float = 12.0


class Session:
    """A live session. `run` is its life; `Holder`s are what clients speak through.

    Args:
        tenant: owner.
        session: id.
        form: of the audio.
        log: the session's events.
        journal: the session's audio.
        feed: what recognition reads.
        recognition: audio to segments.
        stages: what else runs on the log (translations, minutes).
        limits: bounds.
        resume_from_byte: journalled audio from here on is handed to recognition first.
        input_ended: why the input had ended before a restart, None when it goes on.
    """

    def __init__(
        self,
        *,
        tenant: str,
        session: str,
        form: AudioFormat,
        log: EventLog,
        journal: SessionJournal,
        feed: AudioFeed,
        recognition: Recognition,
        stages: Sequence[Stage],
        limits: SessionLimits,
        resume_from_byte: int = 0,
        input_ended: str | None = None,
    ) -> None:
        self.tenant = tenant
        self.id = session
        self.format = form
        self.log = log
        self._journal = journal
        self._feed = feed
        self._recognition = recognition
        self._stages = stages
        self._limits = limits
        self._decoder = FrameDecoder(form)
        self._resume_from_byte = resume_from_byte
        self._queue: deque[bytes] = deque()
        self._accepted = journal.durable_bytes
        self._durable = journal.durable_bytes
        self._end_reason = input_ended
        self._input_recorded = input_ended is not None
        self._sealed = False
        self._failure: StorageFailed | None = None
        self._holder: Holder | None = None
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
    def ended(self) -> bool:
        """No more audio is taken."""
        return self._end_reason is not None

    @property
    def holder(self) -> "Holder | None":
        """The client that speaks now."""
        return self._holder

    def notify(self) -> None:
        """Wake all that wait for this session to change."""
        self._changed.set()
        self._changed = asyncio.Event()

    # --- input --------------------------------------------------------------------------------

    async def attach(self, *, skip_to_sample: int | None = None) -> "Holder":
        """Give the input to a new client; the one before is refused from then on.

        Args:
            skip_to_sample: the client no longer has the audio before this sample: what lies
                between is journalled as silence and recorded as a gap.
        """
        if self.ended:
            raise SessionClosed("The session's input has ended; open a new one.")
        holder = Holder(self)
        self._holder = holder
        self._accepted = max(self._durable, self._accepted) if not self._failure else self._durable
        self._failure = None
        self.notify()
        at = self.accepted_samples
        if skip_to_sample is not None and skip_to_sample > at:
            await self._fill_gap(at, skip_to_sample)
        await self.log.append(ClientAttached(self.accepted_samples))
        return holder

    async def _fill_gap(self, from_sample: int, to_sample: int) -> None:
        silence = {"pcm_s16le": b"\0", "pcm_f32le": b"\0", "mulaw": b"\xff", "alaw": b"\xd5"}
        size = (to_sample - from_sample) * self.format.frame_bytes
        block = silence[self.format.encoding] * min(size, 1 << 20)
        while size > 0:
            await self._take(block[:size])
            size -= len(block[:size])
        rate = self.format.rate
        gap = GapFound(from_sample * 1000 // rate, to_sample * 1000 // rate, "client_lost_audio")
        await self.log.append(gap, audio_from_ms=gap.from_ms, audio_to_ms=gap.to_ms)

    async def take(self, holder: "Holder", audio: bytes) -> None:
        """`push` of the client that holds the session."""
        while True:
            if self._failure is not None:
                raise self._failure
            if self._holder is not holder:
                raise SessionBusy("Another client has taken this session over.")
            if self.ended:
                raise SessionClosed("The session's input has ended; no audio can be added.")
            if len(audio) % self.format.frame_bytes:
                raise MisalignedAudio(
                    f"Audio must come in whole frames of {self.format.frame_bytes} bytes; "
                    "this message was not taken."
                )
            if self._backlog_ms() < self._limits.buffer_ms:
                break
            await self._changed.wait()
        await self._take(audio)

    async def _take(self, audio: bytes) -> None:
        if audio:
            self._queue.append(audio)
            self._accepted += len(audio)
            self.notify()

    def _backlog_ms(self) -> int:
        accepted_ms = self.accepted_samples * 1000 // self.format.rate
        return accepted_ms - self._recognition.heard_ms

    def end_input(self, reason: str) -> None:
        """No more audio will come."""
        if self._end_reason is None:
            self._end_reason = reason
            self.notify()

    async def lose(self, holder: "Holder", cause: str) -> None:
        """The client that holds the session is gone."""
        if self._holder is not holder:
            return
        self._holder = None
        self.notify()
        if not self.ended:
            try:
                await self.log.append(ClientDetached(cause))
            except LogClosed:
                return

    async def acks(self, holder: "Holder") -> AsyncIterator[int]:
        """Durable samples each time they have grown, to the end of the input."""
        told = -1
        while True:
            changed = self._changed
            if self._failure is not None and self._holder is holder:
                raise self._failure
            if self.durable_samples > told:
                told = self.durable_samples
                yield told
                continue
            if self._sealed or self._holder is not holder:
                return
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
                    tasks.create_task(stage.run(self.log), name=f"{stage.name} {self.id}")
            await self.log.append(SessionFinished(self._end_reason or "finish"))
        finally:
            self._sealed = True
            self.log.close()
            self.notify()

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
            try:
                self._durable = await self._journal.append(batch)
            except StorageFailed as error:
                self._queue.clear()
                self._accepted = self._durable = self._journal.durable_bytes
                self._failure = error
                self.notify()
                continue
            self._feed.put(await asyncio.to_thread(self._decoder.decode, batch))
            self.notify()
        if not self._input_recorded:
            duration_ms = self.durable_samples * 1000 // self.format.rate
            await self.log.append(
                InputEnded(self._end_reason or "finish", duration_ms), audio_to_ms=duration_ms
            )
        await self._journal.seal()
        self._feed.put(await asyncio.to_thread(self._decoder.decode, b"", last=True))
        self._feed.end()
        self._sealed = True
        self.notify()

    async def _read_back(self) -> None:
        """Hand on what was journalled before a restart."""
        at, end = self._resume_from_byte, self._journal.durable_bytes
        step = _READ_BACK_MS * self.format.rate // 1000 * self.format.frame_bytes
        while at < end:
            upto = min(end, at + step)
            audio = await asyncio.to_thread(self._read, at, upto)
            audio = audio[: len(audio) // self.format.frame_bytes * self.format.frame_bytes]
            self._feed.put(await asyncio.to_thread(self._decoder.decode, audio))
            at = upto
            while self._feed.received_ms - self._recognition.heard_ms > self._limits.buffer_ms:
                await self._changed.wait()

    def _read(self, from_byte: int, to_byte: int) -> bytes:
        return b"".join(self._journal.read(from_byte, to_byte))

    async def _watch(self) -> None:
        """End the input of a client that is gone, silent or endless."""
        loop = asyncio.get_running_loop()
        heard, since = -1, loop.time()
        begun = loop.time()
        while not self.ended:
            now = loop.time()
            state = self._accepted if self._holder is not None else -2
            if state != heard:
                heard, since = state, now
            gone = self._holder is None
            limit = self._limits.grace_s if gone else self._limits.idle_s
            if now - since >= limit:
                self.end_input("vanished" if gone else "timeout")
                return
            if now - begun >= self._limits.max_hours * 3600:
                self.end_input("limit")
                return
            changed = self._changed
            try:
                await asyncio.wait_for(changed.wait(), limit - (now - since))
            except TimeoutError:
                continue


_DETACH_S = 1.0


class Holder:
    """A session as the client that speaks into it holds it (see `SpeakingSession`)."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @property
    def tenant(self) -> str:
        """Owner."""
        return self._session.tenant

    @property
    def id(self) -> str:
        """Session id, URL-safe."""
        return self._session.id

    @property
    def format(self) -> AudioFormat:
        """Of the audio that `push` takes."""
        return self._session.format

    @property
    def log(self) -> EventLog:
        """The session's events."""
        return self._session.log

    @property
    def accepted_samples(self) -> int:
        """Samples of each channel taken so far."""
        return self._session.accepted_samples

    @property
    def durable_samples(self) -> int:
        """Samples of each channel that are on disk."""
        return self._session.durable_samples

    async def push(self, audio: bytes) -> None:
        """Take audio; waits while the session's buffer is full."""
        await self._session.take(self, audio)

    def acks(self) -> AsyncIterator[int]:
        """Durable samples each time they have grown."""
        return self._session.acks(self)

    async def finish(self) -> None:
        """No more audio will come."""
        if self._session.holder is self:
            self._session.end_input("finish")

    async def detach(self, cause: str) -> None:
        """The client is gone."""
        try:
            # On a full disk the record waits for space; the client that is to be told does not.
            async with asyncio.timeout(_DETACH_S):
                await self._session.lose(self, cause)
        except TimeoutError:
            return
