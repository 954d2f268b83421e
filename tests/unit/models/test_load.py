"""The load of a device, and the cores it is shared over."""

from pathlib import Path

import pytest

from greffier_models.cores import usable_cores
from greffier_models.load import DeviceLoad, LoadMeter

pytestmark = pytest.mark.unit


def test_cost_is_learned_and_silent_streams_are_not_counted() -> None:
    meter = LoadMeter(2)
    for second in range(4):
        for session in "abc":
            meter.asked(("t", session), float(second))
            meter.worked(second + 0.2, busy_s=0.4, live=2, wait_s=0.1)
    load = meter.load(4.0)
    assert (load.streams, load.workers) == (3, 2)
    assert load.cost_s == pytest.approx(0.2)
    assert load.utilisation == pytest.approx(12 * 0.4 / 16)
    assert load.wait_s == 0.1
    assert load.interval_ms(0.5) == 600
    later = meter.load(20.0)
    assert (later.streams, later.utilisation, later.wait_s) == (0, 0.0, 0.0)
    assert later.cost_s == load.cost_s
    assert later.interval_ms(0.5) == 0


def test_background_work_teaches_no_cost() -> None:
    meter = LoadMeter(1)
    meter.worked(1.0, busy_s=9.0, live=0, wait_s=0.0)
    assert meter.load(1.0).cost_s == 0.0
    assert meter.load(1.0).utilisation == 1.0


def test_streams_that_are_gone_are_not_counted() -> None:
    meter = LoadMeter(1)
    for number in range(1_000):
        meter.asked(("t", str(number)), float(number))
    assert meter.load(999.0).streams == 9


def test_devices_together() -> None:
    loads = [DeviceLoad(8, 1, 0.1, 0.5, 0.2), DeviceLoad(7, 3, 0.3, 0.9, 0.1)]
    both = DeviceLoad.together(loads)
    assert (both.streams, both.workers, both.wait_s) == (8, 4, 0.2)
    assert both.cost_s == pytest.approx(0.25)
    assert both.utilisation == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("quota", "cores"), [("100000 100000", 1), ("150000 100000", 2), ("1000 100000", 1)]
)
def test_a_container_s_quota_is_kept(tmp_path: Path, quota: str, cores: int) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert usable_cores(file) == min(cores, usable_cores(tmp_path / "none"))


@pytest.mark.parametrize("quota", ["max 100000", "", "1 0", "x y z", "é"])
def test_a_quota_that_is_none(tmp_path: Path, quota: str) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota, "utf-8")
    assert usable_cores(file) == usable_cores(tmp_path / "none") >= 1
