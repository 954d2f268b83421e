"""How long to wait between attempts to reconnect: exponential, with jitter, and then no more."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, cast

from greffier.errors import ConnectionLost

__all__ = ["Attempts", "Reconnection", "RetryPolicy"]

_LONGEST_ASKED_S: Final = 60.0
"""A server that asks for more is asked again after so long."""
_SPREAD: Final = 0.5
"""All clients of a server that stops are told the same time: they come back within so much of it
more."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Delays double from `first_s` to `longest_s`; after `attempts` in a row the client gives up.

    Each is drawn between half and the whole of its length, so that the clients of a server that
    restarts do not all come back in the same instant (Brooker, *Exponential Backoff and Jitter*).
    Where the server told when to come back, the wait is that long at least, and up to half as long
    again; at most 90 s.
    """

    attempts: int = 12
    first_s: float = 0.25
    longest_s: float = 15.0

    def delays_s(self, random: Callable[[], float]) -> Iterator[float]:
        """Yield the delay before each attempt; `random` gives numbers from 0 to 1."""
        length = self.first_s
        for _ in range(self.attempts):
            yield length * (0.5 + 0.5 * random())
            length = min(length * 2, self.longest_s)


@dataclass(frozen=True, slots=True)
class Reconnection:
    """What `on_reconnect` is told, before each attempt and once when the session goes on."""

    attempt: int
    """1 for the first."""
    delay_s: float
    """Until the attempt; 0 once resumed."""
    resumed: bool = False


class Attempts:
    """Counts the attempts since the connection last did something useful."""

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        notify: Callable[[Reconnection], None] | None = None,
        random: Callable[[], float],
    ) -> None:
        self._policy = policy
        self._notify = notify
        self._random = random
        self._delays = policy.delays_s(random)
        self._made = 0

    async def wait(self, cause: Exception) -> None:
        """Sleep before the next attempt; longer where `cause` has a ``retry_after_s``.

        Raises:
            ConnectionLost: none is left; `cause` is its cause.
        """
        delay_s = next(self._delays, None)
        if delay_s is None:
            raise ConnectionLost(
                "the connection to the server broke and could not be taken up again"
            ) from cause
        asked_s = cast("float | None", getattr(cause, "retry_after_s", None))
        if asked_s is not None:
            asked_s = min(asked_s, _LONGEST_ASKED_S) * (1 + _SPREAD * self._random())
            delay_s = max(delay_s, asked_s)
        self._made += 1
        if self._notify is not None:
            self._notify(Reconnection(self._made, delay_s))
        await asyncio.sleep(delay_s)

    def succeed(self) -> None:
        """The connection works: the next break starts a new count."""
        if self._made:
            if self._notify is not None:
                self._notify(Reconnection(self._made, 0.0, resumed=True))
            self._made = 0
            self._delays = self._policy.delays_s(self._random)
