"""Figures of a run and the table with its ratios."""

import math
from pathlib import Path

import pytest

from benchmarks.corpora import Recording
from benchmarks.processes import Usage
from benchmarks.rivals.port import Heard
from benchmarks.rivals.screens import Screen
from benchmarks.side_by_side import Run, figures, main
from benchmarks.side_by_side_table import table

pytestmark = pytest.mark.unit

SPOKEN = Recording("a/1", Path("a.flac"), "en", 2_000, "red green blue")
SILENT = Recording("s/1", Path("s.flac"), "en", 2_000, "")
USED = Usage(cpu_s=1.0, memory_mb=0.0, resident_mb=0.0, open_files=0, threads=0)


def heard(recording: Recording, *screens: Screen) -> Heard:
    session = Heard(recording, screens=list(screens))
    for audio_ms in range(100, 2_001, 100):
        session.playback.sent(audio_ms, at_ms=audio_ms)
    return session


def test_figures_of_one_run() -> None:
    session = heard(SPOKEN, Screen(1_500, "red", "blue"), Screen(2_500, "red blue", ""))
    run = Run("x", 1, (session,), refused=0, used=USED, peak_mb=300.0)
    values = figures(run, {"a/1": {0: 500, 1: 900, 2: 1_300}})
    assert values["commit_lag_p50_ms"] == 1_000
    assert values["commit_lag_p95_ms"] == 1_200
    assert values["screen_lag_p95_ms"] == 1_000
    assert values["words_lost"] == 1
    assert values["wer"] == pytest.approx(1 / 3)
    assert values["cpu_per_audio_s"] == 0.5
    assert values["erased_words"] == 0


def test_words_in_silence_are_counted_apart() -> None:
    session = heard(SILENT, Screen(1_500, "thank you", ""))
    run = Run("x", 1, (session,), refused=0, used=USED, peak_mb=0.0)
    values = figures(run, {"s/1": {}})
    assert values["words_in_silence"] == 2
    assert values["wer"] == 0
    assert math.isnan(values["commit_lag_p50_ms"])


def test_a_run_in_which_all_were_refused_has_no_lags() -> None:
    values = figures(Run("x", 2, (), refused=2, used=USED, peak_mb=0.0), {})
    assert values["refused"] == 2
    assert math.isnan(values["cpu_per_audio_s"])


def test_the_table_sets_others_in_ratio_to_ours_at_as_many_streams() -> None:
    session = heard(SPOKEN, Screen(1_500, "red green blue", ""))
    late = heard(SPOKEN, Screen(2_500, "red green blue", ""))
    times = {"a/1": {0: 500}}
    runs = [
        {"rival": name, "streams": streams, "figures": figures(run, times)}
        for name, streams, run in (
            ("greffier", 1, Run("greffier", 1, (session,), 0, USED, 1.0)),
            ("other", 1, Run("other", 1, (late,), 0, USED, 1.0)),
            ("other", 2, Run("other", 2, (late,), 0, USED, 1.0)),
        )
    ]
    lines = table(runs).splitlines()
    assert lines[2].startswith("| 1 | greffier | 1.00 | 1.00 |")
    assert lines[3].startswith("| 1 | other | 2.00 (×2.0) | 2.00 (×2.0) |")
    assert lines[4].startswith("| 2 | other | 2.00 | 2.00 |")


@pytest.mark.parametrize(
    "arguments", [["--rival", "whisper-live"], ["--rival", "greffier", "--streams", "0"]]
)
def test_options_that_cannot_work_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
