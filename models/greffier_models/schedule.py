"""The order in which a device serves its sessions: live first, fair shares, then deadlines.

A pure queue. Each request belongs to a stream (tenant, session). Streams that have had no more than
their fair share are eligible, and among them the earliest deadline is served: a session that sends
many requests, or very late ones, cannot starve the others. Shares are counted in virtual time, per
tenant and per session in it, as in start-time fair queueing (Goyal, Vin and Cheng, "Start-time Fair
Queuing", SIGCOMM 1996), with eligibility as in EEVDF (Stoica and Abdel-Wahab, 1995).
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["BACKGROUND", "LIVE", "FairQueue", "Request", "StreamKey"]

T = TypeVar("T")

StreamKey = tuple[str, str]
"""Tenant and session, opaque here."""

LIVE = 0
"""Priority of live speech; greater numbers are background work, done when no live work waits."""
BACKGROUND = 1
"""Recordings and second passes: what nobody waits for in the moment of speech."""

_SLACK = 3.0
"""How far a stream may be ahead of the one that waits with the least, in costs of one decode."""
_DRIFT = 0.02
"""Virtual time that passes with each unit of cost served, however little those that wait have had:
an endless row of newcomers cannot keep out one who is ahead."""
_FORGET_AT = 64


@dataclass(slots=True, eq=False)
class Request(Generic[T]):
    """One thing to do, as the queue sees it."""

    item: T
    stream: StreamKey = ("", "")
    deadline_ms: int = 0
    priority: int = LIVE
    cost: float = 1.0
    """Relative to one decode of a common window."""
    shape: Hashable = None
    """Only requests of equal shape go together; None = alone."""
    number: int = 0
    """Order of arrival; set by the queue."""


class FairQueue(Generic[T]):
    """Requests that wait for one device."""

    def __init__(self) -> None:
        self._waiting: list[Request[T]] = []
        self._count = 0
        self._tenants = _Shares()
        self._sessions: dict[str, _Shares] = {}

    def __len__(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    @property
    def live(self) -> int:
        """Requests of live speech that wait."""
        return sum(1 for request in self._waiting if request.priority == LIVE)

    @property
    def remembered(self) -> int:
        """Tenants and sessions whose shares are kept."""
        return len(self._tenants) + sum(map(len, self._sessions.values()))

    def __contains__(self, request: object) -> bool:
        """Whether `request` waits."""
        return request in self._waiting

    def put(self, request: Request[T]) -> None:
        """Let `request` wait."""
        self._count += 1
        request.number = self._count
        self._waiting.append(request)

    def remove(self, request: Request[T]) -> bool:
        """Let `request` wait no more; False when it was taken already."""
        try:
            self._waiting.remove(request)
        except ValueError:
            return False
        return True

    def clear(self) -> list[Request[T]]:
        """Take everything, in order of arrival."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def take(self, limit: int, *, lowest: int | None = None) -> list[Request[T]]:
        """The request whose turn it is, and others of its shape: at most `limit` together.

        Args:
            limit: of the batch.
            lowest: take nothing less urgent than this priority; None = anything.
        """
        urgent = min((request.priority for request in self._waiting), default=None)
        if urgent is None or (lowest is not None and urgent > lowest):
            return []
        batch: list[Request[T]] = []
        candidates: list[Request[T]] = [r for r in self._waiting if r.priority == urgent]
        self._advance(candidates)
        while candidates and len(batch) < limit:
            chosen: Request[T] = min(candidates, key=self._rank)
            batch.append(chosen)
            self._charge(chosen)
            if chosen.shape is None:
                break
            shape = chosen.shape
            candidates = [r for r in candidates if r is not chosen and r.shape == shape]
        taken = {id(request) for request in batch}
        self._waiting = [request for request in self._waiting if id(request) not in taken]
        self._forget()
        return batch

    def _advance(self, candidates: list[Request[T]]) -> None:
        self._tenants.advance({request.stream[0] for request in candidates})
        waiting: dict[str, set[str]] = {}
        for request in candidates:
            waiting.setdefault(request.stream[0], set()).add(request.stream[1])
        for tenant, sessions in waiting.items():
            self._sessions.setdefault(tenant, _Shares()).advance(sessions)

    def _rank(self, request: Request[T]) -> tuple[bool, bool, int, int]:
        tenant, session = request.stream
        return (
            self._tenants.ahead(tenant) > _SLACK,
            self._sessions[tenant].ahead(session) > _SLACK,
            request.deadline_ms,
            request.number,
        )

    def _charge(self, request: Request[T]) -> None:
        tenant, session = request.stream
        self._tenants.charge(tenant, request.cost)
        self._sessions[tenant].charge(session, request.cost)

    def _forget(self) -> None:
        """Drop what says nothing any more: sessions come and go."""
        if not self._waiting:  # everybody has what they asked for
            self._tenants, self._sessions = _Shares(), {}
            return
        if self.remembered < _FORGET_AT:
            return
        waiting = {request.stream[0] for request in self._waiting}
        self._tenants.forget()
        self._sessions = {
            tenant: shares for tenant, shares in self._sessions.items() if tenant in waiting
        }
        for shares in self._sessions.values():
            shares.forget()


class _Shares:
    """Virtual time: what each key has had, against the one that waits and has had the least."""

    def __init__(self) -> None:
        self._now = 0.0
        self._had: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._had)

    def advance(self, waiting: Iterable[str]) -> None:
        """Move on to the least of those that wait; who was away gets no credit for it."""
        self._now = max(self._now, min(self._at(key) for key in waiting))

    def ahead(self, key: str) -> float:
        return self._at(key) - self._now

    def charge(self, key: str, cost: float) -> None:
        self._had[key] = self._at(key) + cost
        self._now += cost * _DRIFT

    def forget(self) -> None:
        """A key that is not ahead begins at the present time in any case."""
        self._had = {key: had for key, had in self._had.items() if had > self._now}

    def _at(self, key: str) -> float:
        return max(self._had.get(key, 0.0), self._now)
