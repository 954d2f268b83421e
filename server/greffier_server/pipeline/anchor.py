"""The stage that anchors a session's audio in its log, so that the hash chain covers both.

It is given the bytes as they become durable, hashes them in a thread, and records an anchor every
few seconds of audio. Nothing waits for it but the end of the session.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence

from greffier.protocol import AudioFormat
from greffier_server.core.chain import AudioChain
from greffier_server.core.events import AudioAnchored, Event, StageFailed
from greffier_server.core.records import GENESIS
from greffier_server.errors import StorageFailed
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.read_back import locate_audio
from greffier_server.storage.journal import HoledJournal, SessionJournal

__all__ = ["AnchorStage", "TappedJournal"]

_log = logging.getLogger(__name__)

_HELD_BYTES = 4 << 20
"""More than this is not held in memory for a stage that cannot keep up: it reads the journal."""
_TAKE_BYTES = 256 << 10
_READ_BYTES = 1 << 20


class TappedJournal:
    """A session's journal that also hands on what has become durable (`SessionJournal`).

    Args:
        journal: where the audio goes.
    """

    def __init__(self, journal: SessionJournal) -> None:
        self._journal = journal
        self._held: list[bytes] = []
        self._held_from = self._held_to = journal.durable_bytes
        self._ended = False
        self._changed = asyncio.Event()

    @property
    def accepted_bytes(self) -> int:
        """Bytes taken so far, durable or not."""
        return self._journal.accepted_bytes

    @property
    def durable_bytes(self) -> int:
        """Bytes that survive a crash."""
        return self._journal.durable_bytes

    @property
    def holes(self) -> Sequence[tuple[int, int]]:
        """Stretches in bytes that were damaged when the journal was opened (`HoledJournal`)."""
        return self._journal.holes if isinstance(self._journal, HoledJournal) else ()

    @property
    def ended(self) -> bool:
        """No more audio will come."""
        return self._ended

    async def append(self, audio: bytes) -> int:
        """Write and wait for the group sync; return the durable byte count."""
        durable = await self._journal.append(audio)
        if durable - len(audio) != self._held_to or durable - self._held_from > _HELD_BYTES:
            self._held, self._held_from = [], durable  # read from the journal instead
        else:
            self._held.append(audio)
        self._held_to = durable
        self._changed.set()
        return durable

    def read(self, from_byte: int, to_byte: int | None = None) -> Iterator[bytes]:
        """Durable audio in blocks (blocking)."""
        return self._journal.read(from_byte, to_byte)

    async def seal(self) -> None:
        """No more audio: sync and close the file."""
        self._ended = True
        self._changed.set()
        await self._journal.seal()

    def take(self) -> tuple[int, list[bytes]]:
        """Return what was appended since the last time, and where it begins."""
        held, begin = self._held, self._held_from
        self._held, self._held_from = [], self._held_to
        return begin, held

    async def reached(self, to_byte: int) -> None:
        """Wait until audio up to `to_byte` is durable, or no more will come."""
        while not self._ended and self._held_to < to_byte:
            self._changed.clear()
            await self._changed.wait()


class AnchorStage:
    """Anchors the audio of one session.

    Args:
        journal: the session's audio.
        form: of that audio.
        step_ms: audio between two anchors.
    """

    name = "anchor"
    reads: frozenset[type[Event]] = frozenset()
    writes: frozenset[type[Event]] = frozenset({AudioAnchored, StageFailed})

    def __init__(self, *, journal: TappedJournal, form: AudioFormat, step_ms: int) -> None:
        self._journal = journal
        self._bytes_a_second = form.rate * form.frame_bytes
        self._step_bytes = max(1, step_ms * form.rate // 1000) * form.frame_bytes
        self._failed = False

    async def run(self, log: EventLog) -> None:
        """Go on from the last anchor of the log to the end of the audio."""
        last = await _last_anchor(log)
        chain = AudioChain(
            step_bytes=self._step_bytes,
            at_byte=last.to_byte if last else 0,
            digest=last.digest if last else GENESIS,
        )
        while True:
            ended = self._journal.ended
            begin, pieces = self._journal.take()
            await self._catch_up(log, chain, begin)
            await self._record(log, await asyncio.to_thread(_hash, chain, begin, pieces))
            if ended:
                await self._record(log, chain.finish())
                return
            await self._journal.reached(chain.at_byte + min(chain.left_bytes, _TAKE_BYTES))

    async def _catch_up(self, log: EventLog, chain: AudioChain, to_byte: int) -> None:
        """Read from the journal what was not handed on: that of before a restart."""
        while chain.at_byte < to_byte:
            upto = min(to_byte, chain.at_byte + _READ_BYTES)
            try:
                anchors = await asyncio.to_thread(_hash_read, chain, self._journal, upto)
            except StorageFailed as error:
                anchors = chain.skip(upto)
                await self._fail(log, error)
            await self._record(log, anchors)

    async def _fail(self, log: EventLog, error: StorageFailed) -> None:
        _log.warning("audio could not be read to be anchored: %s", error.code)
        if not self._failed:
            self._failed = True
            message = "A part of the recording could not be read, so its hash is not on record."
            await log.append(StageFailed(self.name, error.code, message))

    async def _record(self, log: EventLog, anchors: Sequence[AudioAnchored]) -> None:
        for anchor in anchors:
            await log.append(
                anchor,
                audio_from_ms=anchor.from_byte * 1000 // self._bytes_a_second,
                audio_to_ms=anchor.to_byte * 1000 // self._bytes_a_second,
            )


async def _last_anchor(log: EventLog) -> AudioAnchored | None:
    last: AudioAnchored | None = None
    async for record in log.past():
        if isinstance(record.event, AudioAnchored):
            last = record.event
    return last


def _hash(chain: AudioChain, begin: int, pieces: Sequence[bytes]) -> list[AudioAnchored]:
    return chain.add(b"".join(pieces)[chain.at_byte - begin :])


def _hash_read(chain: AudioChain, journal: SessionJournal, to_byte: int) -> list[AudioAnchored]:
    anchors: list[AudioAnchored] = []
    for offset, audio in locate_audio(journal, chain.at_byte, to_byte):
        anchors += chain.skip(offset)
        anchors += chain.add(audio)
    return anchors + chain.skip(to_byte)
