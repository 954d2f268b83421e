"""An engine that died is started again: at once, then later and later while that does not help."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from greffier_models.errors import EngineDied, EngineError, EngineUnavailable

__all__ = ["EngineCondition", "EngineState", "Revival", "RevivalSettings"]

_log = logging.getLogger(__name__)

EngineState = Literal["up", "restarting", "down"]


@dataclass(frozen=True, slots=True)
class RevivalSettings:
    """How patiently an engine is started again; times in seconds."""

    first_s: float = 0.25
    """Before the second start in a row; the first is at once, each further one waits twice as
    long as the one before."""
    longest_s: float = 30.0
    down_after: int = 5
    """So many deaths or failed starts without one answer in between: the engine is down."""
    steady_s: float = 30.0
    """A process that lived so long without dying counts as recovered, even if nothing was asked."""


@dataclass(frozen=True, slots=True)
class EngineCondition:
    """What is known of an engine now."""

    state: EngineState = "up"
    """``down``: it failed again and again; it is still tried from time to time."""
    cause: str = ""
    """Of the last death."""
    restarts: int = 0
    set_aside: int = 0
    """Requests that the engine died of."""


class Revival:
    """Starts one device's engine again; lives on the event loop.

    Args:
        start: starts the engine; blocks.
        settings: how patiently.
        told: called with the cause at each restart, for metrics.
        sleep: awaited between two starts.
    """

    def __init__(
        self,
        start: Callable[[], None],
        *,
        settings: RevivalSettings | None = None,
        told: Callable[[str], None] = lambda cause: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._start = start
        self._settings = settings or RevivalSettings()
        self._told = told
        self._sleep = sleep
        self._failures = 0
        self._starting = False
        self._started_s = float("-inf")
        self._cause = ""
        self._restarts = 0
        self._set_aside = 0

    @property
    def condition(self) -> EngineCondition:
        """What is known of the engine now."""
        state: EngineState = "restarting" if self._starting else "up"
        if self._failures >= self._settings.down_after and not self._steady():
            state = "down"
        return EngineCondition(state, self._cause, self._restarts, self._set_aside)

    @property
    def hopeless(self) -> bool:
        """The engine is down, and no process runs that could be asked."""
        return self._starting and self._failures >= self._settings.down_after

    def answered(self) -> None:
        """The engine answered: whatever was wrong with it is over."""
        self._failures = 0

    def put_aside(self) -> None:
        """A request is asked no more."""
        self._set_aside += 1

    async def revive(self, cause: str, *, refuse: Callable[[], None]) -> None:
        """Start the engine again, until that succeeds.

        Args:
            cause: of its death.
            refuse: called each time the engine is found to be down.

        Raises:
            EngineUnavailable: it was closed.
        """
        if self._steady():
            self._failures = 0
        self._starting = True
        try:
            while True:
                self._cause = cause
                self._failures += 1
                if self.hopeless:
                    refuse()
                await self._wait()
                self._restarts += 1
                self._told(cause)
                _log.warning("the speech model is started again", extra={"cause": cause})
                try:
                    await asyncio.to_thread(self._start)
                except EngineDied as error:
                    cause = error.cause
                except EngineUnavailable:
                    raise
                except EngineError as error:
                    cause = error.code
                else:
                    self._started_s = asyncio.get_running_loop().time()
                    return
        finally:
            self._starting = False

    async def _wait(self) -> None:
        if self._failures > 1:
            delay_s = self._settings.first_s * 2 ** min(self._failures - 2, 20)
            await self._sleep(min(delay_s, self._settings.longest_s))

    def _steady(self) -> bool:
        if self._starting or not self._failures:
            return False
        lived_s = asyncio.get_running_loop().time() - self._started_s
        return lived_s >= self._settings.steady_s
