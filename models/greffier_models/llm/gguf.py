"""The header of a GGUF file: enough to refuse a wrong one, and to know its control tokens."""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from greffier_models.errors import WeightsCorrupt, WeightsMissing

__all__ = ["GgufHeader", "read_gguf_header"]

_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?"} | {
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9
_CONTROL, _USER_DEFINED = 3, 4
_KNOWN_VERSIONS = (2, 3)

_Plain = int | float | bool | str
_Value = _Plain | list[_Plain]


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What is known of a model before it is loaded."""

    architecture: str
    name: str
    context_tokens: int
    """That the model was trained with; 0 where the file does not say."""
    special_texts: frozenset[str]
    """Written forms of the control tokens, ``[INST]``: never to be read as such in a message."""


def read_gguf_header(path: Path) -> GgufHeader:
    """Read the metadata of a GGUF file. Blocks for a fraction of a second.

    The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

    Raises:
        WeightsMissing: no such file.
        WeightsCorrupt: not a GGUF file, a version that is not known, or cut off in its header.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise WeightsCorrupt(f"{path.name} is not a GGUF file.")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
                fields = _Reader(view).fields()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise WeightsMissing(f"There is no model file {path.name}.") from error
    except (struct.error, UnicodeDecodeError, KeyError, RecursionError) as error:
        raise WeightsCorrupt(f"The header of {path.name} is damaged or cut off.") from error
    architecture = str(fields.get("general.architecture", ""))
    context = fields.get(f"{architecture}.context_length", 0)
    return GgufHeader(
        architecture=architecture,
        name=str(fields.get("general.name", "")),
        context_tokens=context if isinstance(context, int) else 0,
        special_texts=_special_texts(fields),
    )


def _special_texts(fields: dict[str, _Value]) -> frozenset[str]:
    tokens = fields.get("tokenizer.ggml.tokens", [])
    kinds = fields.get("tokenizer.ggml.token_type", [])
    if not isinstance(tokens, list) or not isinstance(kinds, list):
        return frozenset()
    return frozenset(
        token
        for token, kind in zip(tokens, kinds, strict=False)
        if kind in (_CONTROL, _USER_DEFINED) and isinstance(token, str) and token.strip()
    )


class _Reader:
    def __init__(self, view: mmap.mmap) -> None:
        self._view = view
        self._at = 4

    def fields(self) -> dict[str, _Value]:
        version = int(self._scalar("<I"))
        if version not in _KNOWN_VERSIONS:
            raise WeightsCorrupt(f"GGUF version {version} is not known.")
        self._scalar("<Q")  # tensors
        count = int(self._scalar("<Q"))
        found: dict[str, _Value] = {}
        for _ in range(count):
            key = self._string()
            found[key] = self._value(int(self._scalar("<I")))
        return found

    def _scalar(self, layout: str) -> int | float | bool:
        value: int | float | bool = struct.unpack_from(layout, self._view, self._at)[0]
        self._at += struct.calcsize(layout)
        return value

    def _string(self) -> str:
        length = int(self._scalar("<Q"))
        if length > len(self._view) - self._at:
            raise struct.error("string beyond the end")
        text = self._view[self._at : self._at + length].decode()
        self._at += length
        return text

    def _value(self, kind: int) -> _Value:
        if kind == _ARRAY:
            return self._array()
        return self._string() if kind == _STRING else self._scalar(_SCALARS[kind])

    def _array(self) -> list[_Plain]:
        kind = int(self._scalar("<I"))
        length = int(self._scalar("<Q"))
        if length > len(self._view):
            raise struct.error("array beyond the end")
        if kind == _STRING:
            return [self._string() for _ in range(length)]
        layout = f"<{length}{_SCALARS[kind][1:]}"
        values = list(struct.unpack_from(layout, self._view, self._at))
        self._at += struct.calcsize(layout)
        return values
