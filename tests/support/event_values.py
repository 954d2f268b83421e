"""Hypothesis strategies for every event and for whole records, made from their type hints."""

import types
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from greffier_server.core.events import Event, Recorded

__all__ = ["events", "records"]

_INTEGERS = st.integers(-(2**53), 2**53)
_FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def events(kind: type[Event] | None = None) -> st.SearchStrategy[Event]:
    """Any event, or any of `kind`."""
    kinds = [kind] if kind is not None else list(get_args(Event))
    return st.one_of([_values(each) for each in kinds])


def records() -> st.SearchStrategy[Recorded]:
    """Any record."""
    return cast("st.SearchStrategy[Recorded]", _values(Recorded))


def _values(kind: Any) -> st.SearchStrategy[Any]:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return st.one_of([_values(option) for option in get_args(kind)])
    if origin is Literal:
        return st.sampled_from(get_args(kind))
    if origin is tuple:
        return st.lists(_values(get_args(kind)[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(st.text(max_size=8), _values(get_args(kind)[1]), max_size=3)
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        parts = {field.name: _values(hints[field.name]) for field in fields(kind)}
        return st.builds(cast("type[Any]", kind), **parts)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(max_size=20),
        int: _INTEGERS,
        float: _FLOATS,
        bool: st.booleans(),
        types.NoneType: st.none(),
    }
    return simple[kind]
