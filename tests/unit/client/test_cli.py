import json
import sys
import types
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from greffier import cli, recordings
from greffier.cli import COMMANDS, build
from greffier.errors import FileUnreadable

pytestmark = pytest.mark.unit


def run(*arguments: str, language: str = "en", **options: Any) -> Result:
    return CliRunner().invoke(build(language), list(arguments), **options)


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """Only the commands of the base install, and no server named."""
    plugins(monkeypatch)
    monkeypatch.delenv("GREFFIER_SERVER", raising=False)


def plugins(monkeypatch: pytest.MonkeyPatch, **targets: str) -> None:
    points = [EntryPoint(name, value, "any") for name, value in targets.items()]

    def found(*, group: str, name: str | None = None) -> list[EntryPoint]:
        assert group in ("greffier.commands", "greffier.local")
        return [point for point in points if name is None or point.name == name]

    monkeypatch.setattr(cli, "entry_points", found)
    monkeypatch.setattr(recordings, "entry_points", found)


def module(monkeypatch: pytest.MonkeyPatch, **contents: object) -> str:
    made = types.ModuleType("made_for_test")
    vars(made).update(contents)
    monkeypatch.setitem(sys.modules, "made_for_test", made)
    return "made_for_test"


# --- the group ------------------------------------------------------------------------------------


def test_help_names_every_command() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert all(name in result.output for name in COMMANDS)
    assert "130 interrupted" in result.output


def test_help_in_french() -> None:
    assert "Afficher cette aide et quitter" in run("--help", language="fr").output
    output = run("stream", "-h", language="fr").output
    assert "Jouer un enregistrement" in output
    assert "Afficher cette aide et quitter" in output


@pytest.mark.parametrize("name", sorted(COMMANDS))
@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_command_explains_itself(name: str, language: str) -> None:
    result = run(name, "--help", language=language)
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 4


def test_version() -> None:
    assert run("--version").output.startswith("greffier ")


def test_a_wrong_use_is_exit_code_2() -> None:
    assert run("no-such-command").exit_code == 2
    assert run("watch").exit_code == 2
    assert run("--lang", "xx", "watch").exit_code == 2
    result = run("watch", "s1", "--server", "ftp://h", language="fr")
    assert result.exit_code == 2
    assert "adresse de serveur incorrecte" in result.output


def test_the_language_is_found_before_click_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def built(language: str) -> click.Group:
        seen.append(language)
        return click.Group(invoke_without_command=True, add_help_option=False)

    monkeypatch.setattr(cli, "build", built)
    for arguments in (["--lang", "fr"], ["--lang=fr"], ["x", "--lang", "fr"], ["--lang"]):
        monkeypatch.setenv("LC_ALL", "en_GB.UTF-8")
        monkeypatch.setattr(sys, "argv", ["greffier", *arguments])
        with pytest.raises(SystemExit):
            cli.main()
    assert seen == ["fr", "fr", "en", "en"]


# --- commands of others ---------------------------------------------------------------------------


def test_an_installed_extra_adds_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command(help="Serve it.")
    def serve() -> None:
        click.echo("served")

    name = module(monkeypatch, serve=serve)
    plugins(monkeypatch, serve=f"{name}:serve", transcribe=f"{name}:serve")
    assert "Serve it." in run("--help").output
    assert run("serve").output == "served\n"
    assert "served" not in run("transcribe", "--help").output, "built-in commands come first"


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins(monkeypatch, serve="greffier_server.there_is_no_such_module:serve")
    assert 'needs: pip install "greffier[server]"' in run("--help").output
    result = run("serve", "--port", "1")
    assert result.exit_code == 1
    assert 'greffier serve: needs: pip install "greffier[server]"' in result.output
    assert "nécessite" in run("serve", "--help", language="fr").output


def test_a_broken_plugin_does_not_break_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    name = module(monkeypatch, text="not a command")
    plugins(monkeypatch, other="no_such_package_at_all:x", text=f"{name}:text")
    result = run("other")
    assert result.exit_code == 1
    assert "ModuleNotFoundError" in result.output
    assert run("text").exit_code == 1
    assert run("--help").exit_code == 0


# --- transcribing on this machine -----------------------------------------------------------------

SPOKEN: dict[str, Any] = {
    "text": "Bonjour à tous",
    "language": "fr",
    "duration": 2.0,
    "segments": [
        {
            "id": 1,
            "start": 0.5,
            "end": 2.0,
            "text": "Bonjour à tous",
            "speaker": None,
            "language": "fr",
            "words": [],
        }
    ],
    "translations": {"en": [{"id": 1, "start": 0.5, "end": 2.0, "text": "Hello all"}]},
    "minutes": {"language": "fr", "title": "", "summary": [{"text": "Salut.", "cites": [1]}]},
}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []

    async def transcribe_file(
        path: str, *, progress: Callable[[float], None], **options: Any
    ) -> dict[str, Any]:
        made.append({"path": Path(path).name, **options})
        progress(0.5)
        progress(1.5)
        if "bad" in path:
            raise FileUnreadable(f"cannot read {path}")
        spoken = dict(SPOKEN)
        if not options["translate_to"]:
            spoken["translations"] = {}
        if not options["minutes"]:
            spoken["minutes"] = None
        return spoken

    name = module(monkeypatch, transcribe_file=transcribe_file)
    plugins(monkeypatch, transcribe=f"{name}:transcribe_file")
    return made


def files(tmp_path: Path, *names: str) -> list[str]:
    for name in names:
        (tmp_path / name).write_bytes(b"")
    return [str(tmp_path / name) for name in names]


def test_without_engines_it_says_what_to_do(tmp_path: Path) -> None:
    result = run("transcribe", *files(tmp_path, "a.wav"))
    assert result.exit_code == 1
    assert 'pip install "greffier[server,whisper]"' in result.output
    assert "--server" in result.output


def test_text_on_standard_output(tmp_path: Path, calls: list[dict[str, Any]]) -> None:
    result = run("transcribe", *files(tmp_path, "a.wav"), "-l", "fr")
    assert (result.exit_code, result.stdout) == (0, "Bonjour à tous\n")
    assert calls == [{"path": "a.wav", "language": "fr", "translate_to": (), "minutes": False}]


def test_a_kind_of_audio_is_passed_on(tmp_path: Path, calls: list[dict[str, Any]]) -> None:
    result = run("transcribe", *files(tmp_path, "a.wav"), "--profile", "radio")
    assert result.exit_code == 0
    assert calls[0]["profile"] == "radio"
    assert run("transcribe", *files(tmp_path, "b.wav"), "--profile", "tape").exit_code == 2
    assert len(calls) == 1


def test_json_is_one_object_a_line(tmp_path: Path, calls: list[dict[str, Any]]) -> None:
    arguments = ["-f", "json", "-t", "en", "--minutes"]
    result = run("transcribe", *files(tmp_path, "a.wav", "b.wav"), *arguments)
    assert [json.loads(line) for line in result.stdout.splitlines()] == [SPOKEN, SPOKEN]
    assert len(calls) == 2


def test_everything_as_text(tmp_path: Path, calls: list[dict[str, Any]]) -> None:
    result = run("transcribe", *files(tmp_path, "a.wav"), "-t", "en", "--minutes")
    assert result.stdout == (
        "Bonjour à tous\n\n[en]\nHello all\n\n"
        "# Compte rendu\n\n## Résumé\n\n- Salut. (non vérifié) [0:00]\n"
    )
    assert calls[0]["translate_to"] == ("en",)


@pytest.mark.usefixtures("calls")
def test_several_subtitles_go_to_a_folder(tmp_path: Path) -> None:
    both = files(tmp_path, "a.wav", "b.wav")
    refused = run("transcribe", *both, "-f", "srt")
    assert (refused.exit_code, "--output FOLDER" in refused.output) == (2, True)
    out = tmp_path / "out"
    result = run("transcribe", *both, "-f", "srt", "-t", "en", "--minutes", "-o", str(out))
    assert (result.exit_code, result.stdout) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == [
        "a.en.srt",
        "a.minutes.md",
        "a.srt",
        "b.en.srt",
        "b.minutes.md",
        "b.srt",
    ]
    assert "00:00:00,500 --> 00:00:02,000\nHello all" in (out / "a.en.srt").read_text("utf-8")


@pytest.mark.usefixtures("calls")
def test_one_file_to_one_file(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "x.vtt"
    assert run("transcribe", *files(tmp_path, "a.wav"), "-f", "vtt", "-o", str(out)).exit_code == 0
    assert out.read_text("utf-8").startswith("WEBVTT\n")
    (tmp_path / "file").write_bytes(b"")
    result = run("transcribe", *files(tmp_path, "a.wav"), "-o", str(tmp_path / "file" / "x"))
    assert (result.exit_code, "cannot write" in result.output) == (1, True)


@pytest.mark.usefixtures("calls")
def test_two_results_of_one_name_are_refused(tmp_path: Path) -> None:
    result = run("transcribe", *files(tmp_path, "a.wav", "a.mp3"), "-o", str(tmp_path))
    assert result.exit_code == 2
    assert "a.txt would be written twice" in result.output


def test_documents_go_with_a_recording(calls: list[dict[str, Any]], tmp_path: Path) -> None:
    recording, agenda = files(tmp_path, "a.wav", "odj.md")
    assert run("transcribe", recording, "--attach", agenda).exit_code == 0
    assert calls[-1]["attach"] == (Path(agenda),)
    assert run("transcribe", recording).exit_code == 0
    assert "attach" not in calls[-1]
    assert run("transcribe", recording, "--attach", "no-such.md").exit_code == 2


@pytest.mark.usefixtures("calls")
def test_a_damaged_file_does_not_stop_the_others(tmp_path: Path) -> None:
    result = run("transcribe", *files(tmp_path, "bad.wav", "b.wav"))
    assert result.exit_code == 1
    assert "Error: cannot read" in result.stderr
    assert result.stdout == "# b.wav\n\nBonjour à tous\n"


# --- the reference page ---------------------------------------------------------------------------


def test_the_reference_names_every_command_and_option() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/cli.md").read_text("utf-8")
    group = build("en")
    context = click.Context(group)
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        assert f"## `greffier {name}" in page
        section = page.partition(f"## `greffier {name}")[2].partition("\n## ")[0]
        for option in command.params:
            if isinstance(option, click.Option) and option.name != "help":
                assert f"`{option.opts[0]}" in section, f"{name} {option.opts[0]}"
