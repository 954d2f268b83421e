"""Good conversations made bad: frames left out, said twice, cut, bent, or replaced by anything."""

import copy
import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, cast

from hypothesis import strategies as st

__all__ = ["VALUES", "Frame", "bent_bytes", "bent_frames", "bent_object"]

Frame: TypeAlias = str | bytes
Step: TypeAlias = str | int

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([-1, 0, 1, 2**31, 2**53, 2**63, 10**40])
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["", "\ud800", "\0", "fr", "auto", "A" * 5_000, "../..", "9" * 400]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
_NESTED = ["[" * 3_000, '{"a":' * 3_000, '{"type":NaN}', '{"type":1,"type":2}', "{", ""]


@st.composite
def bent_object(draw: st.DrawFn, good: dict[str, Any]) -> dict[str, Any]:
    """The object with one value replaced or missing, or with a field more."""
    bent = copy.deepcopy(good)
    path = draw(st.sampled_from([*_paths(bent)]))
    place: Any = bent
    for step in path[:-1]:
        place = place[step]
    match draw(st.integers(0, 3)):
        case 0:
            del place[path[-1]]
        case 1 if isinstance(place, dict):
            cast("dict[str, Any]", place)[draw(st.text(max_size=8))] = draw(VALUES)
        case _:
            place[path[-1]] = draw(VALUES)
    return bent


@st.composite
def bent_bytes(draw: st.DrawFn, good: bytes) -> bytes:
    """The bytes cut somewhere, with a few of them changed, or with others in their middle."""
    bent = bytearray(good)
    match draw(st.integers(0, 2)):
        case 0:
            del bent[draw(st.integers(0, len(bent))) :]
        case 1:
            at = draw(st.integers(0, len(bent)))
            bent[at:at] = draw(st.binary(max_size=40))
        case _:
            for _ in range(draw(st.integers(1, 12))):
                if bent:
                    bent[draw(st.integers(0, len(bent) - 1))] = draw(st.integers(0, 255))
    return bytes(bent)


def bent_frames(good: Sequence[Frame]) -> st.SearchStrategy[list[Frame]]:
    """A conversation that begins as the good one in about half of its frames."""
    parts = [_bent_frame(frame) for frame in good]
    return st.tuples(*parts).map(lambda lists: [frame for each in lists for frame in each])


def _bent_frame(frame: Frame) -> st.SearchStrategy[list[Frame]]:
    kept: st.SearchStrategy[list[Frame]] = st.just([frame])
    others: list[st.SearchStrategy[list[Frame]]] = [
        st.just([]),
        st.just([frame, frame]),
        st.sampled_from(_NESTED).map(_alone),
        st.text(max_size=30).map(_alone),
        st.binary(max_size=300).map(_alone),
        VALUES.map(json.dumps).map(_alone),
    ]
    if isinstance(frame, bytes):
        others += [bent_bytes(frame).map(_alone)] * 3
    elif frame.startswith("{"):
        others += [bent_object(json.loads(frame)).map(json.dumps).map(_alone)] * 4
    return st.one_of(kept, kept, st.one_of(others))


def _alone(frame: Frame) -> list[Frame]:
    return [frame]


def _paths(value: Any, before: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    items: list[tuple[Step, Any]] = []
    if isinstance(value, dict):
        items = [*cast("dict[str, Any]", value).items()]
    elif isinstance(value, list):
        items = [*enumerate(cast("list[Any]", value))]
    for step, inner in items:
        yield (*before, step)
        yield from _paths(inner, (*before, step))
