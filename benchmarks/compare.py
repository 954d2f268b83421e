"""Two result files side by side; fails when the second is worse.

``python -m benchmarks.compare OLD.json NEW.json``
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

__all__ = ["Change", "Tolerance", "compare", "main"]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much worse (greater) a figure may be: by a share of the old one, or in its own unit."""

    share: float = 0.0
    amount: float = 0.0

    def allows(self, old: float, new: float) -> bool:
        """Whether `new` is no regression."""
        return new <= old + max(abs(old) * self.share, self.amount)


# Every figure here is better when smaller; a figure that is not here is shown, not judged.
TOLERANCES: Mapping[str, Tolerance] = {
    "commit_lag_p50_ms": Tolerance(share=0.10, amount=100),
    "commit_lag_p95_ms": Tolerance(share=0.15, amount=200),
    "screen_lag_p50_ms": Tolerance(share=0.10, amount=100),
    "screen_lag_p95_ms": Tolerance(share=0.15, amount=200),
    "translation_lag_p50_ms": Tolerance(share=0.15, amount=200),
    "translation_lag_p95_ms": Tolerance(share=0.20, amount=500),
    "wer": Tolerance(amount=0.005),
    "words_lost": Tolerance(share=0.05, amount=2),
    "words_in_silence": Tolerance(),
    "erased_words": Tolerance(),
    "gap_ms": Tolerance(),
    "idle_mb": Tolerance(share=0.05),
    "session_mb": Tolerance(share=0.05),
    "idle_llm_mb": Tolerance(share=0.05),
    "session_llm_mb": Tolerance(share=0.05),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One figure in both results; None where one could not be measured."""

    figure: str
    old: float | None
    new: float | None

    @property
    def worse(self) -> bool:
        """Whether it is a regression; a judged figure that is no longer measured is one."""
        tolerance = TOLERANCES.get(self.figure)
        if tolerance is None or self.old is None:
            return False
        return self.new is None or not tolerance.allows(self.old, self.new)


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Pair the figures of two results.

    Raises:
        ValueError: they measure different things.
    """
    for part in ("what", "settings"):
        if old.get(part) != new.get(part):
            raise ValueError(f"not comparable: {part} differ")
    before, after = _figures(old), _figures(new)
    names = [*before, *(name for name in after if name not in before)]
    return [Change(name, before.get(name), after.get(name)) for name in names]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 on a regression, 2 when the results cannot be compared."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    options = parser.parse_args(arguments)
    try:
        changes = compare(_load(options.old), _load(options.new))
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{'figure':>24} {'old':>10} {'new':>10}")
    for change in changes:
        mark = "  worse" if change.worse else ""
        print(f"{change.figure:>24} {_shown(change.old):>10} {_shown(change.new):>10}{mark}")
    return int(any(change.worse for change in changes))


def _load(path: Path) -> dict[str, Any]:
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict) or "figures" not in value:
        raise ValueError(f"{path} is not a result file")
    return cast("dict[str, Any]", value)


def _figures(result: Mapping[str, Any]) -> dict[str, float | None]:
    return cast("dict[str, float | None]", result["figures"])


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


if __name__ == "__main__":
    sys.exit(main())
