"""JSON Schema and AsyncAPI of the wire protocol, derived from `greffier.protocol`.

The schema says what `greffier.plain.from_plain` takes and `to_plain` gives; descriptions are the
dataclasses' docstrings and the texts under their fields.
"""

import ast
import dataclasses
import inspect
import json
import textwrap
import types
import typing
from itertools import pairwise
from typing import Any, Literal, Union, get_args, get_origin

from greffier import protocol
from greffier._version import __version__
from greffier.codec import type_name
from greffier.plain import to_plain
from greffier.protocol import SUBPROTOCOL, ClientMessage, ServerMessage

__all__ = ["asyncapi_document", "document_text", "message_schema"]

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    types.NoneType: {"type": "null"},
}
_CLOSE_CODES = (
    "Close codes: 1000 after `finished`; 1009 message too large; 1011 server failure; 1012 server "
    "stopping; 1013 no room or models not loaded; 4400 bad request; 4401 no token; 4403 wrong "
    "token; 4404 no such session; 4408 too slow; 4409 session taken; 4410 session ended. "
    "Each is preceded by an `error` message."
)


def message_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of every message; ``$defs`` has one entry a class."""
    return {
        "$schema": _DRAFT,
        "$id": f"urn:greffier:{SUBPROTOCOL}",
        "title": f"Messages of {SUBPROTOCOL}",
        "description": _summary(protocol),
        "oneOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in _messages()],
        "$defs": _definitions("#/$defs/"),
    }


def asyncapi_document() -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document of ``/v1/live``."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Greffier live",
            "version": __version__,
            "description": f"{_summary(protocol)} {_CLOSE_CODES}",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:8765",
                "protocol": "ws",
                "description": f"Offer the subprotocol {SUBPROTOCOL}.",
            }
        },
        "channels": {
            "live": {
                "address": "/v1/live",
                "description": "One session to speak into, or one to watch.",
                "messages": {
                    name: {"$ref": f"#/components/messages/{name}"}
                    for name in (*map(_wire_name, _messages()), "audio")
                },
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            }
        },
        "operations": {
            "fromClient": _operation("receive", (*_names(ClientMessage), "audio")),
            "fromServer": _operation("send", _names(ServerMessage)),
        },
        "components": {
            "messages": {
                **{_wire_name(kind): _message(kind) for kind in _messages()},
                "audio": _AUDIO,
            },
            "schemas": _definitions("#/components/schemas/"),
        },
    }


def document_text(document: dict[str, Any]) -> str:
    """Return `document` in the form in which the documentation keeps it."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


_AUDIO: dict[str, Any] = {
    "name": "audio",
    "title": "Audio",
    "summary": "Binary frame: whole samples of every channel, in the format of start.",
    "contentType": "application/octet-stream",
    "payload": {"type": "string", "format": "binary"},
}


def _operation(action: str, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/live"},
        "messages": [{"$ref": f"#/channels/live/messages/{name}"} for name in names],
    }


def _message(kind: type[Any]) -> dict[str, Any]:
    return {
        "name": _wire_name(kind),
        "title": kind.__name__,
        "summary": _summary(kind),
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
    }


def _messages() -> tuple[type[Any], ...]:
    return (*get_args(ClientMessage), *get_args(ServerMessage))


def _names(union: Any) -> tuple[str, ...]:
    return tuple(_wire_name(kind) for kind in get_args(union))


def _wire_name(kind: type[Any]) -> str:
    return type_name(kind)


def _definitions(prefix: str) -> dict[str, Any]:
    """Schemas of every message and of what they are made of, by class name."""
    found: dict[str, Any] = {}
    waiting = list(_messages())
    while waiting:
        kind = waiting.pop(0)
        if kind.__name__ not in found:
            found[kind.__name__] = _object(kind, prefix, waiting)
    return {name: found[name] for name in sorted(found)}


def _object(kind: type[Any], prefix: str, waiting: list[type[Any]]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    texts = _field_texts(kind)
    properties: dict[str, Any] = {}
    required: list[str] = []
    if kind in _messages():
        properties["type"] = {"const": _wire_name(kind)}
        required.append("type")
    for field in dataclasses.fields(kind):
        value = _value(hints[field.name], prefix, waiting)
        if field.name in texts:
            value = {**value, "description": texts[field.name]}
        if field.default is not dataclasses.MISSING:
            value = {**value, "default": to_plain(field.default)}
        elif field.default_factory is dataclasses.MISSING:
            required.append(field.name)
        properties[field.name] = value
    schema: dict[str, Any] = {
        "type": "object",
        "description": _summary(kind),
        "properties": properties,
    }
    return {**schema, "required": required} if required else schema


def _value(kind: Any, prefix: str, waiting: list[type[Any]]) -> dict[str, Any]:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_value(option, prefix, waiting) for option in get_args(kind)]}
    if origin is Literal:
        return {"enum": list(get_args(kind))}
    if origin is tuple:
        return {"type": "array", "items": _value(get_args(kind)[0], prefix, waiting)}
    if origin is dict:
        item = _value(get_args(kind)[1], prefix, waiting)
        return {"type": "object", "additionalProperties": item}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        waiting.append(kind)
        return {"$ref": f"{prefix}{kind.__name__}"}
    return dict(_SCALARS[kind])


def _summary(documented: object) -> str:
    text = inspect.getdoc(documented) or ""
    return " ".join(text.split("\n\n")[0].split())


def _field_texts(kind: type[Any]) -> dict[str, str]:
    """Texts under the fields of a class (PEP 257, attribute docstrings), from its source."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    texts: dict[str, str] = {}
    body = typing.cast("ast.ClassDef", tree).body
    for before, after in pairwise(body):
        match before, after:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                texts[name] = " ".join(text.split())
            case _:
                pass
    return texts
