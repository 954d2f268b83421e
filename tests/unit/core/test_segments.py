"""Committed words to segments."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_models.encoded import spoken
from greffier_models.types import Word
from greffier_server.core.events import (
    Event,
    SegmentClosed,
    SegmentOpened,
    TailRevised,
    WordsCommitted,
)
from greffier_server.core.segments import Segmenter

pytestmark = pytest.mark.unit


def _closed(events: list[Event]) -> list[tuple[int, int, int]]:
    return [(e.segment, e.start_ms, e.end_ms) for e in events if isinstance(e, SegmentClosed)]


def _commit(segmenter: Segmenter, words: tuple[Word, ...], language: str = "fr") -> list[Event]:
    return segmenter.commit(words, language=language, lag_ms=10)


def test_a_sentence_is_a_segment() -> None:
    words = spoken("Le budget est enfin voté. La séance")
    assert _commit(Segmenter(), words) == [
        SegmentOpened(1, 0, "fr"),
        WordsCommitted(1, words[:5], lag_ms=10),
        SegmentClosed(1, 0, words[4].end_ms),
        SegmentOpened(2, words[5].start_ms, "fr"),
        WordsCommitted(2, words[5:], lag_ms=10),
    ]


def test_a_short_sentence_waits_for_the_next_unless_speech_pauses() -> None:
    segmenter = Segmenter()
    assert _closed(_commit(segmenter, spoken("Oui."))) == []
    assert _closed(_commit(segmenter, spoken("Nous votons ce soir.", start_ms=300))) == [
        (1, 0, 1_440)
    ]
    assert _closed(_commit(segmenter, spoken("Non.", start_ms=2_000))) == []
    assert segmenter.silence(2_300) == [SegmentClosed(2, 2_000, 2_240)]
    assert segmenter.silence(9_000) == []


def test_a_pause_alone_ends_what_is_no_sentence_only_when_it_is_long() -> None:
    segmenter = Segmenter()
    _commit(segmenter, spoken("le budget de"))
    assert segmenter.silence(840 + 1_499) == []
    assert segmenter.silence(840 + 1_500) == [SegmentClosed(1, 0, 840)]


def test_a_silence_between_two_words_ends_a_segment_too() -> None:
    segmenter = Segmenter()
    _commit(segmenter, spoken("le budget"))
    events = _commit(segmenter, spoken("la suite", start_ms=540 + 1_501))
    assert events[0] == SegmentClosed(1, 0, 540)
    assert isinstance(events[1], SegmentOpened)


def test_another_language_is_another_segment() -> None:
    segmenter = Segmenter()
    _commit(segmenter, spoken("nous disons"))
    events = _commit(segmenter, spoken("we say", start_ms=600), "en")
    assert events[:2] == [SegmentClosed(1, 0, 540), SegmentOpened(2, 600, "en")]


def test_long_speech_is_cut_at_a_clause_or_at_last_anywhere() -> None:
    with_comma = " ".join(["mot"] * 44 + ["mot,"] + ["mot"] * 60)
    closed = _closed(_commit(Segmenter(), spoken(with_comma)))
    assert closed[0] == (1, 0, 44 * 300 + 240)
    closed = _closed(_commit(Segmenter(), spoken(" ".join(["mot"] * 100))))
    assert closed[0] == (1, 0, 66 * 300 + 240)


def test_finish_closes_what_is_open_once() -> None:
    segmenter = Segmenter()
    assert segmenter.finish() == []
    _commit(segmenter, spoken("le"))
    assert segmenter.finish() == [SegmentClosed(1, 0, 240)]
    assert segmenter.finish() == []


def test_an_open_segment_goes_on_after_a_restart() -> None:
    words = spoken("Le budget est voté ce soir.")
    segmenter = Segmenter(next_segment=7, open_segment=words[:3], language="fr")
    assert _commit(segmenter, words[3:]) == [
        WordsCommitted(7, words[3:], lag_ms=10),
        SegmentClosed(7, 0, words[-1].end_ms),
    ]


def test_tails_belong_to_the_open_or_the_next_segment() -> None:
    segmenter = Segmenter()
    words = spoken("le budget", start_ms=100)
    (tail,) = segmenter.tail(words, language="fr", lag_ms=3)
    assert tail == TailRevised(1, " le budget", 100, 640, language="fr", lag_ms=3)
    _commit(segmenter, spoken("Le budget est voté."))
    assert segmenter.tail((), language="fr", lag_ms=0) == []  # its end has erased it
    (tail,) = segmenter.tail(words, language="fr", lag_ms=3)
    assert isinstance(tail, TailRevised)
    assert tail.segment == 2
    (erased,) = segmenter.tail((), language="fr", lag_ms=0)
    assert isinstance(erased, TailRevised)
    assert (erased.segment, erased.tail) == (2, "")


@given(
    texts=st.lists(st.sampled_from([" a", " b,", " c.", " M.", " 3,", " d ?", "e", " …"])),
    cuts=st.sets(st.integers(0, 60)),
    gaps=st.lists(st.integers(0, 2_500), min_size=60, max_size=60),
)
def test_no_word_is_lost_whatever_the_batches(
    texts: list[str], cuts: set[int], gaps: list[int]
) -> None:
    words: list[Word] = []
    at = 0
    for text, gap in zip(texts, gaps, strict=False):
        words.append(Word(text, at + gap, at + gap + 300, 1.0))
        at += gap + 300
    whole, parts = Segmenter(), Segmenter()
    one = [*_commit(whole, tuple(words)), *whole.finish()]
    edges = sorted({0, *(cut for cut in cuts if cut < len(words)), len(words)})
    many: list[Event] = []
    for begin, end in itertools.pairwise(edges):
        many += _commit(parts, tuple(words[begin:end]))
    many += parts.finish()
    committed = [w for event in many if isinstance(event, WordsCommitted) for w in event.words]
    # A full stop alone, after a pause has closed its segment, opens none.
    assert [w for w in committed if w.text != " …"] == [w for w in words if w.text != " …"]
    assert _closed(many) == _closed(one)
    assert [segment for segment, _, _ in _closed(many)] == list(range(1, len(_closed(many)) + 1))
