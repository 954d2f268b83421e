"""Dataclasses to JSON-ready values and back, by their type hints alone (standard library only).

Wire messages and stored events are both written this way, so that no message has a codec of its
own to forget a field. Understood: ``str int float bool None``, `Literal`, dataclasses, tuples of
one type, ``dict[str, T]`` and unions of these with None. Unknown fields are ignored (newer peers),
missing ones take their default; anything else is a `PlainError` that names the field.
"""

import dataclasses
import types
import typing
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

__all__ = ["PlainError", "from_plain", "to_plain"]

T = TypeVar("T")


class PlainError(ValueError):
    """A value does not fit its type; the message names the field and never repeats the value."""


def to_plain(value: object) -> Any:
    """Return `value` as dicts, lists, strings, numbers, booleans and None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in typing.cast("typing.Sequence[object]", value)]
    if isinstance(value, dict):
        items = typing.cast("dict[str, object]", value)
        return {key: to_plain(item) for key, item in items.items()}
    return value


def from_plain(kind: type[T], value: object, *, where: str = "") -> T:
    """Build a `kind` from what JSON gave.

    Raises:
        PlainError: `value` does not fit.
    """
    try:
        return typing.cast("T", _maker(typing.cast("Any", kind))(value))
    except (_Misfit, TypeError):
        # What does not fit is told by the slower way, which knows where it is.
        return typing.cast("T", _build(kind, value, where or kind.__name__))


class _Misfit(Exception):
    """A value does not fit; nobody asks where."""


@cache
def _maker(kind: Any) -> Callable[[Any], object]:
    """Return what builds a `kind`, made once: a long session is ten thousand events."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _union_maker(get_args(kind))
    if origin is Literal:
        allowed = frozenset(get_args(kind))
        return lambda value: _checked(value, fits=value in allowed)
    if origin is tuple:
        part = _maker(get_args(kind)[0])
        return lambda value: tuple(map(part, _checked(value, fits=type(value) is list)))
    if origin is dict:
        item = _maker(get_args(kind)[1])
        return lambda value: {
            key: item(each) for key, each in _checked(value, fits=type(value) is dict).items()
        }
    if dataclasses.is_dataclass(kind):
        return _dataclass_maker(kind)
    if kind is float:
        return lambda value: float(_checked(value, fits=type(value) in (float, int)))
    # Subclasses and other oddities are left to the slower way.
    return lambda value: value if type(value) is kind else _checked(value, fits=False)


def _checked(value: Any, *, fits: bool) -> Any:
    if not fits:
        raise _Misfit
    return value


def _union_maker(options: tuple[Any, ...]) -> Callable[[Any], object]:
    rest = [option for option in options if option is not types.NoneType]
    make = _maker(rest[0]) if len(rest) == 1 else _first_that_fits([_maker(each) for each in rest])
    if len(rest) == len(options):
        return make
    return lambda value: None if value is None else make(value)


def _first_that_fits(makers: Sequence[Callable[[Any], object]]) -> Callable[[Any], object]:
    def make(value: Any) -> object:
        for maker in makers:
            with suppress(_Misfit, TypeError):
                return maker(value)
        raise _Misfit

    return make


def _dataclass_maker(kind: Any) -> Callable[[Any], object]:
    hints = _hints(kind)
    makers = [(field.name, _maker(hints[field.name])) for field in dataclasses.fields(kind)]

    def make(value: Any) -> object:
        _checked(value, fits=type(value) is dict)
        return kind(**{name: maker(value[name]) for name, maker in makers if name in value})

    return make


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _build(kind: Any, value: object, where: str) -> object:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _build_union(get_args(kind), value, where)
    if origin is Literal:
        if value not in get_args(kind):
            raise PlainError(f"{where}: must be one of {', '.join(map(str, get_args(kind)))}")
        return value
    if origin is tuple:
        return _build_tuple(get_args(kind)[0], value, where)
    if origin is dict:
        return _build_dict(get_args(kind)[1], value, where)
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, value, where)
    return _build_scalar(kind, value, where)


def _build_union(options: tuple[Any, ...], value: object, where: str) -> object:
    if value is None and types.NoneType in options:
        return None
    rest = [option for option in options if option is not types.NoneType]
    problem = PlainError(f"{where}: null is not allowed")
    for option in rest:
        try:
            return _build(option, value, where)
        except PlainError as error:
            problem = error
    raise problem


def _build_tuple(item: Any, value: object, where: str) -> object:
    if not isinstance(value, list):
        raise PlainError(f"{where}: must be a list")
    values = typing.cast("list[object]", value)
    return tuple(_build(item, part, f"{where}[{i}]") for i, part in enumerate(values))


def _build_dict(item: Any, value: object, where: str) -> object:
    if not isinstance(value, dict):
        raise PlainError(f"{where}: must be an object")
    values = typing.cast("dict[str, object]", value)
    return {key: _build(item, part, f"{where}.{key}") for key, part in values.items()}


def _build_dataclass(kind: Any, value: object, where: str) -> object:
    if not isinstance(value, dict):
        raise PlainError(f"{where}: must be an object")
    values = typing.cast("dict[str, object]", value)
    hints = _hints(kind)
    built: dict[str, object] = {}
    for field in dataclasses.fields(kind):
        if field.name in values:
            name = f"{where}.{field.name}"
            built[field.name] = _build(hints[field.name], values[field.name], name)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise PlainError(f"{where}.{field.name}: is missing")
    return kind(**built)


def _build_scalar(kind: Any, value: object, where: str) -> object:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, bool):
        raise PlainError(f"{where}: must be a whole number")
    if kind is types.NoneType and value is None:
        return None
    if kind is not types.NoneType and isinstance(value, kind):
        return value
    raise PlainError(f"{where}: must be {_NAMES.get(kind, 'null')}")


_NAMES: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}
