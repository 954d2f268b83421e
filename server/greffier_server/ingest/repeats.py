"""Knows what a stream says again after it was fetched anew.

A live playlist begins some segments back, and Icecast sends a burst of what it has just played. Of
a connection that broke off that is the sound heard already: it must not be in a record twice.
"""

from collections import deque
from hashlib import blake2b
from typing import Final

__all__ = ["Repeats"]

_KEPT: Final = 6_000
"""Packets: over a minute of any codec (Opus of 20 ms: two)."""
_TORN: Final = 3
"""So many packets of a new connection may be torn ones, before the first that is known."""


class Repeats:
    """Compares the coded packets of a connection with those of the one before."""

    def __init__(self) -> None:
        self._heard: deque[bytes] = deque(maxlen=_KEPT)
        self._before: list[bytes] = []
        self._next: list[int] = []
        self._left = 0

    def begin(self) -> None:
        """A connection begins."""
        self._before = list(self._heard)
        self._next = []
        self._left = _TORN if self._before else 0

    def heard(self, packet: bytes) -> bool:
        """Note a packet; True: it continues a run of the connection before.

        The run must be unbroken and ends with what was heard last, so that a stream of equal
        packets (silence) is left out once at most.
        """
        mark = blake2b(packet, digest_size=12).digest()
        if self._left and self._follows(mark):
            return True
        self._heard.append(mark)
        return False

    def _follows(self, mark: bytes) -> bool:
        places = self._next or range(len(self._before))
        running = bool(self._next)
        self._next = [at + 1 for at in places if self._before[at] == mark]
        known = bool(self._next)
        # Of several places it may be at, those that were heard last have nothing behind them.
        self._next = [at for at in self._next if at < len(self._before)]
        if known and not self._next:
            self._left = 0
        elif not known:
            self._left = 0 if running else self._left - 1
        return known
