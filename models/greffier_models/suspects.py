"""Requests that an engine died with: which go on, in which company, and which is to blame.

A request that was in the engine's hands at two deaths in a row is a suspect. Suspects are asked
alone, one by one: who is alone with the engine when it dies again is to blame. So an innocent
request costs nothing but time, and a guilty one three deaths at most.
"""

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Casualties", "Retry"]

T = TypeVar("T", bound=Hashable)

_SUSPECT_AT = 2
"""Deaths in a row."""


@dataclass(frozen=True, slots=True)
class Retry(Generic[T]):
    """Requests to be sent once more, together."""

    batch: Sequence[T]
    alone: bool = False
    """With nothing else in the engine's hands."""


class Casualties(Generic[T]):
    """What is to be sent again before anything new; a pure queue.

    Args:
        cancelled: nobody waits for this request any more.
    """

    def __init__(self, *, cancelled: Callable[[T], bool]) -> None:
        self._cancelled = cancelled
        self._fallen: list[Sequence[T]] = []
        self._deaths: dict[T, int] = {}
        self._again: deque[Retry[T]] = deque()

    def __len__(self) -> int:
        """Requests that are to be sent again."""
        return sum(len(retry.batch) for retry in self._again) + sum(map(len, self._fallen))

    def fell(self, batch: Sequence[T]) -> None:
        """This batch was in the engine's hands when it died."""
        self._fallen.append(batch)
        for request in batch:
            self._deaths[request] = self._deaths.get(request, 0) + 1

    def ended(self, batch: Sequence[T]) -> None:
        """These were answered, or failed of themselves."""
        for request in batch:
            self._deaths.pop(request, None)

    def part(self, batch: Sequence[T]) -> None:
        """Send these again, each by itself: one of them failed the others."""
        self._again.extend(Retry([request]) for request in batch)

    def judge(self) -> T | None:
        """Decide about those that fell, once all have come home; return the guilty one, if any."""
        fallen, self._fallen = self._fallen, []
        if len(fallen) == 1 and len(fallen[0]) == 1 and self._suspect(fallen[0][0]):
            return fallen[0][0]
        innocent: list[Retry[T]] = []
        suspects: list[Retry[T]] = []
        for batch in fallen:
            fresh = [request for request in batch if not self._suspect(request)]
            if fresh:
                innocent.append(Retry(fresh))
            suspects += [Retry([each], alone=True) for each in batch if self._suspect(each)]
        self._again.extendleft(reversed([*innocent, *suspects]))
        return None

    def next(self, *, idle: bool) -> Retry[T] | None:
        """What is to be sent now; None = nothing, or not before the engine is `idle`."""
        while self._again:
            retry = self._again[0]
            batch = [request for request in retry.batch if not self._cancelled(request)]
            if batch and retry.alone and not idle:
                return None
            self._again.popleft()
            self.ended([request for request in retry.batch if self._cancelled(request)])
            if batch:
                return Retry(batch, retry.alone)
        return None

    def clear(self) -> list[T]:
        """Take everything that is to be sent again."""
        left = [request for batch in self._fallen for request in batch]
        left += [request for retry in self._again for request in retry.batch]
        self._fallen, self._deaths = [], {}
        self._again.clear()
        return left

    def _suspect(self, request: T) -> bool:
        return self._deaths.get(request, 0) >= _SUSPECT_AT
