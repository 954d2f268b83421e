"""How sure a difference between two word error rates is (pure)."""

import random
from collections.abc import Sequence

from benchmarks.accuracy import WordErrors, total

__all__ = ["difference_interval"]

_RESAMPLES = 2_000
_SEED = 1


def difference_interval(
    errors: Sequence[WordErrors], compared: Sequence[WordErrors], *, share: float = 0.9
) -> tuple[float, float]:
    """Bounds of the first word error rate less the second, as shares.

    Recordings are drawn anew with replacement, each with both its counts (paired bootstrap: Bisani
    and Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation", ICASSP
    2004). Where the bounds have zero between them, these recordings do not tell the two apart.

    Args:
        errors: by recording.
        compared: of the same recordings in the same order.
        share: of the differences drawn that lie within the bounds.

    Raises:
        ValueError: not the same number of recordings, or none.
    """
    if len(errors) != len(compared) or not errors:
        raise ValueError("two counts of each recording are needed")
    draw = random.Random(_SEED)
    differences: list[float] = []
    for _ in range(_RESAMPLES):
        drawn = draw.choices(range(len(errors)), k=len(errors))
        one, other = total(errors[i] for i in drawn), total(compared[i] for i in drawn)
        differences.append(one.rate - other.rate)
    differences.sort()
    outside = round((1 - share) / 2 * _RESAMPLES)
    return differences[outside], differences[-1 - outside]
