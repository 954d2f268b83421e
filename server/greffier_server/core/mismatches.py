"""One thing that two texts do not agree on."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Mismatch", "MismatchKind"]

MismatchKind = Literal[
    "number",
    "month",
    "weekday",
    "negation",
    "unit",
    "call sign",
    "grid reference",
    "date-time group",
    "name",
]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Something that one text says and the other does not."""

    kind: MismatchKind
    expected: str
    """As a bare value (``22``, ``MHz``, ``B2``); for negation ``yes`` or ``no``."""
    invented: bool = False
    """The target says it and the source does not."""
    source: str = ""
    """Its wording in the source; empty where the source does not have it."""
    target: str = ""
    """Its wording in the target, or of what stands there in its place."""
