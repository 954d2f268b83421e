"""Which sessions are changing hands now, and which are left alone for a while."""

import asyncio
import time
from collections.abc import Callable
from weakref import WeakValueDictionary

from greffier_server.storage.rows import Key

__all__ = ["Hands"]


class Hands:
    """One lock a session while it is taken or let go; used on one event loop.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._locks: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()
        self._resting: dict[Key, float] = {}

    def lock(self, key: Key) -> asyncio.Lock:
        """Return the session's lock; hold on to it while it is used."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock

    def rest(self, key: Key, seconds: float) -> None:
        """Leave a session alone that could not go on here."""
        now = self._clock()
        self._resting = {known: until for known, until in self._resting.items() if until > now}
        self._resting[key] = now + seconds

    def rests(self, key: Key) -> bool:
        """Whether the session is to be left alone still."""
        return self._resting.get(key, 0.0) > self._clock()
