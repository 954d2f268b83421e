"""Result files as plots: lag against word errors, lag against load (SVG, readable light and dark).

``python -m benchmarks.plots RESULT.json … --out docs/images``; takes results of `benchmarks.policy`
and of `benchmarks.latency`.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, cast

__all__ = ["Axis", "Point", "Run", "draw", "main", "plotted_runs", "read_points"]

_WIDTH, _HEIGHT = 720, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 44, 56
_LIGHT = ("#0072b2", "#d55e00", "#009e73", "#8250df")
_DARK = ("#56b4e9", "#ff9e4a", "#3fc79a", "#c297ff")


def _colours(colours: Sequence[str]) -> str:
    """One class a series: told apart by the colour-blind (Okabe and Ito's palette)."""
    return " ".join(
        f".s{n} .line, .s{n} .reach {{ stroke: {colour}; }} .s{n} .mark {{ fill: {colour}; }}"
        for n, colour in enumerate(colours)
    )


_STYLE = f"""
text {{ font: 12px system-ui, sans-serif; fill: #24292f; }}
.title {{ font-size: 15px; font-weight: 600; }}
.axis {{ stroke: #57606a; }} .grid {{ stroke: #d0d7de; }}
.bar {{ stroke: #57606a; stroke-dasharray: 5 4; }}
.line {{ fill: none; stroke-width: 2; }} .reach {{ stroke-opacity: .45; stroke-width: 2; }}
{_colours(_LIGHT)}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e6edf3; }} .axis, .bar {{ stroke: #9198a1; }} .grid {{ stroke: #3d444d; }}
{_colours(_DARK)}
}}
"""


@dataclass(frozen=True, slots=True)
class Point:
    """One run: which line it belongs to, where it lies, and what is written beside it."""

    series: str
    x: float
    y: float
    label: str = ""
    reach: float | None = None
    """A second value, drawn as a line from the point (p95 beside p50): along x, or along y."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis measures."""

    title: str
    bar: float | None = None
    """A limit, drawn across the plot."""


@dataclass(frozen=True, slots=True)
class Run:
    """What is plotted of a result file."""

    policy: str
    label: str
    streams: int
    commit_p50_s: float
    commit_p95_s: float
    wer_percent: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw what the given results allow."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plots", description=__doc__)
    parser.add_argument("results", nargs="+", type=Path, help="result files")
    parser.add_argument("--out", type=Path, required=True, help="folder of the plots")
    parser.add_argument("--title", default="", help="what was measured, written above the plots")
    parser.add_argument("--prefix", default="policies", help="begins the plots' names")
    options = parser.parse_args(arguments)
    runs = [run for path in options.results for run in plotted_runs(path)]
    options.out.mkdir(parents=True, exist_ok=True)
    single = read_points(runs, load=False)
    if single:
        plot = draw(
            single,
            title=f"Lag and word errors{_behind(options.title)}",
            x=Axis("commit lag, p50 with a line to p95 (s)"),
            y=Axis("word error rate (%)"),
        )
        _write(options.out / f"{options.prefix}-lag-wer.svg", plot)
    loaded = read_points(runs, load=True)
    if loaded:
        plot = draw(
            loaded,
            title=f"Lag and load{_behind(options.title)}",
            x=Axis("streams at once"),
            y=Axis("commit lag p95 (s)", bar=5.0),
        )
        _write(options.out / f"{options.prefix}-lag-streams.svg", plot)
    return 0


def read_points(runs: Iterable[Run], *, load: bool) -> list[Point]:
    """Points of the plot of load (runs of policies tried with several streams), or of accuracy."""
    every = [run for run in runs if math.isfinite(run.commit_p50_s)]
    if not load:
        return [
            Point(run.policy, run.commit_p50_s, run.wer_percent, _dials(run), run.commit_p95_s)
            for run in every
            if run.streams == 1
        ]
    crowded = {run.label for run in every if run.streams > 1}
    return [
        Point(run.label, run.streams, run.commit_p95_s)
        for run in sorted(every, key=lambda run: run.streams)
        if run.label in crowded
    ]


def draw(points: Sequence[Point], *, title: str, x: Axis, y: Axis) -> str:
    """One plot as an SVG document; points of a series are joined in the order of x."""
    series = list(dict.fromkeys(point.series for point in points))
    reaches = [point.reach for point in points if point.reach is not None]
    x_ticks = _ticks([*(point.x for point in points), *reaches, *([x.bar] if x.bar else [])])
    y_ticks = _ticks([*(point.y for point in points), *([y.bar] if y.bar else [])])

    def at_x(value: float) -> float:
        share = (value - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    def at_y(value: float) -> float:
        share = (value - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)

    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<text class="title" x="{_LEFT}" y="22">{escape(title)}</text>',
    ]
    for tick in x_ticks:
        parts.append(
            f'<line class="grid" x1="{at_x(tick)}" x2="{at_x(tick)}" y1="{_TOP}" y2="{bottom}"/>'
        )
        parts.append(
            f'<text x="{at_x(tick)}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>'
        )
    for tick in y_ticks:
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{at_y(tick)}" y2="{at_y(tick)}"/>'
        )
        parts.append(
            f'<text x="{_LEFT - 8}" y="{at_y(tick) + 4}" text-anchor="end">{tick:g}</text>'
        )
    if y.bar is not None:
        parts.append(
            f'<line class="bar" x1="{_LEFT}" x2="{right}" y1="{at_y(y.bar)}" y2="{at_y(y.bar)}"/>'
        )
    if x.bar is not None:
        parts.append(
            f'<line class="bar" x1="{at_x(x.bar)}" x2="{at_x(x.bar)}" y1="{_TOP}" y2="{bottom}"/>'
        )
    parts.append(f'<path class="axis" fill="none" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>')
    middle_x, middle_y = (_LEFT + right) / 2, (_TOP + bottom) / 2
    parts.append(
        f'<text x="{middle_x}" y="{_HEIGHT - 14}" text-anchor="middle">{escape(x.title)}</text>'
    )
    parts.append(
        f'<text transform="translate(18 {middle_y}) rotate(-90)" text-anchor="middle">'
        f"{escape(y.title)}</text>"
    )
    for place, name in enumerate(series):
        own = sorted((p for p in points if p.series == name), key=lambda point: point.x)
        parts.append(f'<g class="s{place % 4}">')
        path = "L".join(f"{at_x(point.x)} {at_y(point.y)}" for point in own)
        parts.append(f'<path class="line" d="M{path}"/>')
        for point in own:
            px, py = at_x(point.x), at_y(point.y)
            if point.reach is not None:
                parts.append(
                    f'<line class="reach" x1="{px}" x2="{at_x(point.reach)}" y1="{py}" y2="{py}"/>'
                )
            parts.append(f'<circle class="mark" cx="{px}" cy="{py}" r="5"/>')
            parts.append(f'<text x="{px + 8}" y="{py - 8}">{escape(point.label)}</text>')
        legend_x, legend_y = right - 210, _TOP + 16 + 18 * place
        parts.append(f'<circle class="mark" cx="{legend_x}" cy="{legend_y - 4}" r="5"/>')
        parts.append(f'<text x="{legend_x + 12}" y="{legend_y}">{escape(name)}</text></g>')
    return "\n".join([*parts, "</svg>", ""])


def plotted_runs(path: Path) -> list[Run]:
    """What a result file says of each run.

    Raises:
        SystemExit: it is a result of another kind.
    """
    result = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
    match result.get("what"):
        case "policy":
            return [
                _run(run["policy"], str(run["variant"]), int(run["streams"]), run["figures"])
                for run in result["runs"]
            ]
        case "latency":
            settings = result["settings"]
            policy = str(settings.get("policy", "alignatt"))
            return [_run(policy, path.stem, int(settings["streams"]), result["figures"])]
        case other:
            raise SystemExit(f"{path}: results of {other!r} cannot be plotted")


def _run(policy: str, label: str, streams: int, figures: Mapping[str, Any]) -> Run:
    def figure(name: str, scale: float) -> float:
        value = figures[name]
        return math.nan if value is None else float(value) * scale

    return Run(
        policy=policy,
        label=label,
        streams=streams,
        commit_p50_s=figure("commit_lag_p50_ms", 0.001),
        commit_p95_s=figure("commit_lag_p95_ms", 0.001),
        wer_percent=figure("wer", 100),
    )


def _dials(run: Run) -> str:
    """What is special about a run of its policy."""
    return run.label.removeprefix(run.policy).strip() or "as served"


def _ticks(values: Sequence[float]) -> list[float]:
    """Round values, four to nine of them, from under the least to over the greatest; 0 if near."""
    least, greatest = min(values), max(values)
    if least < greatest / 2 or greatest == least:
        least = 0.0
    span = max(greatest - least, 1e-9)
    size = 10.0 ** math.floor(math.log10(span))
    step = next(size * part for part in (0.2, 0.5, 1, 2) if span / (size * part) <= 7)
    first, last = math.floor(least / step), math.ceil(greatest / step + 0.15)
    return [round(place * step, 6) for place in range(first, last + 1)]


def _behind(title: str) -> str:
    return f": {title}" if title else ""


def _write(path: Path, plot: str) -> None:
    path.write_text(plot, encoding="utf-8")
    print(path)


if __name__ == "__main__":
    sys.exit(main())
