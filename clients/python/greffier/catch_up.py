"""How fast kept audio is sent once the link is back: faster than real time, as the server bears it.

The pace grows by steps and halves when the server lags (additive increase, multiplicative decrease;
Chiu and Jain, 1989): a session that makes up for hours must not slow the captions of others down.
"""

from collections.abc import Callable
from typing import Final

from greffier.protocol import Caption, Quality, ServerMessage

__all__ = ["CatchUp"]

_LIVE_MS: Final = 2_000
"""Less than this waiting is an ordinary delay, and sent at once."""
_LEAST: Final = 1.25
"""Slower would never catch up with a recording that goes on."""
_STEP: Final = 0.5
_EVERY_S: Final = 3.0
_LAG_MS: Final = 10_000
"""Captions this far behind what was sent: the server does not keep up."""


class CatchUp:
    """The pace of one session.

    Args:
        most: times real time, at least 1.25.
        clock: seconds.
    """

    def __init__(self, *, most: float, clock: Callable[[], float]) -> None:
        self._most = max(most, _LEAST)
        self._clock = clock
        self.pace = max(_LEAST, self._most / 2)
        """Times real time."""
        self._changed_at = clock()
        self._next_at = clock()
        self._busy = False

    def delay_s(self, sent_ms: int, *, waiting_ms: int) -> float:
        """How long to wait before the next `sent_ms` of audio, with `waiting_ms` kept behind it."""
        now = self._clock()
        if waiting_ms <= _LIVE_MS:
            self._next_at = now
            return 0.0
        if not self._busy and now - self._changed_at >= _EVERY_S:
            self._set(min(self._most, self.pace + _STEP))
        delay_s = max(0.0, self._next_at - now)
        self._next_at = max(now, self._next_at) + sent_ms / 1000 / self.pace
        return delay_s

    def hear(self, message: ServerMessage) -> None:
        """Take what the server says of its load."""
        if isinstance(message, Quality):
            self._busy = message.level != "full"
            if self._busy:
                self._slow_down()
        elif isinstance(message, Caption) and message.lag_ms > _LAG_MS:
            self._slow_down()

    def _slow_down(self) -> None:
        if self._clock() - self._changed_at >= _EVERY_S or self.pace == self._most:
            self._set(max(_LEAST, self.pace / 2))

    def _set(self, pace: float) -> None:
        self.pace = pace
        self._changed_at = self._clock()
