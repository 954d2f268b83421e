"""What goes through the pipes: a length, a header of JSON, and bytes of audio.

Nothing is unpickled: a child whose memory is spoilt can send nonsense, and no more.
"""

import json
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from io import BufferedReader
from typing import cast

__all__ = ["BrokenFrame", "FrameReader", "Header", "read_frame", "write_frame"]

Header = Mapping[str, object]

_LENGTHS = struct.Struct("<II")
_MAX_HEADER = 16 << 20
_MAX_BODY = 1 << 30


class BrokenFrame(Exception):
    """What arrived is no frame."""


def write_frame(fd: int, header: Header, body: Sequence[memoryview] = ()) -> None:
    """Write one frame whole; blocks as long as the other side does not read.

    Raises:
        OSError: the other side is gone.
    """
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    parts = [memoryview(_LENGTHS.pack(len(text), sum(part.nbytes for part in body)) + text)]
    parts += [part.cast("B") for part in body if part.nbytes]
    for part in parts:
        left = part
        while left.nbytes:
            left = left[os.write(fd, left) :]


def read_frame(stream: BufferedReader) -> tuple[Header, bytearray] | None:
    """Read one frame from a blocking stream; None at its end.

    Raises:
        BrokenFrame: not a frame.
    """
    lengths = stream.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    header_bytes, body_bytes = _lengths(lengths)
    text = stream.read(header_bytes)
    body = bytearray(body_bytes)
    view, got = memoryview(body), 0
    while got < body_bytes:
        count = stream.readinto(view[got:])
        if not count:
            return None
        got += count
    if len(text) < header_bytes:
        return None
    return _header(text), body


class FrameReader:
    """Takes bytes as they come and gives the headers of whole frames; bodies are not expected."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def push(self, piece: bytes) -> Iterator[Header]:
        """Take the next bytes.

        Raises:
            BrokenFrame: not a frame, or one with a body.
        """
        self._rest += piece
        while len(self._rest) >= _LENGTHS.size:
            header_bytes, body_bytes = _lengths(self._rest[: _LENGTHS.size])
            if body_bytes:
                raise BrokenFrame
            end = _LENGTHS.size + header_bytes
            if len(self._rest) < end:
                return
            text = bytes(self._rest[_LENGTHS.size : end])
            del self._rest[:end]
            yield _header(text)


def _lengths(packed: bytes | bytearray) -> tuple[int, int]:
    header_bytes, body_bytes = _LENGTHS.unpack(packed)
    if header_bytes > _MAX_HEADER or body_bytes > _MAX_BODY:
        raise BrokenFrame
    return header_bytes, body_bytes


def _header(text: bytes) -> Header:
    try:
        value: object = json.loads(text)
    except ValueError as error:
        raise BrokenFrame from error
    if not isinstance(value, dict):
        raise BrokenFrame
    return cast("dict[str, object]", value)
