"""Plots from result files."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.plots import Axis, Point, draw, main

pytestmark = pytest.mark.unit


def _figures(p50_ms: float, p95_ms: float, wer: float | None = 0.1) -> dict[str, Any]:
    return {"commit_lag_p50_ms": p50_ms, "commit_lag_p95_ms": p95_ms, "wer": wer}


def _policy_result(*runs: tuple[str, int]) -> dict[str, Any]:
    return {
        "what": "policy",
        "runs": [
            {
                "policy": variant.split()[0],
                "variant": variant,
                "streams": streams,
                "figures": _figures(1_000 + 100 * streams, 3_000 + 500 * streams),
            }
            for variant, streams in runs
        ],
    }


def _texts(path: Path) -> list[str]:
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314 - our own file
    return [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_policies_and_servers_are_drawn_together(tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text(
        json.dumps(_policy_result(("alignatt", 1), ("utterance hop_ms=500", 1)))
    )
    served = {"what": "latency", "settings": {"streams": 1}, "figures": _figures(1_900, 2_600)}
    (tmp_path / "latency.json").write_text(json.dumps(served))
    results = [str(tmp_path / "policy.json"), str(tmp_path / "latency.json")]
    assert main([*results, "--out", str(tmp_path / "plots"), "--title", "scenes <two cores>"]) == 0
    texts = _texts(tmp_path / "plots" / "policies-lag-wer.svg")
    assert "Lag and word errors: scenes <two cores>" in texts
    assert {"as served", "hop_ms=500", "latency", "alignatt", "utterance"} <= set(texts)
    assert not (tmp_path / "plots" / "policies-lag-streams.svg").exists()


def test_load_is_drawn_where_there_was_any(tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text(
        json.dumps(_policy_result(("alignatt", 1), ("alignatt", 4), ("alignatt", 8)))
    )
    assert main([str(tmp_path / "policy.json"), "--out", str(tmp_path)]) == 0
    assert "streams at once" in _texts(tmp_path / "policies-lag-streams.svg")


def test_another_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / "memory.json").write_text('{"what": "memory"}')
    with pytest.raises(SystemExit, match="memory"):
        main([str(tmp_path / "memory.json"), "--out", str(tmp_path)])


def test_a_figure_that_was_not_measured_is_left_out(tmp_path: Path) -> None:
    result = _policy_result(("alignatt", 1), ("utterance", 1))
    result["runs"][1]["figures"]["commit_lag_p50_ms"] = None
    (tmp_path / "policy.json").write_text(json.dumps(result))
    main([str(tmp_path / "policy.json"), "--out", str(tmp_path)])
    assert "utterance" not in _texts(tmp_path / "policies-lag-wer.svg")


@pytest.mark.parametrize(
    "points",
    [
        [Point("a", 1.0, 10.0)],
        [Point("a", 1.0, 10.0), Point("b", 1.0, 10.0)],
        [Point("a", 0.0, 0.0), Point("a", 1e6, 1e-6)],
        [Point("a", 1.2, 12.0, reach=30.0)],
    ],
)
def test_every_point_lies_inside(points: list[Point]) -> None:
    drawn = ElementTree.fromstring(draw(points, title="t", x=Axis("x"), y=Axis("y", bar=5.0)))  # noqa: S314
    for element in drawn.iter():
        for name in ("x", "x1", "x2", "cx"):
            assert 0 <= float(element.get(name, "0")) <= 720
        for name in ("y", "y1", "y2", "cy"):
            assert 0 <= float(element.get(name, "0")) <= 440
