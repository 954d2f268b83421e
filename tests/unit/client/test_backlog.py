import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier.backlog import AudioBacklog

pytestmark = pytest.mark.unit


def test_reads_from_any_kept_sample() -> None:
    backlog = AudioBacklog(2)
    backlog.append(b"aabb")
    backlog.append(b"ccddee")
    assert backlog.read(0, limit=99) == b"aabbccddee"
    assert backlog.read(1, limit=2) == b"bbcc"
    assert backlog.read(5, limit=2) == b""


def test_acknowledged_audio_is_forgotten_inside_a_piece() -> None:
    backlog = AudioBacklog(2)
    backlog.append(b"aabbcc")
    backlog.acknowledge(2)
    assert (backlog.first_sample, backlog.samples) == (2, 1)
    assert backlog.read(2, limit=9) == b"cc"
    with pytest.raises(ValueError, match="not in the backlog"):
        backlog.read(1, limit=1)


def test_an_old_acknowledgement_changes_nothing_and_a_false_one_is_refused() -> None:
    backlog = AudioBacklog(1)
    backlog.append(b"abc")
    backlog.acknowledge(2)
    backlog.acknowledge(1)
    assert backlog.first_sample == 2
    with pytest.raises(ValueError, match="beyond"):
        backlog.acknowledge(4)


@given(
    st.lists(st.binary(min_size=0, max_size=9), max_size=8),
    st.integers(0, 80),
    st.integers(0, 80),
    st.integers(1, 20),
)
def test_it_is_a_window_on_the_recording(
    pieces: list[bytes], acknowledged: int, start: int, limit: int
) -> None:
    whole = b"".join(pieces)
    backlog = AudioBacklog(1)
    for piece in pieces:
        backlog.append(piece)
    acknowledged = min(acknowledged, len(whole))
    start = min(max(start, acknowledged), len(whole))
    backlog.acknowledge(acknowledged)
    assert backlog.read(start, limit=limit) == whole[start : start + limit]
