"""The port to who owns which session, and its answer where there is one server."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from greffier_server.storage.rows import Key
from greffier_server.storage.store import SessionRow, SessionStore

__all__ = ["OnlyServer", "Ownership", "Turn"]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a renewal of the lease has brought to light."""

    asked: Sequence[Key] = ()
    """Sessions of ours that another server asks for."""
    lost: Sequence[Key] = ()
    """Sessions that were ours, and are another's now, or deleted."""


class Ownership(Protocol):
    """Who may write to a session. Methods may raise `StorageFailed`."""

    @property
    def shared(self) -> bool:
        """Other servers may work on the same database."""
        ...

    @property
    def wait_s(self) -> float:
        """After this, a server that does not answer no longer owns anything."""
        ...

    async def claim(self, tenant: str, session: str) -> bool:
        """Own an unfinished session; False while another server that lives has it."""
        ...

    async def ask(self, tenant: str, session: str) -> None:
        """Ask the session's owner to let it go.

        Raises:
            SessionElsewhere: it cannot: the audio is on its own disk.
        """
        ...

    async def release(self, tenant: str, session: str) -> None:
        """Own the session no more: it has finished, or another server may have it."""
        ...

    async def unowned(self, *, limit: int) -> Sequence[SessionRow]:
        """Unfinished sessions that `claim` would take, oldest first; not those owned here."""
        ...

    async def others(self) -> bool:
        """Whether other servers live that could take a session."""
        ...

    async def renew(self) -> Turn:
        """Prolong this server's lease."""
        ...


class OnlyServer:
    """`Ownership` where one server has the database to itself.

    Args:
        store: the sessions.
    """

    shared = False
    wait_s = 0.0

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    async def claim(self, tenant: str, session: str) -> bool:
        """Every session is this server's."""
        del tenant, session
        return True

    async def ask(self, tenant: str, session: str) -> None:
        """There is nobody to ask."""

    async def release(self, tenant: str, session: str) -> None:
        """There is nobody to take it."""

    async def unowned(self, *, limit: int) -> Sequence[SessionRow]:
        """Return what the last stop left unfinished, all of it."""
        del limit
        return await self._store.unfinished()

    async def others(self) -> bool:
        """There are none."""
        return False

    async def renew(self) -> Turn:
        """Nothing runs out."""
        return Turn()
