"""Bounds that policies are held to over the recorded hypotheses; written anew by ``--accept``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from benchmarks.compare import Tolerance
from benchmarks.scores import Figures

__all__ = ["BOUNDED", "exceeded", "load_bounds", "save_bounds"]

BOUNDED: Mapping[str, Tolerance] = {
    "commit_lag_p50_ms": Tolerance(share=0.03, amount=50),
    "commit_lag_p95_ms": Tolerance(share=0.05, amount=100),
    "wer": Tolerance(amount=0.005),
    "erased_words": Tolerance(),
}
"""What is bounded, and the margin that ``--accept`` leaves above the figures of today."""


def exceeded(
    figures: Mapping[str, Figures], bounds: Mapping[str, Mapping[str, float]]
) -> list[str]:
    """What is worse than allowed, one line each, by policy; a policy that was not run is one."""
    worse: list[str] = []
    for policy, limits in bounds.items():
        if policy not in figures:
            worse.append(f"{policy}: not measured")
            continue
        for name, limit in limits.items():
            value = float(getattr(figures[policy], name))
            if not value <= limit:
                worse.append(f"{policy}: {name} is {value:.4g}, at most {limit:.4g} is accepted")
    return worse


def load_bounds(path: Path) -> dict[str, dict[str, float]]:
    """Read bounds by policy and figure."""
    return cast("dict[str, dict[str, float]]", json.loads(path.read_text(encoding="utf-8")))


def save_bounds(figures: Mapping[str, Figures], path: Path) -> None:
    """Write bounds a margin above `figures`."""
    bounds = {
        policy: {name: _bound(float(getattr(found, name)), BOUNDED[name]) for name in BOUNDED}
        for policy, found in figures.items()
    }
    path.write_text(json.dumps(bounds, indent=2) + "\n", encoding="utf-8")


def _bound(value: float, margin: Tolerance) -> float:
    return round(value + max(value * margin.share, margin.amount), 4)
