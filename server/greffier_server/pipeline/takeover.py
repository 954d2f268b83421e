"""Which sessions of other servers this one goes on with, so that none drowns in them.

A server with places takes what nobody has. One without leaves it to the others for a while; then,
or where there are no others, it takes one a turn beyond its places, and the ladder tells of the
lag: a session is never left lying.
"""

import logging
from collections.abc import Callable
from typing import Protocol

from greffier_server.storage.rows import Key

__all__ = ["Company", "Takeover", "Turn"]

_log = logging.getLogger(__name__)

_LEFT_S = 5.0
"""A full server leaves a session to others for so long: several turns of each of them."""
_FORGOTTEN_S = 30.0
"""A session that nobody asked about for so long was elsewhere meanwhile; clients come oftener."""


class Company(Protocol):
    """What must be known of the other servers; an `Ownership` knows it."""

    @property
    def shared(self) -> bool:
        """There may be others."""
        ...

    async def others(self) -> bool:
        """Whether others live that could take a session."""
        ...


class Takeover:
    """Used on one event loop.

    Args:
        company: of this server.
        is_full: whether admission would refuse one more session now.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        company: Company,
        *,
        is_full: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self._company = company
        self._is_full = is_full
        self._clock = clock
        self._asked: dict[Key, tuple[float, float]] = {}

    async def turn(self) -> "Turn":
        """Begin to look at what nobody has.

        Raises:
            StorageFailed: it cannot be known whether there are others.
        """
        return Turn(self, patient=self._company.shared and await self._company.others())

    async def admits(self, key: Key) -> bool:
        """Whether this server may have a session now whose client asks for it here.

        Raises:
            StorageFailed: it cannot be known whether there are others.
        """
        if not self.is_full or self.waited(key):
            return True
        return not await self._company.others()

    @property
    def is_full(self) -> bool:
        """Sessions are taken with care now."""
        return self._company.shared and self._is_full()

    def waited(self, key: Key) -> bool:
        """Whether others have had the time to take a session, from the first question on."""
        now_s = self._clock()
        self._asked = {
            known: (first_s, last_s)
            for known, (first_s, last_s) in self._asked.items()
            if now_s - last_s < _FORGOTTEN_S
        }
        first_s, _ = self._asked.get(key, (now_s, now_s))
        self._asked[key] = (first_s, now_s)
        return now_s - first_s >= _LEFT_S

    def forget(self, key: Key) -> None:
        """The session is here."""
        self._asked.pop(key, None)


class Turn:
    """One look at the sessions that nobody has; made by `Takeover.turn`."""

    def __init__(self, takeover: Takeover, *, patient: bool) -> None:
        self._takeover = takeover
        self._patient = patient
        self._beyond = 1

    def takes(self, key: Key) -> bool:
        """Whether this server goes on with a session now."""
        if not self._takeover.is_full:
            return True
        if self._beyond == 0 or (self._patient and not self._takeover.waited(key)):
            return False
        self._beyond -= 1
        _log.warning("session %s is taken beyond this server's places", key[1])
        return True
