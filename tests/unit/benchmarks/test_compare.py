"""Two results: what is worse, what is not comparable, and the exit status."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.compare import compare, main

pytestmark = pytest.mark.unit


def result(**figures: float | None) -> dict[str, Any]:
    return {"what": "latency", "settings": {"streams": 1}, "figures": figures}


def write(path: Path, value: object) -> str:
    path.write_text(json.dumps(value), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("figure", "old", "new", "worse"),
    [
        ("commit_lag_p50_ms", 2_000, 2_150, False),
        ("commit_lag_p50_ms", 2_000, 2_250, True),
        ("commit_lag_p50_ms", 2_000, 1_000, False),
        ("wer", 0.100, 0.104, False),
        ("wer", 0.100, 0.110, True),
        ("erased_words", 0, 1, True),
        ("withheld", 0, 50, False),
    ],
)
def test_only_a_real_change_for_the_worse_counts(
    figure: str, old: float, new: float, worse: bool
) -> None:
    (change,) = compare(result(**{figure: old}), result(**{figure: new}))
    assert change.worse is worse


def test_a_figure_that_is_no_longer_measured_is_worse() -> None:
    (change,) = compare(result(wer=0.1), result(wer=None))
    assert change.worse


def test_a_new_figure_is_not() -> None:
    assert not any(change.worse for change in compare(result(), result(wer=0.5)))


def test_results_of_different_settings_are_not_compared() -> None:
    with pytest.raises(ValueError, match="settings differ"):
        compare(result(), {**result(), "settings": {"streams": 2}})


def test_the_exit_status_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write(tmp_path / "good.json", result(wer=0.1))
    bad = write(tmp_path / "bad.json", result(wer=0.2))
    other = write(tmp_path / "other.json", [1, 2])
    assert main([good, good]) == 0
    assert main([good, bad]) == 1
    assert "worse" in capsys.readouterr().out
    assert main([good, other]) == 2
    assert main([good, str(tmp_path / "none.json")]) == 2
