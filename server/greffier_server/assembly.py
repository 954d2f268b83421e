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
from greffier_models.errors import EngineError, WeightsMissing
from greffier_models.protocols import BatchRecognizer, TextGenerator, VoiceActivityDetector
from greffier_models.runtime import RecognitionRuntime
from greffier_models.types import EngineIdentity
from greffier_server.core.events import Recorded
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
from greffier_server.storage.sql import SqlStore
from greffier_server.storage.writer import StoreWriter
from greffier_server.telemetry import Metrics

__all__ = ["build", "build_engines"]

_log = logging.getLogger(__name__)

_DAY_MS = 86_400_000
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
            settings=_desk_settings(settings),
        )
        second_pass = SecondPass(
            store=store,
            sink=sink,
            journal=journal,
            engine=second_engine(settings, loaded.engines.recognizer, load=_load_whisper),
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
            second_pass=second_pass,
        )


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

        engine: BatchRecognizer = FakeRecognizer()
        vad: VoiceActivityDetector = FakeVad()
    else:
        from greffier_models.silero import load_silero

        engine = await asyncio.to_thread(_load_whisper, settings)
        vad = await asyncio.to_thread(load_silero)
    recognizer = RecognitionRuntime(engine, observe=observe)
    await stack.enter_async_context(recognizer)
    generator = _language_model(settings, found)
    loaded = _Loaded(Engines(recognizer, vad, generator))
    loaded.identities["recognition"] = recognizer.identity
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


def _load_whisper(settings: Settings) -> BatchRecognizer:
    from greffier_models.whisper.engine import load_whisper

    wanted = settings.recognition
    found = locate(wanted.model, settings.models_path)
    return load_whisper(
        Path(found.path),
        name=found.name,
        digest=found.digest,
        device=wanted.device,
        compute_type=wanted.compute_type,
        threads=wanted.threads,
    )


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


def _desk_settings(settings: Settings) -> DeskSettings:
    limits = settings.limits
    retention = settings.retention_days
    return DeskSettings(
        sessions=SessionSettings(
            limits=SessionLimits(
                buffer_ms=limits.buffer_ms,
                grace_s=limits.grace_s,
                idle_s=limits.idle_timeout_s + limits.grace_s,
                max_hours=limits.max_session_hours,
            ),
            speech=PROFILES[settings.recognition.profile],
            expected_languages=settings.recognition.expected_languages,
        ),
        max_sessions=limits.max_sessions,
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
