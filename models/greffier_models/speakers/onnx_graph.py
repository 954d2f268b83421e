"""A graph of layers as an ONNX model, written without the ``onnx`` package.

Only what a feed-forward network needs of the format (https://onnx.ai/onnx/repo-docs/IR.html): nodes
with numbers as attributes, float tensors, one input, one output. Protocol Buffers are written by
hand: a field is its number and wire type, then a varint, four bytes, or a length and bytes.
"""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["OnnxGraph"]

_IR_VERSION = 7
_OPSET = 13
_FLOAT, _INT64 = 1, 7
_ATTRIBUTE_FLOAT, _ATTRIBUTE_INT, _ATTRIBUTE_INTS = 1, 2, 7

Attribute = int | float | Sequence[int]


class OnnxGraph:
    """Grows node by node; every node has one output, named by its number."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[bytes] = []
        self._tensors: list[bytes] = []
        self._count = 0

    def constant(self, tensor: NDArray[np.float32] | NDArray[np.int64]) -> str:
        """Add a tensor; return its name."""
        name = self._next("t")
        floats = tensor.dtype == np.float32
        body = b"".join(_number(1, size) for size in tensor.shape)
        body += _number(2, _FLOAT if floats else _INT64) + _text(8, name)
        body += _bytes(9, tensor.astype("<f4" if floats else "<i8").tobytes())
        self._tensors.append(body)
        return name

    def node(self, operator: str, *inputs: str, **attributes: Attribute) -> str:
        """Add a node of the operator; return the name of its output."""
        output = self._next("x")
        body = b"".join(_text(1, name) for name in inputs) + _text(2, output)
        body += _text(3, output) + _text(4, operator)
        for name, value in attributes.items():
            body += _bytes(5, _attribute(name, value))
        self._nodes.append(body)
        return output

    def model(
        self,
        *,
        takes: tuple[str, Sequence[int | str]],
        gives: tuple[str, Sequence[int | str]],
    ) -> bytes:
        """Return the serialised model; a size given as text is free."""
        graph = b"".join(_bytes(1, node) for node in self._nodes) + _text(2, self._name)
        graph += b"".join(_bytes(5, tensor) for tensor in self._tensors)
        graph += _bytes(11, _value(*takes)) + _bytes(12, _value(*gives))
        opset = _text(1, "") + _number(2, _OPSET)
        return _number(1, _IR_VERSION) + _bytes(7, graph) + _bytes(8, opset)

    def _next(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"


def _attribute(name: str, value: Attribute) -> bytes:
    body = _text(1, name)
    if isinstance(value, float):
        return body + _key(2, 5) + struct.pack("<f", value) + _number(20, _ATTRIBUTE_FLOAT)
    if isinstance(value, int):
        return body + _number(3, value) + _number(20, _ATTRIBUTE_INT)
    numbers = b"".join(_number(8, item) for item in value)
    return body + numbers + _number(20, _ATTRIBUTE_INTS)


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    sizes = b"".join(
        _bytes(1, _text(2, size) if isinstance(size, str) else _number(1, size)) for size in shape
    )
    tensor = _number(1, _FLOAT) + _bytes(2, sizes)
    return _text(1, name) + _bytes(2, _bytes(1, tensor))


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers are two's complement
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _number(field: int, value: int) -> bytes:
    return _key(field, 0) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _key(field, 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())
