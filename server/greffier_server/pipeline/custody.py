"""Care for what this server owns, where several share a database.

It renews the server's lease, lets sessions go that another server asks for or has taken, and takes
those that nobody owns any more.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

from greffier_server.errors import ServerError
from greffier_server.storage.ownership import Ownership
from greffier_server.storage.rows import Key

__all__ = ["Custodian", "OwnershipCare"]

_log = logging.getLogger(__name__)


class Custodian(Protocol):
    """What the care needs of the desk."""

    async def recover(self, *, limit: int = ...) -> int:
        """Go on with sessions that nobody owns; return how many."""
        ...

    async def let_go(self, tenant: str, session: str, *, lost: bool) -> None:
        """End the work on a session of this process and hand it over."""
        ...


class OwnershipCare:
    """Runs beside the desk where servers share a database.

    Args:
        desk: has the sessions.
        ownership: the lease.
        every_s: between two renewals, well below the lease.
        at_once: most sessions taken in one go, so that the servers left share a dead one's.
    """

    def __init__(
        self, desk: Custodian, ownership: Ownership, *, every_s: float, at_once: int = 4
    ) -> None:
        self._desk = desk
        self._ownership = ownership
        self._every_s = every_s
        self._at_once = at_once
        self._going: dict[Key, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Take care until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._renew(), name="renew-lease")
                group.create_task(self._recover(), name="take-unowned")
        finally:
            for task in self._going.values():
                task.cancel()
            await asyncio.gather(*self._going.values(), return_exceptions=True)

    async def _renew(self) -> None:
        while True:
            try:
                turn = await self._ownership.renew()
            except ServerError as error:
                _log.warning("the lease of this server could not be renewed: %s", error.code)
            else:
                for key in turn.lost:
                    self._let_go(key, lost=True)
                for key in turn.asked:
                    self._let_go(key, lost=False)
            await asyncio.sleep(self._every_s)

    async def _recover(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                count = await self._desk.recover(limit=self._at_once)
            except ServerError as error:
                _log.warning("unowned sessions could not be looked for: %s", error.code)
            else:
                if count:
                    _log.info("sessions of another server go on here", extra={"count": count})

    def _let_go(self, key: Key, *, lost: bool) -> None:
        """Begin to let a session go; renewing the lease does not wait for it."""
        if key in self._going:
            return
        task = asyncio.create_task(self._hand_over(key, lost=lost), name="hand-over")
        self._going[key] = task

    async def _hand_over(self, key: Key, *, lost: bool) -> None:
        try:
            with suppress(ServerError):  # tried again by the next turn
                await self._desk.let_go(*key, lost=lost)
        finally:
            self._going.pop(key, None)
