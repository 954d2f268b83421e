"""Which lost packets a sender is asked for again (generic NACK, RFC 4585 §6.2.1)."""

from dataclasses import dataclass
from typing import Final

from greffier_server.media.rtp import unwrapped

__all__ = ["Wanted"]

_MAX_HOLES: Final = 64
"""At once; who misses more has lost the network, not packets."""
_MAX_BACK: Final = 100
"""Farther back, the numbers belong to a sender that began anew."""
_DEAF_AFTER: Final = 64
"""Requests; a sender that has answered none of them is not asked again."""


@dataclass(slots=True)
class _Hole:
    asked: int
    again_s: float


class Wanted:
    """Watches the numbers of one source.

    What is missing is asked for as soon as a later packet is there, and again while there is hope.

    Args:
        again_s: time between two requests for the same packet.
        times: requests for each at most.
    """

    def __init__(self, *, again_s: float = 0.06, times: int = 4) -> None:
        self._again_s = again_s
        self._times = times
        self._newest: int | None = None
        self._holes: dict[int, _Hole] = {}
        self._asked = 0
        self._answered = 0

    def arrived(self, sequence: int, now_s: float) -> list[int]:
        """Note a packet; return the numbers (16 bits) to ask for now."""
        if self._newest is None:
            self._newest = sequence
            return []
        place = unwrapped(sequence, near=self._newest, bits=16)
        hole = self._holes.pop(place, None)
        if hole is not None:
            self._answered += 1
        if abs(place - self._newest) > _MAX_BACK:
            self._holes.clear()
            self._newest = place
        elif place > self._newest:
            missing = range(self._newest + 1, place)
            if len(self._holes) + len(missing) <= _MAX_HOLES:
                self._holes.update({number: _Hole(0, now_s) for number in missing})
            self._newest = place
        return self._due(now_s)

    def _due(self, now_s: float) -> list[int]:
        due = [number for number, hole in self._holes.items() if hole.again_s <= now_s]
        for number in due:
            hole = self._holes[number]
            hole.asked += 1
            hole.again_s = now_s + self._again_s
            if hole.asked >= self._times:
                del self._holes[number]
        if self._asked >= _DEAF_AFTER and not self._answered:
            return []
        self._asked += len(due)
        return sorted(number & 0xFFFF for number in due)
