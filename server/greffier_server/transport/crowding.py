"""Whether more clients connect than the event loop can greet: who comes then is told so at once."""

import asyncio
from typing import Final

__all__ = ["Crowding"]

_LATE_S: Final = 0.1
"""A turn of the event loop that takes so long is felt by those who speak."""
_FORGET_S: Final = 0.5


class Crowding:
    """Measures the event loop's turns, from one new connection to the next.

    Nothing runs while nobody connects. A rate set beforehand would be wrong on every machine but
    one, and too low for a proxy, which opens a connection for each request.

    Args:
        late_s: longest turn in which everybody is let in.
    """

    def __init__(self, *, late_s: float = _LATE_S) -> None:
        self._late_s = late_s
        self._begun_s: float | None = None
        self._turn_s = 0.0
        self._measured_s = 0.0

    def admits(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether one more can be greeted now; call it once for each new connection."""
        now = loop.time()
        if self._begun_s is None:
            self._begun_s = now
            loop.call_soon(self._measure, loop)
        recent = now - self._measured_s < _FORGET_S
        return now - self._begun_s < self._late_s and not (recent and self._turn_s >= self._late_s)

    def _measure(self, loop: asyncio.AbstractEventLoop) -> None:
        """One turn later: everything that was ready then has run."""
        self._measured_s = loop.time()
        self._turn_s = self._measured_s - (self._begun_s or 0.0)
        self._begun_s = None
