"""Nothing of either reading is lost, and order is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_models.types import Word
from greffier_server.core.events import (
    Event,
    PassageRevised,
    SecondPassFinished,
    SecondPassStarted,
    SegmentClosed,
    SegmentOpened,
    WordsCommitted,
)
from greffier_server.core.revisions import Heard, align, count, differences, revised
from greffier_server.core.state import Segment, fold
from tests.support.sessions import chain

pytestmark = pytest.mark.property

VOCABULARY = st.sampled_from([" a", " b", " c.", " d", " …", " E?"])
SPAN = st.tuples(VOCABULARY, st.integers(0, 2_500), st.integers(0, 600))


@st.composite
def spoken(draw: st.DrawFn, *, max_words: int = 30) -> tuple[Word, ...]:
    """Words one after the other, near and far from each other."""
    words: list[Word] = []
    at = 0
    for text, pause_ms, length_ms in draw(st.lists(SPAN, max_size=max_words)):
        at += pause_ms
        words.append(Word(text, at, at + length_ms, 0.5))
        at += length_ms
    return tuple(words)


@st.composite
def live_segments(draw: st.DrawFn) -> list[Segment]:
    words = draw(spoken())
    segments: list[Segment] = []
    while words:
        size = draw(st.integers(1, 6))
        mine, words = words[:size], words[size:]
        segments.append(
            Segment(
                len(segments) + 1,
                mine[0].start_ms,
                mine[-1].end_ms,
                draw(st.sampled_from(["fr", "en"])),
                words=mine,
                closed=True,
            )
        )
    return segments


@st.composite
def readings(draw: st.DrawFn) -> list[Heard]:
    words = draw(spoken())
    heard: list[Heard] = []
    while words:
        size = draw(st.integers(1, 8))
        heard.append(Heard(draw(st.sampled_from(["fr", "en"])), words[:size]))
        words = words[size:]
    return heard


def words_of(parts: list[Heard] | list[PassageRevised]) -> list[Word]:
    return [word for part in parts for word in part.words]


@given(segments=live_segments(), heard=readings())
def test_every_word_lands_in_exactly_one_revision_in_order(
    segments: list[Segment], heard: list[Heard]
) -> None:
    revisions = align(segments, heard)
    assert words_of(revisions) == words_of(heard)
    numbers = [revision.segment for revision in revisions]
    assert len(numbers) == len(set(numbers))
    assert {segment.id for segment in segments} <= set(numbers)
    assert all(r.words for r in revisions if r.segment > len(segments))
    for revision in revisions:
        assert revision.start_ms <= revision.end_ms


@given(segments=live_segments())
def test_the_same_reading_changes_nothing(segments: list[Segment]) -> None:
    heard = [Heard(segment.language, segment.words) for segment in segments]
    revisions = align(segments, heard)
    wordless = {s.id for s in segments if not any(c.isalnum() for w in s.words for c in w.text)}
    told = {revision.segment for revision in differences(segments, revisions)}
    if not wordless:  # a lone mark has nothing to be known by
        assert told == set()


@given(segments=live_segments(), heard=readings(), data=st.data())
def test_lost_audio_keeps_its_live_words(
    segments: list[Segment], heard: list[Heard], data: st.DataObject
) -> None:
    from_ms = data.draw(st.integers(0, 40_000))
    to_ms = from_ms + data.draw(st.integers(1, 40_000))
    read = [
        Heard(part.language, tuple(w for w in part.words if not from_ms <= w.start_ms < to_ms))
        for part in heard
    ]
    kept = [
        word
        for segment in segments
        for word in segment.words
        if from_ms <= (word.start_ms + word.end_ms) // 2 < to_ms
    ]
    told = words_of(align(segments, read, lost=[(from_ms, to_ms)]))
    assert sorted(map(repr, told)) == sorted(map(repr, [*words_of(read), *kept]))


@given(segments=live_segments(), heard=readings())
def test_the_revised_session_reads_as_the_second_reading(
    segments: list[Segment], heard: list[Heard]
) -> None:
    live: list[Event] = []
    for segment in segments:
        live += [
            SegmentOpened(segment.id, segment.start_ms, segment.language),
            WordsCommitted(segment.id, segment.words),
            SegmentClosed(segment.id, segment.start_ms, segment.end_ms),
        ]
    known = list(fold(chain(*live)).segments.values())
    revisions = align(known, heard)
    total = count(known, revisions)
    state = fold(chain(*live, SecondPassStarted("auto", 5), *differences(known, revisions), total))
    assert isinstance(total, SecondPassFinished)
    shown = revised(state)
    assert {s.id: s.words for s in state.segments.values()} == {s.id: s.words for s in known}
    text = {s.id: s.text for s in shown.segments.values() if s.confirmed}
    expected = {
        r.segment: "".join(word.text for word in r.words).strip() for r in revisions if r.words
    }
    assert text == expected
    doubted = {s.id for s in shown.segments.values() if not s.confirmed}
    assert doubted == {r.segment for r in revisions if not r.words}
