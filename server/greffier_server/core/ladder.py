"""The ladder: how quality gives way when recognition lags, and returns. Audio is never dropped.

Two things give way. The hop between decodes grows smoothly with the load of the device, as all its
sessions see it, before anybody lags; the steps come down when that is not enough.
"""

from dataclasses import dataclass

from greffier.protocol import QualityLevel
from greffier_models.load import DeviceLoad

__all__ = ["LEVELS", "Ladder", "LadderSettings"]

LEVELS: tuple[QualityLevel, ...] = ("full", "longer-hops", "finals-only")
"""The steps, from the best down."""


@dataclass(frozen=True, slots=True)
class LadderSettings:
    """When to step; milliseconds of audio."""

    down_ms: tuple[int, int] = (3_000, 10_000)
    """Backlog at which ``full`` becomes ``longer-hops``, and that ``finals-only``."""
    up_ms: int = 1_000
    """Backlog under which a step up is considered …"""
    steady_ms: int = 10_000
    """… once it has stayed there for this much audio."""
    busy_share: float = 0.95
    """Hops are kept long enough for so much of the device to be busy at most: the rest is for ends
    of segments, language detection, and streams that speak at the same moment."""
    max_hop_ms: int = 4_000
    """The longest hop that load alone asks for."""
    long_hop_ms: int = 2_500
    """A hop that is called ``longer-hops``; …"""
    short_hop_ms: int = 2_000
    """… it is no longer when load asks for at most this."""
    relax_ms: int = 100
    """How much a hop may shrink with each second of audio: load comes in bursts."""


class Ladder:
    """One session's step and hop, from its backlog and the load of the device.

    The backlog is audio received and not yet looked at.
    """

    def __init__(self, settings: LadderSettings | None = None) -> None:
        self._settings = settings or LadderSettings()
        self._step = 0
        self._steady_since_ms: int | None = None
        self._hop_ms = 0
        self._paced_ms = 0

    @property
    def level(self) -> QualityLevel:
        """The present step."""
        return LEVELS[self._step]

    @property
    def hop_ms(self) -> int:
        """Time between two decodes that the device bears; 0 to `max_hop_ms`."""
        return self._hop_ms

    def weigh(
        self, backlog_ms: int, at_ms: int, *, load: DeviceLoad | None = None
    ) -> QualityLevel | None:
        """Take the backlog at `at_ms` of the session's clock; return the new level if it changes.

        Steps down at once and up one at a time.
        """
        self._pace(at_ms, load)
        settings = self._settings
        wanted = sum(1 for limit in settings.down_ms if backlog_ms >= limit)
        if self._hop_ms >= settings.long_hop_ms:
            wanted = max(wanted, 1)
        if wanted > self._step:
            self._step = wanted
            self._steady_since_ms = None
            return self.level
        least = int(self._hop_ms > settings.short_hop_ms)
        if self._step <= least or backlog_ms >= settings.up_ms:
            self._steady_since_ms = None
            return None
        if self._steady_since_ms is None:
            self._steady_since_ms = at_ms
        if at_ms - self._steady_since_ms < settings.steady_ms:
            return None
        self._step -= 1
        self._steady_since_ms = at_ms
        return self.level

    def _pace(self, at_ms: int, load: DeviceLoad | None) -> None:
        """Longer at once, shorter by and by."""
        settings = self._settings
        wanted_ms = load.interval_ms(settings.busy_share) if load is not None else 0
        relaxed_ms = self._hop_ms - (at_ms - self._paced_ms) * settings.relax_ms // 1000
        if wanted_ms >= self._hop_ms or relaxed_ms < self._hop_ms:
            self._hop_ms = min(settings.max_hop_ms, max(wanted_ms, relaxed_ms, 0))
            self._paced_ms = at_ms
