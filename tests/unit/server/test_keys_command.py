"""``greffier keys`` and ``greffier space`` on real files."""

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from greffier_server.keys_command import keys
from greffier_server.space_command import space
from greffier_server.storage.keys import KeyRing, read_master_key

pytestmark = pytest.mark.unit


def run(*arguments: str | Path, text: str | None = None) -> Result:
    return CliRunner().invoke(keys, [str(part) for part in arguments], input=text)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    master = tmp_path / "master.key"
    assert run("init", master).exit_code == 0
    path = tmp_path / "greffier.toml"
    path.write_text(
        f'data_dir = "{tmp_path}"\n[encryption]\nenabled = true\nmaster_key_file = "{master}"\n'
    )
    return path


def ring(folder: Path, name: str = "master.key") -> KeyRing:
    return KeyRing(folder / "keys", read_master_key((folder / name).read_text()))


def test_a_master_key_is_its_owners_alone_and_never_written_over(
    tmp_path: Path, config: Path
) -> None:
    master = tmp_path / "master.key"
    before = master.read_bytes()
    assert stat.S_IMODE(master.stat().st_mode) == 0o600
    again = run("init", master)
    assert (again.exit_code, master.read_bytes()) == (1, before)
    assert before.decode().strip() not in again.output
    assert config.exists()


def test_rotation_moves_every_key_and_says_what_to_set(tmp_path: Path, config: Path) -> None:
    made = [ring(tmp_path).current(tenant) for tenant in ("a", "b")]
    new = tmp_path / "new.key"
    done = run("rotate", new, "--config", config)
    assert (done.exit_code, "2 keys" in done.output) == (0, True)
    assert [ring(tmp_path, "new.key").current(tenant) for tenant in ("a", "b")] == made
    listed = run("list", "--config", config)
    assert listed.output.count("not opened by this master key") == 2
    assert "0 keys" in run("rotate", new, "--config", config).output


def test_destroying_asks_for_the_name(tmp_path: Path, config: Path) -> None:
    ring(tmp_path).current("dgfip")
    assert "dgfip" in run("list", "--config", config).output
    refused = run("destroy", "dgfip", "--config", config, text="no\n")
    assert (refused.exit_code, "dgfip" in run("list", "--config", config).output) == (1, True)
    done = run("destroy", "dgfip", "--config", config, text="dgfip\n")
    assert done.exit_code == 0, done.output
    assert "dgfip" not in run("list", "--config", config).output
    assert run("destroy", "dgfip", "--yes", "--config", config).exit_code == 1
    assert run("destroy", "../x", "--yes", "--config", config).exit_code == 1


def test_without_a_master_key_the_commands_say_so(tmp_path: Path) -> None:
    for arguments in (["list"], ["rotate", tmp_path / "new"]):
        refused = run(*arguments, "--data-dir", tmp_path)
        assert refused.exit_code == 1
        assert "master_key_file" in refused.output
    assert not (tmp_path / "new").exists()


def test_space_is_shown_by_tenant(tmp_path: Path) -> None:
    for tenant, size in (("a", 3_000_000), ("b", 10)):
        folder = tmp_path / "audio" / tenant / "s1"
        folder.mkdir(parents=True)
        (folder / "000001.gja").write_bytes(bytes(size))
    shown = CliRunner().invoke(space, ["--data-dir", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    assert [line.split() for line in shown.output.splitlines()[1:]] == [
        ["a", "1", "3.0", "-"],
        ["b", "1", "0.0", "-"],
        ["all", "3.0"],
    ]
    rows = json.loads(CliRunner().invoke(space, ["--data-dir", str(tmp_path), "--json"]).output)
    assert rows[0] == {"tenant": "a", "sessions": 1, "audio_bytes": 3_000_000, "quota_bytes": None}
