"""The gate: policies over the recorded hypotheses stay within the accepted bounds.

When this fails because a policy was changed on purpose: record anew if its questions changed
(``python -m benchmarks.policy --record``), look at the figures, then ``--accept`` them.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.bounds import BOUNDED, exceeded, load_bounds, save_bounds
from benchmarks.corpora import load_scenes
from benchmarks.policy import BOUNDS_PATH, main, replay, stored_path
from benchmarks.scores import Figures, figures_of
from benchmarks.variants import DEFAULTS, parse_variant
from greffier_server.core.policies import PolicyName

pytestmark = pytest.mark.unit

FIGURES = Figures(1_800, 2_600, 900, 2_000, 0.12, 3, 0, 0.2, 0.1, 200, 1, 500, 2)


def _replayed(text: str) -> Figures:
    recordings = [recording for recording in load_scenes() if stored_path(recording).exists()]
    shown, _ = replay(parse_variant(text), recordings)
    return figures_of(shown)


@pytest.mark.parametrize("name", sorted(load_bounds(BOUNDS_PATH)))
def test_policies_are_no_worse_than_accepted(name: str) -> None:
    bounds = {name: load_bounds(BOUNDS_PATH)[name]}
    assert exceeded({name: _replayed(name)}, bounds) == []


def test_the_default_policy_is_bounded() -> None:
    assert set(load_bounds(BOUNDS_PATH)[DEFAULTS[0].policy]) == set(BOUNDED)


def test_a_policy_that_hesitates_is_caught() -> None:
    name: PolicyName = "alignatt"
    slow = _replayed("alignatt hop_ms=3000")
    worse = exceeded({name: slow}, {name: load_bounds(BOUNDS_PATH)[name]})
    assert any("commit_lag_p50_ms" in line for line in worse)


def test_figures_of_today_are_within_bounds_written_from_them(tmp_path: Path) -> None:
    save_bounds({"alignatt": FIGURES}, tmp_path / "bounds.json")
    bounds = load_bounds(tmp_path / "bounds.json")
    assert exceeded({"alignatt": FIGURES}, bounds) == []
    for change in (
        {"commit_lag_p50_ms": 1_900.0},
        {"commit_lag_p95_ms": 2_800.0},
        {"wer": 0.13},
        {"erased_words": 1},
    ):
        (line,) = exceeded({"alignatt": replace(FIGURES, **change)}, bounds)
        assert next(iter(change)) in line
    assert exceeded({}, bounds) == ["alignatt: not measured"]


def test_a_figure_that_is_no_number_is_worse(tmp_path: Path) -> None:
    save_bounds({"alignatt": FIGURES}, tmp_path / "bounds.json")
    silent = replace(FIGURES, commit_lag_p50_ms=float("nan"))
    assert exceeded({"alignatt": silent}, load_bounds(tmp_path / "bounds.json"))


def test_accepting_a_policy_that_is_not_served_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--accept", "--policy", "alignatt hop_ms=500"])
    assert "--accept" in capsys.readouterr().err


def test_a_recording_whose_hypotheses_are_not_kept_is_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="--record"):
        main(["--store", str(tmp_path)])
