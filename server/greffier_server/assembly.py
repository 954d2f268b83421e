"""The composition root: settings to engines, store, journal and desk; the one place that knows all.

Weights are looked for first, so that what is missing is said at once and with the command that
helps; speech models are loaded before the server listens, the language model beside it.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from greffier_models.catalog import InstalledModel, locate
from greffier_models.devices import DeviceGroup
from greffier_models.errors import EngineError, WeightsMissing
from greffier_models.protocols import (
    BatchRecognizer,
    TextGenerator,
    VoiceActivityDetector,
    VoiceEmbedder,
)
from greffier_models.runtime import RecognitionRuntime
from greffier_models.types import EngineIdentity
from greffier_server.capacity import (
    Machine,
    choose_room,
    decode_cost_s,
    estimate_streams,
    read_capacity,
    this_machine,
)
from greffier_server.core.admission import Room
from greffier_server.core.events import Recorded
from greffier_server.core.policies import default_dials
from greffier_server.core.speech import PROFILES
from greffier_server.jobs import JobRunner, Retention
from greffier_server.pipeline.building import Engines, SessionSettings
from greffier_server.pipeline.clock import SystemClock
from greffier_server.pipeline.desk import Desk, DeskSettings
from greffier_server.pipeline.second_pass import KIND, SecondPass, SecondPassOptions
from greffier_server.pipeline.session import SessionLimits
from greffier_server.pipeline.transcribe import TranscribeSettings
from greffier_server.second_engine import Idle, second_engine
from greffier_server.services import ModelDescription, ModelState, Readiness, Services
from greffier_server.settings import Settings
from greffier_server.storage.disk import DiskJournal
from greffier_server.storage.memory import MemoryStore
from greffier_server.storage.sql import SqlStore
from greffier_server.storage.writer import StoreWriter
from greffier_server.telemetry import Metrics

__all__ = ["MeasuredServer", "build", "build_engines", "measured_server"]

_log = logging.getLogger(__name__)

_DAY_MS = 86_400_000
_UNWEIGHTED_STREAMS = 64
"""The fake engine's decodes cost nothing."""
_SECOND_PASS_LEASE_MS = 6 * 3_600_000
"""The longest recording on a slow machine, and live sessions in between."""


@dataclass(slots=True)
class _Loaded:
    """Engines and what is known of them."""

    engines: Engines
    identities: dict[str, EngineIdentity] = field(default_factory=dict[str, EngineIdentity])
    language_model: ModelState = "off"
    language_model_name: str = ""
    problem: str = ""
    workers: int = 1
    """Of all devices that recognise."""
    engine: BatchRecognizer | None = None
    """One of the loaded recognisers, to be timed."""


@asynccontextmanager
async def build(settings: Settings) -> AsyncGenerator[Services, None]:
    """Build the server's parts, and close them at the end.

    Raises:
        WeightsError: a model is missing or damaged; the message says what to do.
        StorageFailed: the database or the data directory cannot be used.
    """
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        loaded = await build_engines(settings, stack, metrics)
        await asyncio.to_thread(settings.data_dir.mkdir, parents=True, exist_ok=True)
        store = await SqlStore.open(settings.database.get_secret_value())
        stack.push_async_callback(store.close)
        writer = StoreWriter(store)
        stack.push_async_callback(writer.close)
        journal = DiskJournal(settings.data_dir / "audio")
        stack.push_async_callback(journal.close)

        async def sink(records: Sequence[Recorded]) -> None:
            await second_pass.watch(records)
            await writer.append(records)
            for record in records:
                metrics.observe(record)

        desk = Desk(
            store=store,
            sink=sink,
            journal=journal,
            engines=loaded.engines,
            clock=SystemClock(),
            settings=_desk_settings(settings, await asyncio.to_thread(_room, settings, loaded)),
        )
        second_pass = SecondPass(
            store=store,
            sink=sink,
            journal=journal,
            engine=second_engine(settings, loaded.engines.recognizer, load=_load_one_whisper),
            detector=loaded.engines.vad,
            clock=SystemClock(),
            busy=lambda: desk.live_count > 0,
            generator=loaded.engines.generator,
            options=_second_pass_options(settings),
        )
        retention = Retention(store, journal, clock=SystemClock())
        sweeping = asyncio.create_task(retention.run(), name="retention")
        stack.push_async_callback(_end, sweeping)
        metrics.sessions_active.set_function(lambda: desk.live_count)
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
        stack.push_async_callback(_end, asyncio.create_task(runner.run(), name="second-pass"))
        if resumed:
            _log.info("sessions of the last run go on", extra={"count": resumed})
        yield Services(
            desk=desk,
            store=store,
            metrics=metrics,
            readiness=lambda: _readiness(loaded),
            models=lambda: _descriptions(loaded),
            journal=journal,
            second_pass=second_pass,
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
    journal = DiskJournal(folder)
    stack.push_async_callback(journal.close)
    store = MemoryStore()
    desk = Desk(
        store=store,
        sink=store.append,
        journal=journal,
        engines=loaded.engines,
        clock=SystemClock(),
        settings=_desk_settings(settings, Room(10_000)),
    )
    stack.push_async_callback(desk.close)
    machine = this_machine(loaded.identities["recognition"], workers=loaded.workers)
    room = await asyncio.to_thread(_estimate, settings, loaded)
    return MeasuredServer(desk, machine, room)


async def build_engines(
    settings: Settings, stack: AsyncExitStack, metrics: Metrics | None = None
) -> _Loaded:
    """Load the engines that `settings` name; `stack` closes them.

    Raises:
        WeightsError: a model is missing or damaged.
    """
    found = await asyncio.to_thread(_find_language_model, settings)

    def observe(elapsed_s: float, windows: int) -> None:
        del windows
        if metrics is not None:
            metrics.engine_seconds.labels("recognition").observe(elapsed_s)

    if settings.recognition.engine == "fake":
        from greffier_models.fakes import FakeRecognizer, FakeVad

        engines: list[BatchRecognizer] = [FakeRecognizer()]
        vad: VoiceActivityDetector = FakeVad()
    else:
        from greffier_models.silero import load_silero

        engines = await asyncio.to_thread(_load_whisper, settings)
        vad = await asyncio.to_thread(load_silero)
    runtimes: list[RecognitionRuntime] = []
    for engine in engines:
        runtime = RecognitionRuntime(engine, workers=_workers(engine), observe=observe)
        runtimes.append(await stack.enter_async_context(runtime))
    recognizer = runtimes[0] if len(runtimes) == 1 else DeviceGroup(runtimes)
    voices = await asyncio.to_thread(_load_voices, settings)
    generator = _language_model(settings, found)
    loaded = _Loaded(
        Engines(recognizer, vad, generator, load=lambda: recognizer.load, voices=voices)
    )
    loaded.identities["recognition"] = recognizer.identity
    loaded.workers, loaded.engine = sum(map(_workers, engines)), engines[0]
    if generator is not None:
        stack.push_async_callback(generator.close)
        identity = generator.capabilities.identity
        loaded.identities["language"] = identity
        loaded.language_model, loaded.language_model_name = "loaded", identity.model
        await _start(generator, loaded, stack)
    return loaded


async def _start(generator: TextGenerator, loaded: _Loaded, stack: AsyncExitStack) -> None:
    from greffier_models.llm import LlamaGenerator

    if not isinstance(generator, LlamaGenerator):
        return
    loaded.language_model = "loading"

    async def load() -> None:
        try:
            await generator.start()
        except EngineError as error:
            loaded.language_model, loaded.problem = "failed", error.message
            _log.warning("the language model cannot be loaded: captions only")
        else:
            loaded.language_model = "loaded"

    task = asyncio.create_task(load(), name="load-language-model")

    stack.push_async_callback(_end, task)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _load_whisper(settings: Settings) -> list[BatchRecognizer]:
    """The model, once on each device."""
    from greffier_models.whisper.engine import load_whisper

    wanted = settings.recognition
    found = locate(wanted.model, settings.models_path)
    return [
        load_whisper(
            Path(found.path),
            name=found.name,
            digest=found.digest,
            device=wanted.device,
            device_index=index,
            compute_type=wanted.compute_type,
            workers=wanted.workers,
            threads=wanted.threads,
        )
        for index in wanted.devices or (0,)
    ]


def _load_one_whisper(settings: Settings) -> BatchRecognizer:
    """For work beside the live one: one device, one decode at a time."""
    wanted = settings.recognition
    alone = wanted.model_copy(update={"devices": wanted.devices[:1], "workers": 1})
    return _load_whisper(settings.model_copy(update={"recognition": alone}))[0]


def _workers(engine: BatchRecognizer) -> int:
    """Calls that `engine` can run at once; one where it does not say."""
    workers = getattr(engine, "workers", 1)
    return workers if isinstance(workers, int) else 1


def _load_voices(settings: Settings) -> VoiceEmbedder | None:
    wanted = settings.recognition
    if wanted.speakers == "off":
        return None
    from greffier_models.speakers import load_campplus

    try:
        found = locate(wanted.speaker_model, settings.models_path)
    except WeightsMissing as error:
        raise WeightsMissing(f"{error.message} Or set recognition.speakers to off.") from error
    return load_campplus(Path(found.path), name=found.name, digest=found.digest)


def _find_language_model(settings: Settings) -> InstalledModel | None:
    if settings.language_model.engine != "llama":
        return None
    try:
        return locate(settings.language_model.model, settings.models_path)
    except WeightsMissing as error:
        raise WeightsMissing(f"{error.message} Or serve captions only: --no-llm") from error


def _language_model(settings: Settings, found: InstalledModel | None) -> TextGenerator | None:
    wanted = settings.language_model
    match wanted.engine:
        case "none":
            return None
        case "fake":
            from greffier_models.fakes import FakeGenerator

            return FakeGenerator()
        case "openai":
            from greffier_models.llm import connect_openai

            key = wanted.api_key
            return connect_openai(
                wanted.url or "",
                wanted.model,
                api_key=key.get_secret_value() if key else None,
                allowed_hosts=wanted.allowed_hosts,
                context_tokens=wanted.context_tokens,
                silence_timeout_s=wanted.silence_timeout_s,
            )
        case "llama":
            from greffier_models.llm import load_llama

            if found is None:
                raise WeightsMissing("The language model is missing: greffier models pull")
            return load_llama(
                Path(found.path),
                context_tokens=wanted.context_tokens,
                identity=EngineIdentity(
                    engine="llama.cpp", model=found.name, digest=found.digest, settings="local"
                ),
            )


def _room(settings: Settings, loaded: _Loaded) -> Room:
    """How many live streams are taken; times a decode where nothing else says it (blocking)."""
    setting = settings.limits.max_sessions
    if setting is not None:
        return choose_room(setting, None, estimated=0)
    measured = read_capacity(settings.data_dir)
    machine = this_machine(loaded.identities["recognition"], workers=loaded.workers)
    if measured is not None and measured.machine != machine:
        _log.warning("the capacity was measured on another machine or model: greffier capacity")
        measured = None
    estimated = _estimate(settings, loaded) if measured is None else 0
    room = choose_room(None, measured, estimated=estimated)
    _log.info("room for live streams: %d (%s)", room.streams, room.source)
    return room


def _estimate(settings: Settings, loaded: _Loaded) -> int:
    """Streams by the time of one decode (blocking)."""
    if settings.recognition.engine == "fake" or loaded.engine is None:
        return _UNWEIGHTED_STREAMS
    return estimate_streams(decode_cost_s(loaded.engine), workers=loaded.workers)


def _desk_settings(settings: Settings, room: Room) -> DeskSettings:
    limits = settings.limits
    retention = settings.retention_days
    return DeskSettings(
        sessions=SessionSettings(
            limits=SessionLimits(
                buffer_ms=limits.buffer_ms,
                grace_s=limits.grace_s,
                idle_s=limits.idle_timeout_s + limits.grace_s,
                max_hours=limits.max_session_hours,
                spool_grace_s=limits.spool_grace_s,
            ),
            policy=default_dials(
                settings.recognition.policy, fast=settings.recognition.latency == "fast"
            ),
            speech=PROFILES[settings.recognition.profile],
            expected_languages=settings.recognition.expected_languages,
        ),
        max_sessions=room.streams,
        retention_ms=None if retention is None else round(retention * _DAY_MS),
    )


def _second_pass_options(settings: Settings) -> SecondPassOptions:
    wanted = settings.second_pass
    return SecondPassOptions(
        automatic=wanted.enabled,
        minutes=wanted.minutes,
        expected_languages=settings.recognition.expected_languages,
        speech=PROFILES[settings.recognition.profile],
        reading=TranscribeSettings(beam_size=wanted.beam_size, in_flight=4),
    )


def _readiness(loaded: _Loaded) -> Readiness:
    if loaded.language_model == "loading":
        return Readiness(ready=False, reason="The language model is being loaded.")
    return Readiness(ready=True, reason=loaded.problem)


def _descriptions(loaded: _Loaded) -> list[ModelDescription]:
    recognizer = loaded.engines.recognizer
    identity = recognizer.identity
    described = [
        ModelDescription(
            name=identity.model,
            role="recognition",
            state="loaded",
            engine=identity.engine,
            digest=identity.digest,
            settings=identity.settings,
            languages=tuple(sorted(recognizer.languages)),
        )
    ]
    if loaded.engines.voices is not None:
        voices = loaded.engines.voices.identity
        described.append(
            ModelDescription(
                name=voices.model,
                role="speakers",
                state="loaded",
                engine=voices.engine,
                digest=voices.digest,
                settings=voices.settings,
            )
        )
    if loaded.engines.generator is not None:
        language = loaded.identities["language"]
        described.append(
            ModelDescription(
                name=language.model,
                role="language",
                state=loaded.language_model,
                engine=language.engine,
                digest=language.digest,
                settings=language.settings,
            )
        )
    return described
