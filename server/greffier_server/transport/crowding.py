"""Whether more clients connect than the event loop can greet: who comes then is told so at once."""

import asyncio
from typing import Final

__all__ = ["Crowding"]

_LATE_S: Final = 0.1
"""A turn of the event loop that takes so long is felt by those who speak."""
_CROWD: Final = 100
"""In a second; fewer are never a crowd, whatever else keeps the event loop."""
_WINDOW_S: Final = 1.0


class Crowding:
    """Measures the event loop's turns, from one new connection to the next.

    Nothing runs while nobody connects. A rate alone, set beforehand, would be wrong on every
    machine but one, and too low for a proxy, which opens a connection for each request.

    Args:
        late_s: longest turn in which everybody is let in.
        crowd: connections in a second that are let in however long the turns are.
    """

    def __init__(self, *, late_s: float = _LATE_S, crowd: int = _CROWD) -> None:
        self._late_s = late_s
        self._crowd = crowd
        self._turn_began_s: float | None = None
        self._turn_s = 0.0
        self._measured_s = 0.0
        self._window_began_s = 0.0
        self._admitted = 0

    def admits(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether one more can be greeted now; call it once for each new connection."""
        now = loop.time()
        if self._turn_began_s is None:
            self._turn_began_s = now
            loop.call_soon(self._measure, loop)
        if now - self._window_began_s >= _WINDOW_S:
            self._window_began_s, self._admitted = now, 0
        if self._admitted >= self._crowd and self._late(now):
            return False
        self._admitted += 1
        return True

    def _late(self, now: float) -> bool:
        recent = now - self._measured_s < _WINDOW_S and self._turn_s >= self._late_s
        running = self._turn_began_s is not None and now - self._turn_began_s >= self._late_s
        return recent or running

    def _measure(self, loop: asyncio.AbstractEventLoop) -> None:
        """One turn later: everything that was ready then has run."""
        self._measured_s = loop.time()
        self._turn_s = self._measured_s - (self._turn_began_s or 0.0)
        self._turn_began_s = None
