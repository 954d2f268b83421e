"""The composition root: settings to engines, store, journal and desk; the one place that knows all.

Engines are loaded by `loading`, room for streams is found by `room`, what the desk and the second
pass are told is in `options`, and what is said of the models in `descriptions`.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from greffier_server.archive import open_archive
from greffier_server.bundle.heads import HEADS_FILE, HeadRegister
from greffier_server.bundle.signing import open_signing_key
from greffier_server.capacity import Machine, this_machine
from greffier_server.core.admission import Room
from greffier_server.core.events import Recorded
from greffier_server.descriptions import descriptions, readiness
from greffier_server.jobs import JobRunner, Retention
from greffier_server.loading import build_engines, end_task, load_one_whisper
from greffier_server.options import desk_settings, second_pass_options
from greffier_server.outlets.opening import open_courier
from greffier_server.pipeline.clock import SystemClock
from greffier_server.pipeline.custody import OwnershipCare
from greffier_server.pipeline.desk import Desk
from greffier_server.pipeline.minutes_redo import KIND as MINUTES
from greffier_server.pipeline.minutes_redo import MinutesRedo
from greffier_server.pipeline.second_pass import KIND, SecondPass
from greffier_server.pulse import Pulse
from greffier_server.room import estimate, room_for
from greffier_server.second_engine import Idle, second_engine
from greffier_server.services import Services
from greffier_server.settings import Settings
from greffier_server.storage.compaction import Compaction
from greffier_server.storage.disk import DiskJournal
from greffier_server.storage.keys import passing_keys
from greffier_server.storage.links import SqlLinks
from greffier_server.storage.memory import MemoryStore
from greffier_server.storage.writer import StoreWriter
from greffier_server.storing import open_storage
from greffier_server.telemetry import Metrics

__all__ = ["MeasuredServer", "build", "build_engines", "measured_server"]

_log = logging.getLogger(__name__)


_SECOND_PASS_LEASE_MS = 6 * 3_600_000
"""The longest recording on a slow machine, and live sessions in between."""
_MINUTES_LEASE_MS = 2 * 3_600_000


@asynccontextmanager
async def build(settings: Settings) -> AsyncGenerator[Services, None]:
    """Build the server's parts, and close them at the end.

    Raises:
        WeightsError: a model is missing or damaged; the message says what to do.
        DirectoryInUse: another server uses the data directory.
        StorageFailed: the database or the data directory cannot be used.
    """
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        loaded = await build_engines(settings, stack, metrics)
        # Models are loaded already: after a server that is stopping, this one goes on at once.
        storage = await open_storage(
            settings, stack, wait_s=settings.limits.drain_s + settings.limits.handover_s
        )
        store, journal = storage.store, storage.journal
        space = storage.space
        key = await asyncio.to_thread(
            open_signing_key, settings.data_dir, settings.integrity.signing_key
        )
        heads = HeadRegister(settings.data_dir / HEADS_FILE, key)
        links = await SqlLinks.open(settings.database.get_secret_value())
        stack.push_async_callback(links.close)
        writer = StoreWriter(store)
        stack.push_async_callback(writer.close)

        courier = await open_courier(
            settings, store, stack, clock=SystemClock(), metrics=metrics, holder=storage.node
        )

        async def sink(records: Sequence[Recorded]) -> None:
            await second_pass.watch(records)
            await writer.append(records)
            await heads.note(records)
            archive.indexer.note(records)
            if courier is not None:
                await courier.note(records)
            for record in records:
                metrics.observe(record)

        desk = Desk(
            store=store,
            sink=sink,
            journal=journal,
            engines=loaded.engines,
            clock=SystemClock(),
            settings=desk_settings(settings, await asyncio.to_thread(room_for, settings, loaded)),
            ownership=storage.ownership,
            glossaries=store.glossaries,
        )
        second_pass = SecondPass(
            store=store,
            sink=sink,
            journal=journal,
            engine=second_engine(settings, loaded.engines.recognizer, load=load_one_whisper),
            detector=loaded.engines.vad,
            clock=SystemClock(),
            busy=lambda: desk.live_count > 0,
            generator=loaded.engines.generator,
            options=second_pass_options(settings),
        )
        pulse = Pulse(metrics, lambda: desk.live_count, clock=SystemClock())
        redo = MinutesRedo(
            store=store, sink=sink, clock=SystemClock(), generator=loaded.engines.generator
        )
        logs = (desk.log_of, second_pass.log_of, redo.log_of)
        archive = open_archive(store, sink=sink, clock=SystemClock(), open_logs=logs, pulse=pulse)
        for following in (archive.indexer.run(), pulse.run()):
            stack.push_async_callback(end_task, asyncio.create_task(following, name="archive"))
        retention = Retention(store, journal, clock=SystemClock())
        sweeping = asyncio.create_task(retention.run(), name="retention")
        stack.push_async_callback(end_task, sweeping)
        if space is not None:
            metrics.audio_bytes.set_function(lambda: space.total_bytes)
        if storage.shared is not None:
            shared_space = storage.shared.space
            metrics.watch_backlog(lambda: shared_space.backlog)
            surveying = asyncio.create_task(shared_space.run(), name="shared-space")
            stack.push_async_callback(end_task, surveying)
        if storage.disk is not None and settings.storage.compress:
            packing = asyncio.create_task(Compaction(storage.disk).run(), name="packing")
            stack.push_async_callback(end_task, packing)
        metrics.sessions_active.set_function(lambda: desk.live_count)
        if storage.renew_s is not None:  # to the end of closing: the lease is needed until then
            care = OwnershipCare(desk, storage.ownership, every_s=storage.renew_s)
            stack.push_async_callback(end_task, asyncio.create_task(care.run(), name="ownership"))
        stack.push_async_callback(desk.close)
        resumed = await desk.recover()
        runner = JobRunner(
            store,
            clock=SystemClock(),
            handlers={KIND: second_pass.do},
            lease_ms=_SECOND_PASS_LEASE_MS,
            backoff_ms=60_000,
            abandoned=second_pass.abandon,
            ready=Idle(lambda: desk.live_count, least_s=settings.second_pass.idle_s),
        )
        stack.push_async_callback(end_task, asyncio.create_task(runner.run(), name="second-pass"))
        writing = JobRunner(
            store,
            clock=SystemClock(),
            handlers={MINUTES: redo.do},
            lease_ms=_MINUTES_LEASE_MS,
            backoff_ms=30_000,
            abandoned=redo.abandon,
        )
        stack.push_async_callback(end_task, asyncio.create_task(writing.run(), name="minutes"))
        if resumed:
            _log.info("sessions of the last run go on", extra={"count": resumed})
        yield Services(
            desk=desk,
            store=store,
            metrics=metrics,
            readiness=lambda: readiness(loaded),
            models=lambda: descriptions(loaded),
            journal=journal,
            second_pass=second_pass,
            minutes_redo=redo,
            space=space,
            signing_key=key,
            heads=heads,
            glossaries=store.glossaries,
            archive=archive,
            links=links,
            web_secret=await links.secret("cookies"),
            courier=courier,
            generator=loaded.engines.generator,
        )


@dataclass(frozen=True, slots=True)
class MeasuredServer:
    """What ``greffier capacity`` plays into."""

    desk: Desk
    machine: Machine
    estimated: int
    """Streams to try first."""


async def measured_server(
    settings: Settings, stack: AsyncExitStack, folder: Path
) -> MeasuredServer:
    """Build engines and a desk over a store in memory and a journal in `folder`.

    Raises:
        WeightsError: a model is missing or damaged.
    """
    loaded = await build_engines(settings, stack)
    journal = DiskJournal(folder, keys=passing_keys())
    stack.push_async_callback(journal.close)
    store = MemoryStore()
    desk = Desk(
        store=store,
        sink=store.append,
        journal=journal,
        engines=loaded.engines,
        clock=SystemClock(),
        settings=desk_settings(settings, Room(10_000)),
    )
    stack.push_async_callback(desk.close)
    machine = this_machine(loaded.identities["recognition"], workers=loaded.workers)
    room = await asyncio.to_thread(estimate, settings, loaded)
    return MeasuredServer(desk, machine, room)
