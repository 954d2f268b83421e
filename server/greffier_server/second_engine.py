"""Which recogniser the second pass uses, opened for as long as a pass runs; and when it may run."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from time import monotonic

from greffier_models.catalog import CATALOG, InstalledModel, installed_models, locate
from greffier_models.protocols import BatchRecognizer, SpeechRecognizer
from greffier_server.pipeline.reread import OpenEngine
from greffier_server.recognisers import recognising
from greffier_server.settings import Settings

__all__ = ["BEST", "Idle", "choose_model", "second_engine"]

BEST = "best"
"""Value of ``second_pass.model``: the largest installed."""


class Idle:
    """Whether there was no live session for a while; sampled whenever it is asked.

    Args:
        live: sessions with input or work left.
        least_s: how long there must have been none.
        now: seconds on a clock that never goes back.
    """

    def __init__(
        self, live: Callable[[], int], *, least_s: float, now: Callable[[], float] = monotonic
    ) -> None:
        self._live = live
        self._least_s = least_s
        self._now = now
        self._since: float | None = None

    def __call__(self) -> bool:
        """Ask, often enough to see sessions come and go."""
        if self._live():
            self._since = None
            return False
        if self._since is None:
            self._since = self._now()
        return self._now() - self._since >= self._least_s


def choose_model(settings: Settings) -> InstalledModel:
    """Find the model of the second pass (blocking).

    ``best`` is the live model unless a larger one of the catalogue is installed that knows no
    fewer languages.

    Raises:
        WeightsError: missing or damaged; the message says what to do.
    """
    wanted = settings.second_pass.model
    if wanted != BEST:
        return locate(wanted, settings.models_path)
    live = locate(settings.recognition.model, settings.models_path)
    if live.entry is None:  # nobody knows what it is better than
        return live
    known, size = set(live.entry.languages), live.entry.size
    larger = [
        entry
        for name, manifest in installed_models(settings.models_path).items()
        if manifest is not None
        and (entry := CATALOG.get(name)) is not None
        and entry.engine == live.engine
        and entry.size > size
        and known <= set(entry.languages)
    ]
    if not larger:
        return live
    return locate(max(larger, key=lambda entry: entry.size).name, settings.models_path)


def second_engine(
    settings: Settings, live: SpeechRecognizer, *, load: Callable[[Settings], BatchRecognizer]
) -> OpenEngine:
    """Return what opens the recogniser: the live one where the weights are the same.

    Args:
        settings: of the server.
        live: the recogniser of live sessions; never closed here.
        load: loads the recogniser that settings name (blocking).
    """

    @asynccontextmanager
    async def opened() -> AsyncGenerator[SpeechRecognizer, None]:
        if settings.recognition.engine == "fake":
            yield live
            return
        found = await asyncio.to_thread(choose_model, settings)
        if found.digest and found.digest == live.identity.digest:
            yield live
            return
        recognition = settings.recognition.model_copy(
            update={"model": found.name if found.entry is not None else str(found.path)}
        )
        engine = await asyncio.to_thread(
            load, settings.model_copy(update={"recognition": recognition})
        )
        async with recognising(engine) as runtime:
            yield runtime

    return opened
