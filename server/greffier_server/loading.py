"""Loads the engines that the settings name: recognisers by device, voice activity, language model.

Weights are looked for first, so that what is missing is said at once and with the command that
helps; speech models are loaded before the server listens, the language model beside it.
"""

import asyncio
import logging
from contextlib import AsyncExitStack
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
from greffier_server.pipeline.building import Engines
from greffier_server.recognisers import load_recognisers, recognising, workers_of
from greffier_server.services import ModelState
from greffier_server.settings import Settings
from greffier_server.telemetry import Metrics

__all__ = ["LoadedEngines", "build_engines", "end_task", "load_one_whisper"]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class LoadedEngines:
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
    devices: list[RecognitionRuntime] = field(default_factory=list[RecognitionRuntime])
    """That recognise."""


async def build_engines(
    settings: Settings, stack: AsyncExitStack, metrics: Metrics | None = None
) -> LoadedEngines:
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
        from greffier_models.fakes import FakeVad

        vad: VoiceActivityDetector = FakeVad()
    else:
        from greffier_models.silero import load_silero

        vad = await asyncio.to_thread(load_silero)
    engines = await asyncio.to_thread(load_recognisers, settings)
    runtimes = [
        await stack.enter_async_context(recognising(engine, observe=observe, metrics=metrics))
        for engine in engines
    ]
    recognizer = runtimes[0] if len(runtimes) == 1 else DeviceGroup(runtimes)
    voices = await asyncio.to_thread(_load_voices, settings)
    generator = _language_model(settings, found)
    loaded = LoadedEngines(
        Engines(recognizer, vad, generator, load=lambda: recognizer.load, voices=voices)
    )
    loaded.identities["recognition"] = recognizer.identity
    loaded.workers, loaded.engine = sum(map(workers_of, engines)), engines[0]
    loaded.devices = runtimes
    if metrics is not None:
        metrics.watch_devices(runtimes)
    if generator is not None:
        stack.push_async_callback(generator.close)
        identity = generator.capabilities.identity
        loaded.identities["language"] = identity
        loaded.language_model, loaded.language_model_name = "loaded", identity.model
        await _start(generator, loaded, stack)
    return loaded


async def _start(generator: TextGenerator, loaded: LoadedEngines, stack: AsyncExitStack) -> None:
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

    stack.push_async_callback(end_task, task)


async def end_task(task: asyncio.Task[None]) -> None:
    """Cancel `task` and wait until it has ended, however it does."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def load_one_whisper(settings: Settings) -> BatchRecognizer:
    """For work beside the live one: one device, one decode at a time."""
    wanted = settings.recognition
    alone = wanted.model_copy(update={"devices": wanted.devices[:1], "workers": 1})
    return load_recognisers(settings.model_copy(update={"recognition": alone}))[0]


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
