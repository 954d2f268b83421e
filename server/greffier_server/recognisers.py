"""The devices that recognise: engines in this process or in one each, and who keeps them alive."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from greffier_models.catalog import locate
from greffier_models.errors import EngineDied, EngineError
from greffier_models.isolation import Recipe, RecognizerProcess, WatchSettings, whisper_recipe
from greffier_models.protocols import BatchRecognizer
from greffier_models.revival import Revival
from greffier_models.runtime import RecognitionRuntime
from greffier_server.settings import RecognitionSettings, Settings
from greffier_server.telemetry import Metrics

__all__ = [
    "down_reason",
    "isolated",
    "load_recognisers",
    "recognising",
    "start_recognisers",
    "workers_of",
]

_log = logging.getLogger(__name__)

_SILENT_SHARE = 0.5
_UNKNOWN_TIMES = 3


def isolated(settings: RecognitionSettings) -> bool:
    """Whether the engine runs in a process of its own."""
    if settings.isolation == "auto":
        return settings.engine == "whisper"
    return settings.isolation == "process"


def load_recognisers(settings: Settings) -> list[BatchRecognizer]:
    """Load the recogniser that `settings` name, once on each device (blocking).

    Whoever gets them closes them (`recognising` does).

    Raises:
        WeightsError: the model is missing or damaged.
        EngineError: it cannot be loaded.
    """
    wanted = settings.recognition
    if wanted.engine == "fake":
        if not isolated(wanted):
            from greffier_models.fakes import FakeRecognizer

            return [FakeRecognizer()]
        return start_recognisers([Recipe("greffier_models.isolation.recipe:make_fake")], wanted)
    found = locate(wanted.model, settings.models_path)
    recipes = [
        whisper_recipe(
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
    if isolated(wanted):
        return start_recognisers(recipes, wanted)
    return [recipe.make() for recipe in recipes]


def start_recognisers(
    recipes: Sequence[Recipe], wanted: RecognitionSettings
) -> list[BatchRecognizer]:
    """Start a process for each recipe; none is left when one fails (blocking).

    Raises:
        EngineError: one cannot be loaded.
    """
    watch = WatchSettings(
        silent_s=wanted.stuck_s * _SILENT_SHARE,
        least_s=wanted.stuck_s,
        unknown_s=wanted.stuck_s * _UNKNOWN_TIMES,
    )
    engines = [RecognizerProcess(recipe, watch=watch) for recipe in recipes]
    try:
        for engine in engines:
            engine.start()
    except BaseException as error:
        for engine in engines:
            engine.close()
        if isinstance(error, EngineDied):
            raise EngineError(
                "The speech model's process died while it was loading: memory may be short, or the "
                "processor too old. Try a smaller model."
            ) from error
        raise
    return [*engines]


@asynccontextmanager
async def recognising(
    engine: BatchRecognizer,
    *,
    observe: Callable[[float, int], None] | None = None,
    metrics: Metrics | None = None,
) -> AsyncGenerator[RecognitionRuntime, None]:
    """Run `engine`, start it again when its process dies, and close it at the end."""
    workers = workers_of(engine)
    if not isinstance(engine, RecognizerProcess):
        async with RecognitionRuntime(engine, workers=workers, observe=observe) as runtime:
            yield runtime
        return

    def told(cause: str) -> None:
        if metrics is not None:
            metrics.engine_restarts.labels(cause).inc()

    runtime = RecognitionRuntime(
        engine, workers=workers, observe=observe, revival=Revival(engine.start, told=told)
    )
    async with runtime:
        try:
            yield runtime
        finally:  # before the runtime waits for what runs: it may be stuck
            await asyncio.to_thread(engine.close)


def workers_of(engine: BatchRecognizer) -> int:
    """Calls that `engine` can run at once; one where it does not say."""
    workers = getattr(engine, "workers", 1)
    return workers if isinstance(workers, int) else 1


def down_reason(devices: Sequence[RecognitionRuntime]) -> str:
    """Why no device can recognise; empty when one can. On the event loop."""
    conditions = [device.condition for device in devices]
    if not conditions or any(condition.state != "down" for condition in conditions):
        return ""
    restarts = sum(condition.restarts for condition in conditions)
    return (
        f"The speech model's process fails again and again ({restarts} restarts, the last because "
        f"it {_CAUSES.get(conditions[0].cause, 'could not be loaded')}); see the server's log."
    )


_CAUSES = {
    "died": "died",
    "silent": "gave no sign of life",
    "stalled": "did not end a decode",
    "nonsense": "answered nonsense",
}
