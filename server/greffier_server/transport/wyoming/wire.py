"""Events of the Wyoming protocol: a line of JSON, more JSON, and bytes.

The header names the type and how many bytes follow; `wyoming.event` of the package ``wyoming`` 1.10
is the reference.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from greffier_server.errors import BadRequest, MalformedMessage
from greffier_server.transport.frames import ClientGone
from greffier_server.transport.refusals import FrameTooLarge

__all__ = ["MAX_LINE_BYTES", "WyomingEvent", "encode_event", "read_event"]

MAX_LINE_BYTES: Final = 65_536
_MAX_DATA_BYTES: Final = 262_144
_MAX_TYPE_CHARS: Final = 64
_VERSION: Final = "1.10.0"
"""Of the protocol that is spoken."""


@dataclass(frozen=True, slots=True)
class WyomingEvent:
    """One event."""

    type: str
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    payload: bytes = b""


async def read_event(reader: asyncio.StreamReader, *, max_payload_bytes: int) -> WyomingEvent:
    """Read the next event; its stream has the limit `MAX_LINE_BYTES`.

    Raises:
        ClientGone: the stream has ended.
        MalformedMessage, FrameTooLarge: what follows cannot be read any more.
    """
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError:
        raise ClientGone("closed") from None
    except asyncio.LimitOverrunError:
        raise FrameTooLarge(f"the header of an event has at most {MAX_LINE_BYTES} bytes") from None
    except OSError:
        raise ClientGone("connection lost") from None
    header = _object(line, "the header of an event")
    kind = header.get("type")
    if not isinstance(kind, str) or len(kind) > _MAX_TYPE_CHARS:
        raise MalformedMessage("type: is missing in the header of an event")
    inline = header.get("data", {})
    data = dict(cast("dict[str, Any]", inline)) if isinstance(inline, dict) else {}
    data_length = _length(header, "data_length", _MAX_DATA_BYTES)
    payload_length = _length(header, "payload_length", max_payload_bytes)
    try:
        if data_length:
            data |= _object(await reader.readexactly(data_length), "the data of an event")
        payload = await reader.readexactly(payload_length) if payload_length else b""
    except (asyncio.IncompleteReadError, OSError):
        raise ClientGone("closed within an event") from None
    return WyomingEvent(kind, data, payload)


def encode_event(event: WyomingEvent) -> bytes:
    """Return an event as it is sent."""
    header: dict[str, Any] = {"type": event.type, "version": _VERSION}
    data = json.dumps(event.data, ensure_ascii=False).encode() if event.data else b""
    if data:
        header["data_length"] = len(data)
    if event.payload:
        header["payload_length"] = len(event.payload)
    return json.dumps(header).encode() + b"\n" + data + event.payload


def _object(text: bytes, where: str) -> dict[str, Any]:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise MalformedMessage(f"{where} is not a JSON object")
    return cast("dict[str, Any]", found)


def _length(header: Mapping[str, Any], name: str, most: int) -> int:
    value: object = header.get(name)
    if value is None:
        return 0
    problem: BadRequest | None = None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        problem = MalformedMessage(f"{name}: is a number of bytes")
    elif value > most:
        problem = FrameTooLarge(f"{name}: is at most {most} bytes; send audio in smaller chunks")
    if problem is not None:
        raise problem
    return cast("int", value)
