"""Marks that the decoder gives behind a pause open no segment."""

import pytest

from greffier_models.types import Word
from greffier_server.core.events import SegmentClosed, WordsCommitted
from greffier_server.core.segments import Segmenter

pytestmark = pytest.mark.unit


def test_a_full_stop_behind_a_pause_is_no_segment() -> None:
    segmenter = Segmenter()
    segmenter.commit([Word(" Bravo", 0, 400, 0.9)], language="en", lag_ms=0)
    assert [type(event) for event in segmenter.silence(3_000)] == [SegmentClosed]
    assert segmenter.commit([Word(".", 2_900, 3_000, 0.2)], language="en", lag_ms=0) == []
    events = segmenter.commit([Word(" Over", 5_000, 5_400, 0.9)], language="en", lag_ms=0)
    assert [event.words for event in events if isinstance(event, WordsCommitted)] == [
        (Word(" Over", 5_000, 5_400, 0.9),)
    ]


@pytest.mark.parametrize("text", [" «", " (", " ¿Qué", " 4", " …and", " -5"])
def test_what_begins_a_sentence_opens_one(text: str) -> None:
    events = Segmenter().commit([Word(text, 0, 400, 0.9)], language="fr", lag_ms=0)
    assert any(isinstance(event, WordsCommitted) for event in events)
