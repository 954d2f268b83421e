"""The measured limit: kept, read back, not used elsewhere; the search for it; its command."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from greffier_models.fakes import FakeRecognizer
from greffier_models.types import EngineIdentity
from greffier_server import doctor
from greffier_server.capacity import (
    Capacity,
    choose_room,
    decode_cost_s,
    estimate_streams,
    read_capacity,
    this_machine,
    write_capacity,
)
from greffier_server.capacity_command import capacity
from greffier_server.measuring import Trial, find_limit
from greffier_server.settings import LimitSettings, Settings

pytestmark = pytest.mark.unit

IDENTITY = EngineIdentity("whisper-ct2/4", "whisper-base", "ab" * 32, "int8,cpu")


def _measured(streams: int = 11) -> Capacity:
    return Capacity(streams, this_machine(IDENTITY, workers=2), "2026-01-02T03:04:05+00:00")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_capacity(tmp_path / "new") is None
    path = write_capacity(tmp_path / "new", _measured())
    write_capacity(tmp_path / "new", _measured(12))
    assert read_capacity(tmp_path / "new") == _measured(12)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '{"version": 2}', '{"version": 1, "streams": "x"}']
)
def test_a_file_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "capacity.json").write_text(text)
    assert read_capacity(tmp_path) is None


def test_a_file_with_other_fields_is_none(tmp_path: Path) -> None:
    path = write_capacity(tmp_path, _measured())
    stored = json.loads(path.read_text())
    del stored["machine"]["workers"]
    path.write_text(json.dumps(stored))
    assert read_capacity(tmp_path) is None


def test_machine_and_model_make_the_figure() -> None:
    machine = this_machine(IDENTITY, workers=2)
    assert machine.cores >= 1
    for other in (
        this_machine(replace(IDENTITY, digest="cd" * 32), workers=2),
        this_machine(replace(IDENTITY, settings="float16,cuda"), workers=2),
        this_machine(IDENTITY, workers=1),
    ):
        assert other != machine


def test_setting_before_measurement_before_estimate() -> None:
    assert choose_room(3, _measured(), estimated=5).streams == 3
    assert choose_room(None, _measured(), estimated=5).streams == 11
    assert choose_room(None, _measured(0), estimated=5).streams == 1
    assert choose_room(None, None, estimated=5).streams == 5
    assert choose_room(None, None, estimated=0).streams == 1


def test_an_estimate_grows_with_workers_and_speed() -> None:
    assert estimate_streams(0.13, workers=2) == 10
    assert estimate_streams(0.13, workers=8) == 43
    assert estimate_streams(30.0, workers=2) == 1
    assert decode_cost_s(FakeRecognizer()) < 1


@pytest.mark.parametrize("holds", [0, 1, 2, 7, 10, 40, 200])
@pytest.mark.parametrize("guess", [1, 8, 60])
async def test_the_limit_is_found_to_a_tenth(holds: int, guess: int) -> None:
    tried: list[int] = []

    async def trial(streams: int) -> Trial:
        tried.append(streams)
        return Trial(streams, 1, 1.0, 2.0, 0.1, (), streams <= holds)

    found = await find_limit(trial, guess=guess, most=300)
    assert holds - max(1, holds // 10) < found <= holds or found == holds
    assert len(tried) == len(set(tried))
    assert len(tried) <= 16


async def test_no_more_than_the_most_is_tried() -> None:
    async def trial(streams: int) -> Trial:
        assert streams <= 20
        return Trial(streams, 1, 1.0, 2.0, 0.1, (), held=True)

    assert await find_limit(trial, guess=64, most=20) == 20


def test_the_doctor_tells_the_limit_and_who_says_it(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert not doctor.check_capacity(settings).passed
    write_capacity(tmp_path, _measured())
    check = doctor.check_capacity(settings)
    assert check.passed
    assert "11 live streams" in check.detail
    other = replace(_measured(), machine=replace(_measured().machine, cores=999))
    write_capacity(tmp_path, other)
    assert not doctor.check_capacity(settings).passed
    limited = Settings(data_dir=tmp_path, limits=LimitSettings(max_sessions=3))
    assert "3 live streams, as set" in doctor.check_capacity(limited).detail


def test_the_command_needs_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(capacity, [])
    assert result.exit_code == 2
    assert "--recording" in result.output


def test_a_recording_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    path.write_bytes(b"not audio")
    result = CliRunner().invoke(
        capacity,
        ["--recording", str(path), "--data-dir", str(tmp_path / "data"), "--json"],
        env={"GREFFIER_RECOGNITION__ENGINE": "fake"},
    )
    assert result.exit_code == 2
    assert not (tmp_path / "data").exists()
