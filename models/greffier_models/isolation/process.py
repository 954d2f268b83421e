"""A recogniser that runs in a child process, behind the protocol of one that does not."""

import threading
from collections.abc import Sequence

from greffier_models.errors import EngineDied, EngineUnavailable
from greffier_models.isolation.frames import BrokenFrame
from greffier_models.isolation.recipe import Recipe
from greffier_models.isolation.run import ChildRun, Welcome
from greffier_models.isolation.values import (
    hypotheses_of,
    plain_options,
    samples_of,
    scores_of,
)
from greffier_models.isolation.watch import WatchSettings
from greffier_models.types import AudioWindow, EngineIdentity, Hypothesis, RecognitionOptions

__all__ = ["RecognizerProcess"]

_LEAST_COST = 0.25


class RecognizerProcess:
    """A `BatchRecognizer` whose engine lives in a child; blocking, for several threads.

    A child that died stays dead until `start` is called again: who sends the requests decides when,
    and which of them are sent again (`RecognitionRuntime` with a `Revival`).

    Args:
        recipe: of the engine, made in the child.
        watch: when a child counts as stuck.
    """

    def __init__(self, recipe: Recipe, *, watch: WatchSettings | None = None) -> None:
        self._recipe = recipe
        self.watch = watch or WatchSettings()
        """When a child counts as stuck."""
        self._lock = threading.Lock()
        self._run: ChildRun | None = None
        self._welcome: Welcome | None = None
        self._closed = False

    @property
    def identity(self) -> EngineIdentity:
        """What is written into events."""
        return self._known.identity

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes this model knows."""
        return self._known.languages

    @property
    def workers(self) -> int:
        """Calls that can run at once."""
        return self._known.workers

    @property
    def pid(self) -> int | None:
        """Of the child, while there is one."""
        run = self._run
        return None if run is None else run.pid

    @property
    def memory_bytes(self) -> int:
        """Resident memory of the child, as of its last heartbeat."""
        run = self._run
        return 0 if run is None else run.memory_bytes

    def start(self) -> None:
        """Start the child, or another one; what the old one still held is lost. Blocks.

        Raises:
            EngineUnavailable: closed.
            EngineDied: the child died while it was loading, or took too long.
            EngineError: the engine cannot be loaded.
        """
        with self._lock:
            self._refuse_when_closed()
            before, run = self._run, ChildRun(self._recipe, self.watch)
            self._run = run
        if before is not None:
            before.end()
        try:
            welcome = run.start()
            with self._lock:
                self._refuse_when_closed()
                self._welcome = welcome
        except BaseException:
            run.end()
            raise

    def identify(self, window: AudioWindow, candidates: Sequence[str] = ()) -> dict[str, float]:
        """Probability of each language over `window` (see `BatchRecognizer`).

        Raises:
            EngineDied: the child is gone.
        """
        header = {
            "do": "identify",
            "windows": [(window.start_ms, len(window.pcm))],
            "candidates": list(candidates),
        }
        run = self._running()
        answer = run.ask(header, [samples_of(window)], cost=2 * _cost(window))
        try:
            return scores_of(answer)
        except BrokenFrame:
            raise _nonsense(run) from None

    def decode(
        self, batch: Sequence[tuple[AudioWindow, RecognitionOptions]]
    ) -> Sequence[Hypothesis]:
        """Decode windows of several sessions together, in order (see `BatchRecognizer`).

        Raises:
            EngineDied: the child is gone.
        """
        header = {
            "do": "decode",
            "windows": [(window.start_ms, len(window.pcm)) for window, _ in batch],
            "options": [plain_options(options) for _, options in batch],
        }
        cost = sum(_cost(window) * options.beam_size for window, options in batch)
        run = self._running()
        answer = run.ask(header, [samples_of(window) for window, _ in batch], cost=cost)
        try:
            return hypotheses_of(answer, len(batch))
        except BrokenFrame:
            raise _nonsense(run) from None

    def close(self) -> None:
        """End the child; whoever waits gets `EngineUnavailable`. Blocks for seconds at most."""
        with self._lock:
            self._closed = True
            run = self._run
        if run is not None:
            run.end()

    @property
    def _known(self) -> Welcome:
        if self._welcome is None:
            raise EngineUnavailable("The speech model has not been started.")
        return self._welcome

    def _running(self) -> ChildRun:
        run = self._run
        if run is None or self._closed:
            raise EngineUnavailable("The speech model is not running.")
        return run

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise EngineUnavailable("The speech model was closed.")


def _cost(window: AudioWindow) -> float:
    return max(_LEAST_COST, window.duration_ms / 15_000)


def _nonsense(run: ChildRun) -> EngineDied:
    run.fail("nonsense")
    return EngineDied("The speech model's process answered nonsense.", cause="nonsense")
