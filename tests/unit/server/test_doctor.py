"""What the doctor finds."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from greffier_server import doctor
from greffier_server.cli import main
from greffier_server.settings import LanguageModelSettings, RecognitionSettings, Settings

pytestmark = pytest.mark.unit


def settings(folder: Path, **changes: Any) -> Settings:
    given: dict[str, Any] = {
        "data_dir": folder / "data",
        "models_dir": folder / "models",
        "port": 0,
        "recognition": RecognitionSettings(engine="fake"),
        "language_model": LanguageModelSettings(engine="none"),
    }
    return Settings(**{**given, **changes})


def test_a_sound_machine_passes_and_nothing_is_created(tmp_path: Path) -> None:
    checks = doctor.diagnose(settings(tmp_path))
    assert [check.name for check in checks if check.required and not check.passed] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["whisper-base", "no-such-model", "/no/such/folder"])
def test_missing_weights_fail_with_advice(tmp_path: Path, name: str) -> None:
    wanted = settings(tmp_path, recognition=RecognitionSettings(model=name))
    check = doctor.check_recogniser(wanted, quick=True)
    assert not check.passed
    assert check.required
    assert check.advice


def test_a_missing_model_s_advice_is_a_command(tmp_path: Path) -> None:
    check = doctor.check_recogniser(
        settings(tmp_path, recognition=RecognitionSettings()), quick=True
    )
    assert "greffier models pull whisper-base" in check.advice


def test_an_unwritable_data_directory_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(doctor.os, "fsync", refuse)
    check = doctor.check_data_dir(settings(tmp_path))
    assert not check.passed
    assert "Input/output error" in check.detail


def test_a_full_disk_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 1000

    def measure(_path: object) -> type[Usage]:
        return Usage

    monkeypatch.setattr(doctor.shutil, "disk_usage", measure)
    assert not doctor.check_data_dir(settings(tmp_path)).passed


def test_a_broken_check_is_a_failed_check(tmp_path: Path) -> None:
    broken = settings(tmp_path, database_url="nonsense://x")
    (check,) = [check for check in doctor.diagnose(broken) if check.name == "database"]
    assert not check.passed
    assert check.required


def test_the_database_that_is_there_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "g.db"
    file.write_bytes(b"this is not a database, and long enough to be read as a header " * 20)
    broken = settings(tmp_path, database_url=f"sqlite+aiosqlite:///{file}")
    (check,) = [check for check in doctor.diagnose(broken) if check.name == "database"]
    file.write_bytes(b"")
    assert doctor.check_database(broken).passed
    assert not check.passed


def test_json_and_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREFFIER_MODELS_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("GREFFIER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GREFFIER_TOKENS", "a:sixteen-characters")
    done = CliRunner().invoke(main, ["doctor", "--json", "--quick", "--port", "0"])
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    failed = [check["name"] for check in report["checks"] if not check["passed"]]
    assert {"recogniser", "language model"} <= set(failed)
    assert report["settings"]["tokens"] == ["a: hidden"]
    plain = CliRunner().invoke(main, ["doctor", "--quick", "--port", "0"])
    assert "FAIL  recogniser" in plain.stdout
    assert "sixteen" not in plain.stdout


def test_bad_settings_exit_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREFFIER_PROT", "1")
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 2
    assert "did you mean GREFFIER_PORT?" in done.stderr


def test_an_engine_that_does_not_start_fails(tmp_path: Path) -> None:
    missing = settings(tmp_path, recognition=RecognitionSettings(model="whisper-base"))
    check = doctor.check_engine(missing, quick=False)
    assert (check.passed, check.required) == (False, True)
    assert "greffier models pull" in check.advice
    assert doctor.check_engine(missing, quick=True).passed
    assert doctor.check_engine(settings(tmp_path), quick=False).passed
