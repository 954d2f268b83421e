"""The real desk over fakes: encoded speech, a store and a journal in memory that can fail."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from greffier.protocol import Resume, Start
from greffier_models.fakes import FakeVad
from greffier_models.protocols import (
    SpeechRecognizer,
    TextGenerator,
    VoiceActivityDetector,
    VoiceEmbedder,
)
from greffier_models.types import Pcm
from greffier_server.core.events import Event, Recorded
from greffier_server.errors import SessionClosed, StorageFailed
from greffier_server.pipeline.building import Engines, SessionSettings
from greffier_server.pipeline.clock import ManualClock
from greffier_server.pipeline.desk import Desk, DeskSettings
from greffier_server.pipeline.ports import SpeakingSession
from greffier_server.pipeline.session import SessionLimits
from greffier_server.pipeline.stages import Translating
from greffier_server.storage.disk import DiskJournal
from greffier_server.storage.glossaries import Glossaries
from greffier_server.storage.journal import AudioJournal
from greffier_server.storage.memory import MemoryStore
from tests.support.recordings import Listener

__all__ = [
    "TENANT",
    "DeskKit",
    "Disk",
    "MemoryJournal",
    "as_bytes",
    "desk_kit",
    "disk_journal",
    "until",
]

TENANT = "dgfip"


def as_bytes(pcm: Pcm) -> bytes:
    """Samples as the client sends them."""
    return pcm.astype("<i2").tobytes()


@dataclass
class Disk:
    """What a journal in memory leaves behind, and how well it works."""

    files: dict[tuple[str, str], bytearray] = field(
        default_factory=dict[tuple[str, str], bytearray]
    )
    sealed: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    full: bool = False
    """Appends and seals fail."""
    slow_s: float = 0.0
    """Time of each append."""
    unreadable: tuple[int, int] | None = None
    """Bytes that reads leave out."""


class _File:
    """`SessionJournal` over a `Disk`."""

    def __init__(self, disk: Disk, key: tuple[str, str]) -> None:
        self._disk = disk
        self._key = key
        disk.files.setdefault(key, bytearray())
        self.closed = False

    @property
    def accepted_bytes(self) -> int:
        return self.durable_bytes

    @property
    def durable_bytes(self) -> int:
        return len(self._disk.files.get(self._key, b""))

    async def append(self, audio: bytes) -> int:
        if self._disk.slow_s:
            await asyncio.sleep(self._disk.slow_s)
        if self._key in self._disk.sealed or self.closed:
            raise SessionClosed("sealed")
        if self._disk.full:
            raise StorageFailed("The disk is full.")
        self._disk.files[self._key] += audio
        return self.durable_bytes

    def read(self, from_byte: int, to_byte: int | None = None) -> Iterator[bytes]:
        content = bytes(self._disk.files[self._key])
        end = len(content) if to_byte is None else to_byte
        lost_from, lost_to = self._disk.unreadable or (end, end)
        yield content[from_byte : max(from_byte, min(end, lost_from))]
        yield content[min(end, max(from_byte, lost_to)) : end]

    async def seal(self) -> None:
        if self._disk.full:
            raise StorageFailed("The disk is full.")
        self._disk.sealed.add(self._key)


class MemoryJournal:
    """`AudioJournal` over a `Disk`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._open: list[_File] = []

    async def open(self, tenant: str, session: str) -> _File:
        if self._disk.full:
            raise StorageFailed("The disk is full.")
        file = _File(self._disk, (tenant, session))
        self._open.append(file)
        return file

    async def delete(self, tenant: str, session: str) -> None:
        self._disk.files.pop((tenant, session), None)

    async def size_bytes(self, tenant: str, session: str) -> int:
        return len(self._disk.files.get((tenant, session), b""))

    async def close(self) -> None:
        for file in self._open:
            file.closed = True


@dataclass
class DeskKit:
    """A desk and all that it stands on."""

    desk: Desk
    store: MemoryStore
    disk: Disk
    refusals: list[StorageFailed]
    """While there are any, appending to the store raises the last one."""

    async def open(self, **start: object) -> tuple[SpeakingSession, str]:
        options = {"language": "fr", "minutes": False, **start}
        return await self.desk.open(TENANT, Start(**options))  # type: ignore[arg-type]

    async def resume(
        self, session: SpeakingSession, token: str, *, from_sample: int | None = None
    ) -> SpeakingSession:
        at = session.durable_samples if from_sample is None else from_sample
        return await self.desk.resume(TENANT, Resume(session.id, token, at))

    async def ended(self) -> None:
        """Wait until no session lives."""
        await until(lambda: not self.desk.live_count)

    async def records(self, session: str) -> list[Recorded]:
        return [record async for record in self.store.events(TENANT, session)]

    async def events(self, session: str) -> list[Event]:
        return [record.event for record in await self.records(session)]


@asynccontextmanager
async def disk_journal(root: Path) -> AsyncGenerator[DiskJournal]:
    """Journal below `root`, closed at the end as at a stop of the server."""
    journal = DiskJournal(root)
    try:
        yield journal
    finally:
        await journal.close()


async def until(condition: Callable[[], object], *, timeout_s: float = 3_600.0) -> None:
    """Wait until `condition` holds: what happens in the desk has no event to wait for."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)


@asynccontextmanager
async def desk_kit(
    *,
    recognizer: SpeechRecognizer | None = None,
    generator: TextGenerator | None = None,
    limits: SessionLimits | None = None,
    store: MemoryStore | None = None,
    disk: Disk | None = None,
    journal: AudioJournal | None = None,
    vad: VoiceActivityDetector | None = None,
    voices: VoiceEmbedder | None = None,
    max_sessions: int = 4,
    anchor_ms: int = 0,
    glossaries: Glossaries | None = None,
    translating: Translating | None = None,
) -> AsyncGenerator[DeskKit]:
    """Run a desk; at the end it is closed as at a stop of the server."""
    store = store or MemoryStore()
    disk = disk or Disk()
    refusals: list[StorageFailed] = []

    async def sink(records: Sequence[Recorded]) -> None:
        if refusals:
            raise refusals[-1]
        await store.append(records)

    desk = Desk(
        store=store,
        sink=sink,
        journal=journal or MemoryJournal(disk),
        engines=Engines(recognizer or Listener(), vad or FakeVad(), generator, voices=voices),
        clock=ManualClock(),
        settings=DeskSettings(
            sessions=SessionSettings(
                limits=limits or SessionLimits(),
                anchor_ms=anchor_ms,
                translating=translating or Translating(),
            ),
            max_sessions=max_sessions,
        ),
        glossaries=glossaries,
    )
    try:
        yield DeskKit(desk, store, disk, refusals)
    finally:
        await desk.close()
