"""Wrong session tokens are counted: who guesses is refused before the next one is looked at."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

__all__ = ["Guesses"]

_MOST: Final = 5
_WINDOW_S: Final = 60.0
_REMEMBERED: Final = 4_096
"""Pairs of address and session; the oldest is forgotten first."""


class Guesses:
    """Counts by address and session, so that nobody is locked out by a guesser elsewhere.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._wrong: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def refused(self, address: str, session: str) -> bool:
        """Whether this address has guessed too often at this session within the last minute."""
        count, since = self._wrong.get((address, session), (0, 0.0))
        return count >= _MOST and self._clock() - since < _WINDOW_S

    def wrong(self, address: str, session: str) -> None:
        """A token was wrong."""
        now = self._clock()
        count, since = self._wrong.pop((address, session), (0, now))
        if now - since >= _WINDOW_S:
            count, since = 0, now
        self._wrong[address, session] = (count + 1, since)
        if len(self._wrong) > _REMEMBERED:
            self._wrong.popitem(last=False)
