import dataclasses
import json
import types
from contextlib import suppress
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier.codec import UnknownMessage, decode_client, decode_server, encode, type_name
from greffier.errors import MalformedFrame
from greffier.protocol import ClientMessage, ServerMessage

pytestmark = pytest.mark.property

_WHOLE = st.integers(min_value=-(10**17), max_value=10**17)
_SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    int: _WHOLE,
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    types.NoneType: st.none(),
}


def _values(kind: Any) -> st.SearchStrategy[Any]:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return st.one_of([_values(option) for option in get_args(kind)])
    if origin is Literal:
        return st.sampled_from(get_args(kind))
    if origin is tuple:
        return st.lists(_values(get_args(kind)[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(_SCALARS[str], _values(get_args(kind)[1]), max_size=3)
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        fields = {field.name: _values(hints[field.name]) for field in dataclasses.fields(kind)}
        return st.builds(cast("type[Any]", kind), **fields)
    return _SCALARS[kind]


_JSON = st.recursive(
    st.none() | st.booleans() | _WHOLE | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@pytest.mark.parametrize("kind", get_args(ClientMessage), ids=type_name)
@given(draw=st.data())
def test_client_messages_survive_the_wire(kind: type[Any], draw: st.DataObject) -> None:
    message = draw.draw(_values(kind))
    assert decode_client(encode(message)) == message


@pytest.mark.parametrize("kind", get_args(ServerMessage), ids=type_name)
@given(draw=st.data())
def test_server_messages_survive_the_wire(kind: type[Any], draw: st.DataObject) -> None:
    message = draw.draw(_values(kind))
    assert decode_server(encode(message).encode()) == message


@given(st.text())
def test_any_text_is_a_message_an_unknown_type_or_malformed(frame: str) -> None:
    with suppress(MalformedFrame):
        assert isinstance(decode_server(frame), (UnknownMessage, *get_args(ServerMessage)))


@given(
    name=st.sampled_from([type_name(kind) for kind in get_args(ClientMessage)]),
    fields=st.dictionaries(
        st.sampled_from(["format", "language", "translate_to", "resume", "session", "glossary"]),
        _JSON,
    ),
)
def test_any_fields_are_a_message_or_malformed(name: str, fields: dict[str, Any]) -> None:
    frame = json.dumps({"type": name, **fields})
    try:
        message = decode_client(frame)
    except MalformedFrame:
        return
    assert type_name(type(message)) == name
    assert decode_client(encode(message)) == message  # type: ignore[arg-type]
