"""The port to a place that is told of sessions, and what became of telling it."""

from dataclasses import dataclass
from typing import Protocol

from greffier_server.outlets.notices import Notice

__all__ = ["Delivered", "Failed", "Gone", "Outcome", "Outlet", "Refused"]


@dataclass(frozen=True, slots=True)
class Delivered:
    """The place has it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It may work later."""

    cause: str
    """A stable code."""
    retry_after_s: float | None = None
    """The place asks for so long."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The place does not want this notice, and may want the next."""

    cause: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The place wants nothing more of this session."""

    cause: str


Outcome = Delivered | Failed | Refused | Gone


class Outlet(Protocol):
    """A place."""

    @property
    def name(self) -> str:
        """Under which its deliveries are remembered."""
        ...

    def serves(self, tenant: str) -> bool:
        """Whether it is told of the tenant's sessions."""
        ...

    def wants(self, notice: Notice) -> bool:
        """Whether it is told of this."""
        ...

    async def send(self, notice: Notice, *, attempt: int) -> Outcome:
        """Tell it; returns within a bounded time and raises nothing but cancellation."""
        ...
