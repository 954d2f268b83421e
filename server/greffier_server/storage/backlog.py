"""Shared audio that waits for object storage."""

from dataclasses import dataclass

__all__ = ["Backlog"]


@dataclass(frozen=True, slots=True)
class Backlog:
    """Audio that should be in object storage and is in the database still."""

    waiting_bytes: int = 0
    oldest_s: float = 0.0
    """How long the oldest of it could have been moved; 0 = nothing waits."""
