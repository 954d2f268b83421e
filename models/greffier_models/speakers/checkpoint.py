"""Tensors out of a PyTorch checkpoint, without PyTorch and without running what it holds.

The format is a zip archive: a pickle that describes the tensors, and one raw file a storage
(https://docs.pytorch.org/docs/stable/notes/serialization.html). The reader here knows four names,
none of which can do anything, and refuses every other.
"""

import collections
import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from greffier_models.errors import WeightsCorrupt

__all__ = ["read_checkpoint"]

_PICKLE = "/data.pkl"


class _StorageKind(NamedTuple):
    """Stands for ``torch.FloatStorage`` and its like."""

    dtype: str


_KINDS = {"FloatStorage": _StorageKind("<f4"), "LongStorage": _StorageKind("<i8")}


def read_checkpoint(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the float tensors of a state dictionary by name (blocking).

    Raises:
        WeightsCorrupt: not such a checkpoint, or it holds more than tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith(_PICKLE))
            reader = _TensorReader(archive, name.removesuffix(_PICKLE))
            state = cast("dict[str, NDArray[Any]]", reader.load())
        tensors = {key: value for key, value in state.items() if value.dtype == np.float32}
    except (
        *(zipfile.BadZipFile, pickle.UnpicklingError, StopIteration, EOFError, OSError),
        *(LookupError, ValueError, TypeError, AttributeError, struct.error),
    ) as error:
        raise WeightsCorrupt(
            f"{path.name} is not a checkpoint of tensors: greffier models verify"
        ) from error
    return tensors


class _TensorReader(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(io.BytesIO(archive.read(root + _PICKLE)))
        self._archive = archive
        self._root = root

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module_name, global_name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module_name == "torch" and global_name in _KINDS:
            return _KINDS[global_name]
        raise pickle.UnpicklingError("a checkpoint of tensors names nothing else")

    def persistent_load(self, pid: Any) -> Any:
        _, kind, key, _, _ = pid
        raw = self._archive.read(f"{self._root}/data/{int(key)}")
        return np.frombuffer(raw, dtype=kind.dtype)


def _tensor(
    storage: NDArray[Any], offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> NDArray[Any]:
    """Copy a contiguous view of a storage; others do not occur in published weights."""
    expected = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
    if any(size > 1 and a != b for size, a, b in zip(shape, stride, expected, strict=True)):
        raise ValueError("not a contiguous tensor")
    size = int(np.prod(shape))
    if offset < 0 or offset + size > len(storage):
        raise ValueError("a tensor reaches beyond its storage")
    return storage[offset : offset + size].reshape(shape).copy()
