"""Whether something grows with time (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.gpu_cost import fit_line

__all__ = ["Growth", "Sample", "growth"]

SECONDS_PER_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Sample:
    """A server and its children after so much audio of each stream."""

    audio_s: float
    resident_mb: float
    shared_once_mb: float
    """PSS: pages shared with others counted in part."""
    open_files: int
    threads: int
    server_mb: float = 0.0
    """Resident memory of the server's own process …"""
    engine_mb: float = 0.0
    """… and of its children: the speech model's process."""


@dataclass(frozen=True, slots=True)
class Growth:
    """How much a figure rose from the first to the last point."""

    last_minus_first: float
    fitted: float
    """The same on the straight line through all points: one odd point weighs little."""
    per_hour: float
    """Slope of that line."""
    settled: float
    """From the median of the first third of the points to that of the last, drawn out over the
    whole time: what a decode holds at the instant of one look counts for nothing."""


def growth(points: Sequence[tuple[float, float]]) -> Growth:
    """Growth of the second part of each point over the first (s).

    Raises:
        ValueError: fewer than two different times.
    """
    _, per_s = fit_line(points)
    span_s = points[-1][0] - points[0][0]
    return Growth(
        points[-1][1] - points[0][1],
        per_s * span_s,
        per_s * SECONDS_PER_HOUR,
        _settled(points, span_s),
    )


def _settled(points: Sequence[tuple[float, float]], span_s: float) -> float:
    third = max(1, len(points) // 3)
    first, last = points[:third], points[-third:]
    apart_s = median(at for at, _ in last) - median(at for at, _ in first)
    rise = median(value for _, value in last) - median(value for _, value in first)
    return rise * span_s / apart_s if apart_s else 0.0
