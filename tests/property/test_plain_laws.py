"""What is read from JSON is the same the fast way and the slow way, which knows what is wrong."""

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier import plain
from greffier.plain import PlainError, from_plain, to_plain
from greffier_server.core.events import Event
from tests.support.event_values import events

pytestmark = pytest.mark.property

_slow = cast("Any", plain)._build
_fast = cast("Any", plain)._maker


def _written(event: Event) -> Any:
    return json.loads(json.dumps(to_plain(event)))


@given(events())
def test_both_ways_read_the_same(event: Event) -> None:
    kind, written = type(event), _written(event)
    assert _fast(kind)(written) == event
    assert _slow(kind, written, "") == event


_ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just([]), st.just({})
)


@given(events(), st.data())
def test_both_ways_refuse_the_same(event: Event, data: st.DataObject) -> None:
    kind, written = type(event), _written(event)
    name = data.draw(st.sampled_from([*written, "unknown"])) if written else "unknown"
    written[name] = data.draw(_ODD)
    try:
        wanted = _slow(kind, written, kind.__name__)
    except PlainError as refused:
        with pytest.raises(PlainError) as found:
            from_plain(kind, written)
        assert str(found.value) == str(refused)  # noqa: PT017 - the two are compared
    else:
        assert repr(from_plain(kind, written)) == repr(wanted)  # NaN is not equal to itself
