"""How much space each tenant's audio takes, counted as it is written, and how much it may take.

The counts are never stored: at a start they are the sizes of the files, so a crash cannot leave
them wrong. Used on one event loop.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from greffier_server.storage.failures import QuotaExceeded

__all__ = ["Quota", "Space", "SpaceLedger", "TenantSpace", "quota_exceeded", "quota_of"]

Quota = Callable[[str], int | None]
"""Bytes a tenant's audio may take; None = no end."""


@dataclass(frozen=True, slots=True)
class TenantSpace:
    """What a tenant's audio takes."""

    tenant: str
    sessions: int
    """With audio."""
    audio_bytes: int
    quota_bytes: int | None


class Space(Protocol):
    """What the audio of tenants takes, as it can be asked for."""

    @property
    def total_bytes(self) -> int:
        """Of all tenants."""
        ...

    def of(self, tenant: str) -> TenantSpace:
        """What one tenant takes."""
        ...

    def all(self) -> Sequence[TenantSpace]:
        """What each tenant takes, by name."""
        ...


def quota_exceeded() -> QuotaExceeded:
    """Return the error for a tenant that may not take more."""
    return QuotaExceeded(
        "The audio of this tenant takes all the space it may take. What was acknowledged "
        "is kept. Delete sessions, or ask the operator for more space."
    )


def quota_of(everyone: int | None, named: Mapping[str, int]) -> Quota:
    """Return the quota of each tenant: its own, or everyone's."""
    return lambda tenant: named.get(tenant, everyone)


class SpaceLedger:
    """Bytes on disk by tenant and session, and bytes on their way there.

    Args:
        quota: of each tenant.
    """

    def __init__(self, quota: Quota = lambda _: None) -> None:
        self._quota = quota
        self._stored: dict[str, dict[str, int]] = {}
        self._sums: dict[str, int] = {}
        self._pending: dict[str, int] = {}

    @property
    def total_bytes(self) -> int:
        """Of all tenants."""
        return sum(self._sums.values())

    def knows(self, tenant: str, session: str) -> bool:
        """Whether the session takes space."""
        return session in self._stored.get(tenant, {})

    def put(self, tenant: str, session: str, stored_bytes: int) -> None:
        """The session takes so much now; 0 = nothing is left of it."""
        sessions = self._stored.setdefault(tenant, {})
        before = sessions.pop(session, 0)
        if stored_bytes:
            sessions[session] = stored_bytes
        self._sums[tenant] = self._sums.get(tenant, 0) + stored_bytes - before
        if not sessions:
            del self._stored[tenant], self._sums[tenant]

    def reserve(self, tenant: str, count: int) -> None:
        """Count bytes that wait for the disk, until `free`.

        Raises:
            QuotaExceeded: the tenant may not take so much.
        """
        quota = self._quota(tenant)
        waiting = self._pending.get(tenant, 0)
        if quota is not None and self._sums.get(tenant, 0) + waiting + count > quota:
            raise quota_exceeded()
        self._pending[tenant] = waiting + count

    def free(self, tenant: str, count: int) -> None:
        """The bytes are on disk, or refused."""
        left = self._pending.get(tenant, 0) - count
        if left > 0:
            self._pending[tenant] = left
        else:
            self._pending.pop(tenant, None)

    def of(self, tenant: str) -> TenantSpace:
        """What one tenant takes."""
        return TenantSpace(
            tenant=tenant,
            sessions=len(self._stored.get(tenant, {})),
            audio_bytes=self._sums.get(tenant, 0),
            quota_bytes=self._quota(tenant),
        )

    def all(self) -> Sequence[TenantSpace]:
        """What each tenant takes, by name."""
        return [self.of(tenant) for tenant in sorted(self._stored)]
