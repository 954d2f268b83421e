"""The ladder: how quality gives way when recognition lags, and returns. Audio is never dropped."""

from dataclasses import dataclass

from greffier.protocol import QualityLevel

__all__ = ["Ladder", "LadderSettings"]

_LEVELS: tuple[QualityLevel, ...] = ("full", "longer-hops", "finals-only")


@dataclass(frozen=True, slots=True)
class LadderSettings:
    """When to step; milliseconds of audio."""

    down_ms: tuple[int, int] = (3_000, 10_000)
    """Backlog at which ``full`` becomes ``longer-hops``, and that ``finals-only``."""
    up_ms: int = 1_000
    """Backlog under which a step up is considered …"""
    steady_ms: int = 10_000
    """… once it has stayed there for this much audio."""


class Ladder:
    """One session's step, from its backlog: audio received and not yet looked at."""

    def __init__(self, settings: LadderSettings | None = None) -> None:
        self._settings = settings or LadderSettings()
        self._step = 0
        self._steady_since_ms: int | None = None

    @property
    def level(self) -> QualityLevel:
        """The present step."""
        return _LEVELS[self._step]

    def weigh(self, backlog_ms: int, at_ms: int) -> QualityLevel | None:
        """Take the backlog at `at_ms` of the session's clock; return the new level if it changes.

        Steps down at once and up one at a time.
        """
        wanted = sum(1 for limit in self._settings.down_ms if backlog_ms >= limit)
        if wanted > self._step:
            self._step = wanted
            self._steady_since_ms = None
            return self.level
        if self._step == 0 or backlog_ms >= self._settings.up_ms:
            self._steady_since_ms = None
            return None
        if self._steady_since_ms is None:
            self._steady_since_ms = at_ms
        if at_ms - self._steady_since_ms < self._settings.steady_ms:
            return None
        self._step -= 1
        self._steady_since_ms = at_ms
        return self.level
