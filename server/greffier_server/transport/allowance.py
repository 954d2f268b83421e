"""A token bucket: so many at once, and so many a second after that."""

from collections.abc import Callable

__all__ = ["Allowance"]


class Allowance:
    """Spent one by one, and given back with time.

    Args:
        burst: at once.
        per_s: given back each second.
        clock: seconds.
    """

    def __init__(self, burst: float, *, per_s: float, clock: Callable[[], float]) -> None:
        self._burst = self._left = float(burst)
        self._per_s = per_s
        self._clock = clock
        self._at = clock()

    def spend(self) -> bool:
        """Take one; False when none is left."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
