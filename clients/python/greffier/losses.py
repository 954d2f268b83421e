"""Gaps as people read them: short ones of one cause that follow each other are one stretch."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

__all__ = ["JOINED_MS", "Loss", "joined"]

JOINED_MS = 2_000
"""Gaps of one cause that lie so close to each other are told as one stretch."""

Whose = TypeVar("Whose")


@dataclass(frozen=True, slots=True)
class Loss(Generic[Whose]):
    """A stretch in which audio was lost."""

    from_ms: int
    to_ms: int
    cause: str
    whose: Whose
    """The channel, or the speaker, that is concerned."""
    lost_ms: int
    """Lost between the two ends; all of it where the stretch is one gap."""

    @property
    def whole(self) -> bool:
        """Nothing of the stretch is left."""
        return self.lost_ms >= self.to_ms - self.from_ms

    @property
    def text(self) -> str:
        """``[gap 2.0 s: cause]``, or ``[gap 2.0 s in 31.4 s: cause]`` where some audio is left."""
        span = "" if self.whole else f" in {(self.to_ms - self.from_ms) / 1000:.1f} s"
        return f"[gap {self.lost_ms / 1000:.1f} s{span}: {' '.join(self.cause.split())}]"


def joined(gaps: Iterable[tuple[int, int, str, Whose]]) -> list[Loss[Whose]]:
    """Join gaps, each (from_ms, to_ms, cause, whose), into stretches, in the order of their starts.

    A loss at a rate of 5 % makes some gaps a second; nobody reads them one by one.
    """
    found: list[Loss[Whose]] = []
    latest: dict[tuple[str, Whose], int] = {}
    for from_ms, to_ms, cause, whose in sorted(gaps, key=lambda gap: gap[:2]):
        place = latest.get((cause, whose))
        if place is not None and from_ms - found[place].to_ms <= JOINED_MS:
            before = found[place]
            fresh_ms = max(0, to_ms - max(from_ms, before.to_ms))
            found[place] = replace(
                before, to_ms=max(before.to_ms, to_ms), lost_ms=before.lost_ms + fresh_ms
            )
        else:
            latest[cause, whose] = len(found)
            found.append(Loss(from_ms, to_ms, cause, whose, to_ms - from_ms))
    return found
