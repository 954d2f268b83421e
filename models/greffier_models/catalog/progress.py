"""How far a long piece of work on weights has come."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Progress", "ProgressListener", "Stage", "silent"]

Stage = Literal["waiting", "fetching", "verifying", "bundling", "importing"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes done of a total, for one model."""

    model: str
    stage: Stage
    done: int
    total: int
    detail: str = ""
    """What is at hand: a file, a package."""


ProgressListener = Callable[[Progress], None]


def silent(progress: Progress, /) -> None:
    """Report to nobody."""
