"""Checkpoints are written here as PyTorch writes them, from its documented format."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from greffier_models.errors import WeightsCorrupt
from greffier_models.speakers.checkpoint import read_checkpoint

pytestmark = pytest.mark.unit


class _Global:
    """Pickles as the name of something that need not exist here."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Stored:
    """Refers to a storage, as `persistent_load` gets it."""

    def __init__(self, key: str) -> None:
        self.key = key


class _Call:
    def __init__(self, function: _Global, *arguments: object) -> None:
        self.function, self.arguments = function, arguments


def _opcodes(value: Any) -> bytes:
    """Protocol 2, by hand: the pickler of the standard library checks that names exist."""
    match value:
        case _Global():
            return f"c{value.module}\n{value.name}\n".encode()
        case _Call():
            return _opcodes(value.function) + _opcodes(value.arguments) + b"R"
        case _Stored():
            kind = _Global("torch", "FloatStorage")
            return _opcodes(("storage", kind, value.key, "cpu", 0)) + b"Q"
        case tuple():
            items = cast("tuple[object, ...]", value)
            return b"(" + b"".join(_opcodes(item) for item in items) + b"t"
        case dict():
            table = cast("dict[str, object]", value)
            pairs = b"".join(_opcodes(name) + _opcodes(table[name]) for name in table)
            return b"}(" + pairs + b"u"
        case _:
            return pickle.dumps(value, 2)[2:-1]


def tensor(key: str, shape: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> _Call:
    rebuild = _Global("torch._utils", "_rebuild_tensor_v2")
    hooks = _Call(_Global("collections", "OrderedDict"))
    return _Call(rebuild, _Stored(key), offset, shape, stride, False, hooks)


def checkpoint(path: Path, state: object, **storages: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + _opcodes(state) + b".")
        for key, raw in storages.items():
            archive.writestr(f"archive/data/{key.removeprefix('s')}", raw)
    return path


def test_tensors_are_read_with_their_shapes(tmp_path: Path) -> None:
    raw = np.arange(8, dtype="<f4").tobytes()
    state = {"a.weight": tensor("7", (2, 3), (3, 1), 1), "a.bias": tensor("7", (1, 4), (9, 1))}
    read = read_checkpoint(checkpoint(tmp_path / "x.pt", state, s7=raw))
    assert read["a.weight"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert read["a.bias"].tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize(
    "value",
    [
        _Call(_Global("os", "system"), "true"),
        _Call(_Global("builtins", "eval"), "1"),
        _Call(_Global("collections", "Counter")),
        _Global("torch", "DoubleStorage"),
    ],
)
def test_nothing_but_tensors_is_made(tmp_path: Path, value: object) -> None:
    with pytest.raises(WeightsCorrupt):
        read_checkpoint(checkpoint(tmp_path / "x.pt", {"a": value}))


@pytest.mark.parametrize(
    "bad",
    [
        tensor("7", (3, 3), (3, 1)),
        tensor("7", (2, 3), (1, 2)),
        tensor("7", (2,), (1,), -1),
        tensor("8", (2,), (1,)),
        tensor("../7", (2,), (1,)),
    ],
)
def test_tensors_that_are_not_there_are_refused(tmp_path: Path, bad: _Call) -> None:
    raw = np.arange(8, dtype="<f4").tobytes()
    with pytest.raises(WeightsCorrupt):
        read_checkpoint(checkpoint(tmp_path / "x.pt", {"a": bad}, s7=raw))


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no archive")
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w"):
        pass
    (tmp_path / "empty").write_bytes(empty.getvalue())
    for name in ("text", "empty", "absent"):
        with pytest.raises(WeightsCorrupt):
            read_checkpoint(tmp_path / name)
    with pytest.raises(WeightsCorrupt):
        read_checkpoint(checkpoint(tmp_path / "x.pt", [1, 2]))
