from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_models.errors import EngineError
from greffier_models.llm.sse import EventParser

pytestmark = pytest.mark.unit

STREAM = (
    ': a comment\n\nevent: x\ndata: {"a": 1}\n\r\ndata:two\ndata: lines é\n\n\ndata: [DONE]\n\n'
).encode()
PAYLOADS = ['{"a": 1}', "two\nlines é", "[DONE]"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_events_do_not_depend_on_how_the_bytes_are_cut(cuts: list[int]):
    edges = [0, *sorted(cuts), len(STREAM)]
    parser = EventParser()
    found = [
        payload for start, end in pairwise(edges) for payload in parser.feed(STREAM[start:end])
    ]
    assert found == PAYLOADS


def test_an_event_that_was_cut_off_is_not_seen():
    assert EventParser().feed(b"data: {}\n") == []


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(EngineError):
        EventParser().feed(b"data: \xff\n\n")


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 1000, b"data: " + b"x" * 1000 + b"\n"])
def test_an_event_without_end_is_refused(piece: bytes):
    parser = EventParser()
    for _ in range(1000):
        parser.feed(piece)
    with pytest.raises(EngineError, match="too large"):
        parser.feed(piece * 100)
