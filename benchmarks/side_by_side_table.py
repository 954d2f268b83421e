"""The table of a side-by-side run, with each server's figures beside Greffier's (pure)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["table"]

OURS = "greffier"
# Figure, heading, factor for what is shown, digits; the first five have ratios.
COLUMNS = (
    ("commit_lag_p50_ms", "commit p50 s", 0.001, 2),
    ("commit_lag_p95_ms", "commit p95 s", 0.001, 2),
    ("screen_lag_p50_ms", "screen p50 s", 0.001, 2),
    ("screen_lag_p95_ms", "screen p95 s", 0.001, 2),
    ("cpu_per_audio_s", "CPU s / audio s", 1.0, 2),
    ("wer", "WER %", 100.0, 1),
    ("words_lost", "lost", 1.0, 0),
    ("never_marked", "never marked", 1.0, 0),
    ("erased_words", "erased", 1.0, 0),
    ("flicker", "flicker", 1.0, 2),
    ("refused", "refused", 1.0, 0),
    ("peak_mb", "MB", 1.0, 0),
)
WITH_RATIO = 5


def table(runs: Sequence[Mapping[str, Any]]) -> str:
    """Markdown, one line a run; in brackets how many times Greffier's figure at as many streams."""
    ours = {run["streams"]: run["figures"] for run in runs if run["rival"] == OURS}
    lines = [
        "| streams | server | " + " | ".join(heading for _, heading, _, _ in COLUMNS) + " |",
        "|" + "---|" * (len(COLUMNS) + 2),
    ]
    for run in runs:
        against = None if run["rival"] == OURS else ours.get(run["streams"])
        cells = [
            _cell(run["figures"], figure, factor, digits, against if index < WITH_RATIO else None)
            for index, (figure, _, factor, digits) in enumerate(COLUMNS)
        ]
        lines.append(f"| {run['streams']} | {run['rival']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(
    figures: Mapping[str, float],
    figure: str,
    factor: float,
    digits: int,
    against: Mapping[str, float] | None,
) -> str:
    value = figures[figure]
    if math.isnan(value):
        return "–"
    shown = f"{value * factor:.{digits}f}"
    other = math.nan if against is None else against[figure]
    if math.isnan(other) or other <= 0:
        return shown
    return f"{shown} (×{value / other:.1f})"
