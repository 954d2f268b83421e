"""Stored sessions behind the real application: written as logs, with sound, and no engine."""

import asyncio
import socket
import tempfile
import threading
from collections.abc import AsyncGenerator, Coroutine, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from greffier.protocol import AudioFormat, Minutes, MinutesItem
from greffier_models.protocols import TextGenerator
from greffier_models.types import Word
from greffier_server.app import create_app
from greffier_server.archive import Archive, open_archive
from greffier_server.core.events import (
    Event,
    GapFound,
    InputEnded,
    MinutesWritten,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    SessionFinished,
    SessionStarted,
    TextWithheld,
    WordsCommitted,
)
from greffier_server.pipeline.clock import SystemClock
from greffier_server.pipeline.editing import Editor
from greffier_server.pipeline.log import EventLog
from greffier_server.pipeline.shelf import Shelf
from greffier_server.pulse import Pulse
from greffier_server.services import Readiness, Services
from greffier_server.serving import DrainingServer, uvicorn_config
from greffier_server.settings import Settings
from greffier_server.storage.disk import DiskJournal
from greffier_server.storage.glossaries import MemoryGlossaries
from greffier_server.storage.sql import SqlStore
from greffier_server.storage.texts import Texts
from greffier_server.telemetry import Metrics
from greffier_server.transport.stopping import Connections
from tests.support.desk import until
from tests.support.fake_desk import FakeDesk, MemoryStore
from tests.support.sessions import chain, row

__all__ = [
    "TENANT",
    "ArchiveKit",
    "House",
    "Said",
    "archive_house",
    "archive_kit",
    "council",
    "loose_archive",
    "said",
    "session_events",
    "tone",
    "words",
]

T = TypeVar("T")

TENANT = "default"
RATE = 16_000


@dataclass(frozen=True)
class Said:
    """A segment: when, by whom, what, and its translation."""

    start_ms: int
    text: str
    speaker: str | None = None
    english: str = ""
    language: str = "fr"
    sure: float = 0.97


def words(text: str, start_ms: int, *, sure: float = 0.97) -> tuple[Word, ...]:
    """Words of 300 ms; one that begins with ? is in doubt."""
    said: list[Word] = []
    for index, one in enumerate(text.split()):
        at = start_ms + 300 * index
        doubtful = one.startswith("?")
        plain = one.removeprefix("?")
        said.append(Word(f" {plain}", at, at + 280, 0.31 if doubtful else sure))
    return tuple(said)


def said(number: int, one: Said) -> list[Event]:
    """The events of one segment."""
    spoken = words(one.text, one.start_ms, sure=one.sure)
    events: list[Event] = [
        SegmentOpened(number, one.start_ms, one.language, one.speaker),
        WordsCommitted(number, spoken, lag_ms=700),
        SegmentClosed(number, one.start_ms, spoken[-1].end_ms),
    ]
    if one.english:
        events.append(SegmentTranslated(number, "en", one.english))
    return events


def session_events(
    segments: Sequence[Said],
    *,
    title: str = "Conseil municipal",
    minutes: Minutes | None = None,
    duration_ms: int = 60_000,
    finished: bool = True,
    more: Sequence[Event] = (),
) -> list[Event]:
    """A whole session."""
    events: list[Event] = [SessionStarted(AudioFormat(), "fr", ("en",), title=title)]
    for number, one in enumerate(segments, start=1):
        events += said(number, one)
    events += more
    if minutes is not None:
        events.append(MinutesWritten(minutes))
    if finished:
        events += [InputEnded("finish", duration_ms), SessionFinished("finish")]
    return events


def council() -> list[Event]:
    """A short meeting with all that a record can show."""
    segments = [
        Said(1_000, "Bonjour à tous, la séance est ouverte.", "1", "Hello everyone, we are open."),
        Said(8_000, "Le budget de la voirie est de ?quarente mille euros.", "2", "Forty thousand."),
        Said(20_000, "Je propose de voter <b>demain</b> au plus tard.", "1", "Let us vote."),
        Said(40_000, "Madame ?Dupond demande un devis à l'entreprise.", "2", "A quote is asked."),
    ]
    minutes = Minutes(
        0,
        "fr",
        "Conseil municipal du 3 mars",
        summary=(MinutesItem("La séance porte sur la voirie.", (1, 2), True),),
        decisions=(MinutesItem("Le vote aura lieu demain.", (3,), True),),
        actions=(MinutesItem("Demander un devis.", (4,), False, "Mme Dupond", "vendredi"),),
    )
    more = [
        TextWithheld(14_000, 17_000, "repetition", "Sous-titrage de la chaîne"),
        GapFound(30_000, 34_000, "network"),
    ]
    return session_events(segments, minutes=minutes, more=more)


def tone(duration_ms: int) -> bytes:
    """Samples whose loudness tells the time: silence, but for the first half of each second."""
    count = RATE * duration_ms // 1000
    at = np.arange(count)
    second = at // RATE
    loud = (at % RATE) < RATE // 2
    wave_ = np.sin(2 * np.pi * (220 + 10 * (second % 40)) * at / RATE) * loud
    return bytes((wave_ * 12_000).astype("<i2").tobytes())


@dataclass
class ArchiveKit:
    """A running server over a store and a journal."""

    port: int
    store: SqlStore
    journal: DiskJournal
    archive: Archive
    folder: Path
    logs: dict[tuple[str, str], EventLog] = field(default_factory=dict)

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def keep(
        self,
        session: str,
        events: Sequence[Event],
        *,
        tenant: str = TENANT,
        title: str = "Conseil municipal",
        audio: bytes = b"",
        created_at_ms: int | None = None,
    ) -> list[Recorded]:
        """Store a session, its sound, and index it."""
        plain = row(session, tenant, title=title, translate_to=("en",))
        if created_at_ms is not None:
            plain = replace(plain, created_at_ms=created_at_ms)
        await self.store.create(plain)
        records = chain(*events, session=session, tenant=tenant)
        await self.store.append(records)
        if audio:
            journal = await self.journal.open(tenant, session)
            await journal.append(audio)
            await journal.seal()
        self.archive.indexer.note(records)
        await self.archive.indexer.run_once()
        return records

    async def events(self, session: str, tenant: str = TENANT) -> list[Recorded]:
        return [record async for record in self.store.events(tenant, session)]

    async def live(
        self,
        session: str,
        events: Sequence[Event],
        tenant: str = TENANT,
        *,
        title: str = "En direct",
        created_at_ms: int | None = None,
    ) -> EventLog:
        """Open a session that goes on; others append through its log."""
        plain = row(session, tenant, title=title, translate_to=("en",))
        if created_at_ms is not None:
            plain = replace(plain, created_at_ms=created_at_ms)
        await self.store.create(plain)
        log = EventLog(tenant, session, clock=SystemClock(), sink=self.store.append)
        self.logs[tenant, session] = log
        await log.append(*events)
        return log


@dataclass
class House:
    """A kit that runs in a thread, for browsers."""

    kit: ArchiveKit
    loop: asyncio.AbstractEventLoop = field(repr=False)

    @property
    def url(self) -> str:
        return self.kit.http

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)


@contextmanager
def archive_house(folder: Path, settings: Settings | None = None) -> Generator[House, None, None]:
    """Serve in a thread until the block ends."""
    ready = threading.Event()
    held: list[House] = []
    ends: list[asyncio.Event] = []

    async def run() -> None:
        async with archive_kit(folder, settings=settings) as kit:
            ends.append(asyncio.Event())
            held.append(House(kit, asyncio.get_running_loop()))
            ready.set()
            await ends[0].wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),), name="archive", daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield held[0]
    finally:
        held[0].loop.call_soon_threadsafe(ends[0].set)
        thread.join(60)


@asynccontextmanager
async def loose_archive(
    store: MemoryStore, desk: FakeDesk, metrics: Metrics
) -> AsyncGenerator[Archive, None]:
    """The parts over sessions in memory; nothing is indexed, and there are no figures yet."""
    with tempfile.TemporaryDirectory() as folder:
        sql = await SqlStore.open(f"sqlite:///{folder}/index.db")

        def live(_tenant: str, session: str) -> EventLog | None:
            found = desk.sessions.get(session)
            return found.log if found is not None and not found.finished else None

        made = open_archive(
            sql,
            sink=store.append,
            clock=desk.clock,
            open_logs=(live,),
            pulse=Pulse(metrics, lambda: desk.live_count, clock=SystemClock()),
        )
        shelf = Shelf(store)
        editor = Editor(shelf, sink=store.append, clock=desk.clock, open_logs=(live,))
        yield replace(made, shelf=shelf, editor=editor)
        await sql.close()


class _StoredDesk(FakeDesk):
    """Follows what the kit has stored, and what is live in it."""

    kit: ArchiveKit

    async def follow(self, tenant: str, session: str, *, after: int = 0):  # type: ignore[no-untyped-def]
        log = self.kit.logs.get((tenant, session))
        records = log.follow(after=after) if log else self.kit.store.events(tenant, session)
        async for record in records:
            yield record

    async def delete(self, tenant: str, session: str) -> None:
        await self.kit.store.delete(tenant, session)


@asynccontextmanager
async def archive_kit(
    folder: Path,
    *,
    settings: Settings | None = None,
    url: str | None = None,
    texts: Texts | None = None,
    generator: TextGenerator | None = None,
) -> AsyncGenerator[ArchiveKit, None]:
    """Serve until the block ends."""
    settings = settings or Settings()
    async with AsyncExitStack() as stack:
        store = await SqlStore.open(url or f"sqlite:///{folder}/greffier.db", texts=texts)
        stack.push_async_callback(store.close)
        journal = DiskJournal(folder / "audio")
        stack.push_async_callback(journal.close)
        logs: dict[tuple[str, str], EventLog] = {}
        metrics = Metrics()
        pulse = Pulse(metrics, lambda: len(logs), clock=SystemClock())
        pulse.sample(80_000_000)

        async def sink(records: Sequence[Recorded]) -> None:
            await store.append(records)
            archive.indexer.note(records)

        archive = open_archive(
            store,
            sink=sink,
            clock=SystemClock(),
            open_logs=(lambda tenant, session: logs.get((tenant, session)),),
            pulse=pulse,
        )
        desk = _StoredDesk(store)  # type: ignore[arg-type]
        connections = Connections(limit=settings.limits.connections)
        services = Services(
            desk=desk,
            store=store,
            metrics=metrics,
            readiness=lambda: Readiness(ready=True),
            journal=journal,
            archive=archive,
            generator=generator,
            glossaries=MemoryGlossaries(),
        )
        app = create_app(settings, services, connections=connections)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server = DrainingServer(
            uvicorn_config(settings, app, ping_s=20.0), connections=connections, drain_s=0.5
        )
        running = asyncio.create_task(server.serve(sockets=[listener]))
        await until(lambda: server.started, timeout_s=20)
        kit = ArchiveKit(listener.getsockname()[1], store, journal, archive, folder, logs)
        desk.kit = kit
        try:
            yield kit
        finally:
            for log in logs.values():
                log.close()
            server.should_exit = True
            await running
