"""Wire messages to text frames and back: one JSON object with a ``type``, the class in snake case.

Both sides use it. What a peer sends is limited before it is trusted: at most `MAX_TEXT_BYTES`,
finite numbers, whole numbers of at most 18 digits, no lone surrogates, no name twice in one object
of a client's, no nesting that would exhaust the stack. Unknown types are values (`UnknownMessage`),
so that a newer peer can say more; everything else that does not fit is a `MalformedFrame`, never an
end of stream.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import NoReturn, cast, get_args

from greffier.errors import MalformedFrame
from greffier.plain import PlainError, from_plain, to_plain
from greffier.protocol import ClientMessage, ServerMessage

__all__ = [
    "MAX_TEXT_BYTES",
    "UnknownMessage",
    "decode_client",
    "decode_server",
    "encode",
    "type_name",
]

MAX_TEXT_BYTES = 1 << 20
_MAX_DIGITS = 18


@dataclass(frozen=True, slots=True)
class UnknownMessage:
    """A message whose type this version does not know; clients skip it."""

    type: str


def type_name(kind: type[object]) -> str:
    """Return the wire name of a message class: ``Caption`` is ``caption``."""
    return re.sub(r"(?<=.)(?=[A-Z])", "_", kind.__name__).lower()


def encode(message: ClientMessage | ServerMessage) -> str:
    """Return the text frame of `message`.

    Raises:
        ValueError: a number is not finite, or a text cannot be written as UTF-8.
    """
    fields = {"type": type_name(type(message)), **to_plain(message)}
    text = json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text.encode()
    return text


def decode_client(frame: str | bytes) -> ClientMessage | UnknownMessage:
    """Read what a client sent.

    Raises:
        MalformedFrame: it is not a message.
    """
    return cast("ClientMessage | UnknownMessage", _decode(frame, _CLIENT))


def decode_server(frame: str | bytes) -> ServerMessage | UnknownMessage:
    """Read what a server sent.

    Raises:
        MalformedFrame: it is not a message.
    """
    return cast("ServerMessage | UnknownMessage", _decode(frame, _SERVER))


_CLIENT: dict[str, type[object]] = {type_name(kind): kind for kind in get_args(ClientMessage)}
_SERVER: dict[str, type[object]] = {type_name(kind): kind for kind in get_args(ServerMessage)}
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _decode(frame: str | bytes, kinds: dict[str, type[object]]) -> object:
    # A server is strict with what strangers send; a client takes what its server says.
    fields = _parse(frame, once=kinds is _CLIENT)
    name = fields.pop("type", None)
    if not isinstance(name, str):
        raise MalformedFrame("type: must be text")
    kind = kinds.get(name)
    if kind is None:
        return UnknownMessage(name[:64])
    try:
        return from_plain(kind, fields, where=name)
    except PlainError as error:
        raise MalformedFrame(str(error)) from None


def _parse(frame: str | bytes, *, once: bool) -> dict[str, object]:
    text = _text(frame)
    try:
        value: object = json.loads(
            text,
            object_pairs_hook=_once if once else None,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise MalformedFrame("the frame is nested too deeply") from None
    except UnicodeEncodeError:
        raise MalformedFrame("the frame holds half a character (a lone surrogate)") from None
    except json.JSONDecodeError as error:
        raise MalformedFrame(f"the frame is not JSON (at character {error.pos})") from None
    except ValueError as error:
        raise MalformedFrame(f"the frame holds {error}") from None
    if not isinstance(value, dict):
        raise MalformedFrame("the frame must be a JSON object")
    return cast("dict[str, object]", value)


def _text(frame: str | bytes) -> str:
    # A character is at least one byte, so the cheap test goes first.
    if len(frame) > MAX_TEXT_BYTES:
        raise MalformedFrame(f"the frame is longer than {MAX_TEXT_BYTES} bytes")
    if isinstance(frame, bytes):
        try:
            return frame.decode()
        except UnicodeDecodeError:
            raise MalformedFrame("the frame is not UTF-8") from None
    try:
        size = len(frame.encode())
    except UnicodeEncodeError:
        raise MalformedFrame("the frame holds half a character (a lone surrogate)") from None
    if size > MAX_TEXT_BYTES:
        raise MalformedFrame(f"the frame is longer than {MAX_TEXT_BYTES} bytes")
    return frame


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Two readers could take a name that comes twice for different things (RFC 8259 §4)."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name twice in one object")
    return fields


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name}, which is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number out of range")
    return number


def _whole(text: str) -> int:
    if len(text) > _MAX_DIGITS + text.startswith("-"):
        raise ValueError("a number out of range")
    return int(text)
