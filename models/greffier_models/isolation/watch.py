"""Whether a child that runs is stuck: no heartbeat, or a request that takes far too long."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Stuck", "Watch", "WatchSettings"]

Stuck = Literal["silent", "stalled"]
"""``silent``: no heartbeat; ``stalled``: a request passed its bound."""

_SMOOTHING = 0.2
_LATE_TICKS = 3


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """When a child is given up; all times in seconds."""

    beat_s: float = 1.0
    """Between two heartbeats."""
    silent_s: float = 10.0
    """Without a heartbeat for so long, it is stuck."""
    least_s: float = 20.0
    """No request is given up sooner."""
    unknown_s: float = 60.0
    """The bound of requests before any was answered."""
    factor: float = 10.0
    """A request may take so many times what such requests take."""
    load_s: float = 600.0
    """Loading may take so long: large weights from a slow disk."""
    load_silent_s: float = 60.0
    """Without a heartbeat while it loads: native code may hold the interpreter for long."""


@dataclass(slots=True)
class _Asked:
    cost: float
    begun_s: float
    due_s: float


class Watch:
    """The watchdog of one run of a child; told of everything, with the time of one clock.

    The clock should stand still while the machine sleeps, as `time.monotonic` does on Linux. What
    also stops the watchdog itself (a paused virtual machine, SIGSTOP to the whole group) shows as a
    tick that comes late: all bounds are moved by the time that was lost.

    Args:
        settings: the bounds.
        tick_s: how often `look` is called.
        now_s: time of the start.
    """

    def __init__(self, settings: WatchSettings, *, tick_s: float, now_s: float) -> None:
        self._settings = settings
        self._tick_s = tick_s
        self._looked_s = now_s
        self._beat_s = now_s
        self._load_until_s: float | None = now_s + settings.load_s
        self._rate: float | None = None
        """Seconds for a cost of one."""
        self._asked: dict[int, _Asked] = {}

    def began(self, number: int, *, cost: float, now_s: float) -> None:
        """A request was sent; `cost` is relative to others, by the length of its audio."""
        self._asked[number] = _Asked(cost, now_s, now_s + self.bound_s(cost))

    def ended(self, number: int, now_s: float) -> None:
        """It was answered."""
        asked = self._asked.pop(number, None)
        if asked is None or asked.cost <= 0:
            return
        rate = (now_s - asked.begun_s) / asked.cost
        if self._rate is None or rate > self._rate:  # at once up, slowly down
            self._rate = rate
        else:
            self._rate += _SMOOTHING * (rate - self._rate)

    def beat(self, now_s: float) -> None:
        """A heartbeat came."""
        self._beat_s = now_s

    def loaded(self, now_s: float) -> None:
        """The engine can be asked."""
        self._beat_s = now_s
        self._load_until_s = None

    def bound_s(self, cost: float) -> float:
        """How long a request may take."""
        if self._rate is None:
            return max(self._settings.least_s, self._settings.unknown_s)
        return max(self._settings.least_s, self._settings.factor * self._rate * cost)

    def look(self, now_s: float) -> Stuck | None:
        """Judge; call it every `tick_s`."""
        lost_s = now_s - self._looked_s - self._tick_s
        self._looked_s = now_s
        if lost_s > _LATE_TICKS * self._tick_s:
            self._beat_s = min(now_s, self._beat_s + lost_s)
            if self._load_until_s is not None:
                self._load_until_s += lost_s
            for asked in self._asked.values():
                own_s = min(lost_s, now_s - asked.begun_s)
                asked.begun_s += own_s
                asked.due_s += own_s
        silent_s = now_s - self._beat_s
        if self._load_until_s is not None:
            if silent_s > self._settings.load_silent_s:
                return "silent"
            return "stalled" if now_s > self._load_until_s else None
        if silent_s > self._settings.silent_s:
            return "silent"
        if any(now_s > asked.due_s for asked in self._asked.values()):
            return "stalled"
        return None
