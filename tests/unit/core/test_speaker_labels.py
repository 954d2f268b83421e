import pytest

from greffier_models.types import Word
from greffier_server.core.events import (
    SegmentClosed,
    SegmentOpened,
    SpeakerRevised,
    TailRevised,
    WordsCommitted,
)
from greffier_server.core.speaker_labels import SegmentLabels
from greffier_server.core.speakers import Piece

pytestmark = pytest.mark.unit


def spoken(labels: SegmentLabels, segment: int, from_ms: int, to_ms: int, *, closed: bool) -> None:
    labels.add(SegmentOpened(segment, from_ms, "en"))
    labels.add(WordsCommitted(segment, (Word(" yes", from_ms, to_ms, 0.9),)))
    if closed:
        labels.add(SegmentClosed(segment, from_ms, to_ms))


def test_the_one_who_speaks_most_of_the_words_is_named() -> None:
    labels = SegmentLabels()
    spoken(labels, 1, 0, 2_000, closed=True)
    pieces = [Piece(0, 700, 0, "1"), Piece(700, 2_000, 1, "2"), Piece(2_000, 9_000, 0, "1")]
    assert labels.revisions(pieces) == [SpeakerRevised(1, "2")]


def test_nothing_is_said_twice() -> None:
    labels = SegmentLabels()
    spoken(labels, 1, 0, 2_000, closed=True)
    pieces = [Piece(0, 2_000, 0, "1")]
    for revision in labels.revisions(pieces):
        labels.add(revision)
    assert labels.revisions(pieces, changed_from_ms=0) == []
    labels.add(TailRevised(2, " maybe", 2_000, 3_000))
    assert labels.revisions(pieces, changed_from_ms=0) == []


def test_a_change_of_mind_is_a_revision() -> None:
    labels = SegmentLabels()
    spoken(labels, 1, 0, 2_000, closed=True)
    spoken(labels, 2, 3_000, 5_000, closed=True)
    labels.add(SpeakerRevised(1, "1"))
    labels.add(SpeakerRevised(2, "2"))
    pieces = [Piece(0, 2_000, 0, "1"), Piece(3_000, 5_000, 1, "1")]
    assert labels.revisions(pieces, changed_from_ms=0) == [SpeakerRevised(2, "1")]


def test_an_open_segment_waits_for_more_speech() -> None:
    labels = SegmentLabels()
    spoken(labels, 1, 0, 500, closed=False)
    pieces = [Piece(0, 500, 0, "1")]
    assert labels.revisions(pieces) == []
    labels.add(SegmentClosed(1, 0, 500))
    assert labels.revisions(pieces) == [SpeakerRevised(1, "1")]


def test_speech_without_a_label_changes_nothing() -> None:
    labels = SegmentLabels()
    spoken(labels, 1, 0, 2_000, closed=True)
    labels.add(SpeakerRevised(1, "3"))
    assert labels.revisions([Piece(0, 2_000, 0, None)], changed_from_ms=0) == []


def test_what_is_not_a_segment_is_ignored() -> None:
    labels = SegmentLabels()
    labels.add(WordsCommitted(9, (Word(" yes", 0, 900, 0.9),)))
    labels.add(SegmentClosed(9, 0, 900))
    labels.add(SpeakerRevised(9, "1"))
    assert labels.revisions([Piece(0, 900, 0, "2")], changed_from_ms=0) == []


def test_old_segments_are_forgotten() -> None:
    labels = SegmentLabels()
    spoken(labels, 1, 0, 2_000, closed=True)
    spoken(labels, 2, 7_200_000, 7_202_000, closed=True)
    pieces = [Piece(0, 2_000, 0, "1"), Piece(7_200_000, 7_202_000, 0, "1")]
    assert labels.revisions(pieces, changed_from_ms=0) == [SpeakerRevised(2, "1")]
