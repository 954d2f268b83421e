"""The command `serve`: its flags, and how it fails."""

from typing import Any

import pytest
from click.testing import CliRunner

from greffier_models.errors import WeightsMissing
from greffier_server import cli
from greffier_server.errors import SettingsInvalid, StorageFailed
from greffier_server.serving import AddressTaken

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsInvalid("set tokens"), 2),
        (AddressTaken("choose another port"), 3),
        (WeightsMissing("run `greffier models pull whisper-base`"), 4),
        (StorageFailed("free some space"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_failures_are_short_and_have_a_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_flags: object, _config: object) -> None:
        raise error

    monkeypatch.setattr(cli, "_serve", fail)
    done = CliRunner().invoke(cli.main, ["serve"])
    assert done.exit_code == code
    assert "Traceback" not in done.output
    if code != 130:
        assert done.stderr == f"Error: {error}\n"


@pytest.mark.parametrize(
    ("arguments", "section", "expected"),
    [
        ([], "language_model", {"engine": None, "model": None}),
        (["--no-llm"], "language_model", {"engine": "none", "model": None}),
        (["--engine", "fake"], "language_model", {"engine": "fake", "model": None}),
        (["--engine", "fake", "--no-llm"], "language_model", {"engine": "none", "model": None}),
        (
            ["--engine", "fake", "--language-model", "m"],
            "language_model",
            {"engine": None, "model": "m"},
        ),
        (["--model", "small"], "recognition", {"engine": None, "model": "small"}),
        (["--log-level", "error"], "log", {"level": "error"}),
    ],
)
def test_flags_become_settings(
    arguments: list[str], section: str, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def keep(flags: dict[str, Any], _config: object) -> None:
        seen.update(flags)

    monkeypatch.setattr(cli, "_serve", keep)
    assert CliRunner().invoke(cli.main, ["serve", *arguments]).exit_code == 0
    assert seen[section] == expected


@pytest.mark.parametrize("arguments", [["--port", "70000"], ["--engine", "x"], ["--config", "/no"]])
def test_bad_flags_are_usage_errors(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli.main, ["serve", *arguments]).exit_code == 2
