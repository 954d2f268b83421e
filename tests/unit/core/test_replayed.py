"""Where two hearings part, and how far their words are apart."""

from dataclasses import replace

import pytest

from greffier_models.types import Word
from greffier_server.core.events import (
    RecognitionBegun,
    Recorded,
    SegmentClosed,
    TextWithheld,
    WordsCommitted,
)
from greffier_server.core.replayed import (
    Doubt,
    changes_between,
    compare_words,
    first_difference,
)
from tests.support.sessions import chain

pytestmark = pytest.mark.unit


def said(text: str, end_ms: int, lag_ms: int = 0) -> WordsCommitted:
    return WordsCommitted(1, (Word(f" {text}", end_ms - 50, end_ms, 0.9),), lag_ms=lag_ms)


def logged(*events: WordsCommitted | SegmentClosed | TextWithheld) -> list[Recorded]:
    """Each rests on audio up to 100, 200, … ms."""
    return chain(*events)


THEN = logged(said("one", 60, 340), said("Two,", 160, 1_240), SegmentClosed(1, 0, 160))


def test_lag_is_no_difference() -> None:
    now = logged(said("one", 60), said("Two,", 160), SegmentClosed(1, 0, 160))
    assert first_difference(THEN, now, channel=0, whole=True) is None


def test_the_first_difference_is_told() -> None:
    now = logged(said("one", 60), said("too", 160), SegmentClosed(1, 0, 170))
    found = first_difference(THEN, now, channel=3, whole=True)
    assert found is not None
    assert (found.channel, found.seq, found.at_ms) == (3, 2, 200)
    assert (found.recorded, found.replayed) == ("WordsCommitted", "WordsCommitted")


def test_the_audio_it_rests_on_counts() -> None:
    now = [*THEN[:2], replace(THEN[2], audio_to_ms=301)]
    assert first_difference(THEN, now, channel=0, whole=True) is not None


@pytest.mark.parametrize("whole", [True, False])
def test_missing_and_further_events(whole: bool) -> None:
    missing = first_difference(THEN, THEN[:2], channel=0, whole=whole)
    assert missing is not None
    assert (missing.seq, missing.recorded, missing.replayed) == (3, "SegmentClosed", "")
    further = first_difference(THEN[:2], THEN, channel=0, whole=whole)
    assert (further is not None) == whole
    if further is not None:
        assert (further.seq, further.recorded, further.replayed) == (0, "", "SegmentClosed")


def test_words_lags_and_doubts() -> None:
    doubt = TextWithheld(300, 400, "no_voice", "x")
    then = {1: [*THEN, *chain(doubt, after=THEN)], 2: logged(said("gone", 90))}
    now = {1: logged(said("one", 60), said("two", 160), said("three", 260))}
    found = compare_words(then, now)
    assert (found.words, found.words_replayed, found.edits) == (3, 3, 2)
    assert [(c.channel, c.at_ms, c.recorded, c.replayed) for c in found.changes] == [
        (1, 210, "", "three"),
        (2, 40, "gone", ""),
    ]
    # 400 ms had arrived when 100 were heard, 1,400 at 200; afterwards as far behind as at 200.
    assert found.lag.p95_ms == 1_240
    assert (found.lag_replayed.p50_ms, found.lag_replayed.p95_ms) == (1_240, 1_240)
    assert found.withheld == (Doubt(1, 300, 400, "no_voice"),)
    assert found.withheld_replayed == ()


def test_nothing_said() -> None:
    found = compare_words({}, {})
    assert (found.words, found.edits, found.lag.p95_ms, found.changes) == (0, 0, 0, ())


def test_settings_are_compared_by_name() -> None:
    then = RecognitionBegun(
        "e/1",
        "m",
        "d",
        "int8",
        "alignatt",
        {"hop_ms": 1_000, "old": 1},
        {"on": 0.3},
        ("fr",),
        0,
        {},
    )
    now = replace(then, engine="e/2", dials={"hop_ms": 1_000}, from_byte=9, versions={"numpy": "2"})
    assert changes_between(then, then) == {}
    assert changes_between(then, now) == {
        "dials.old": ("1", "-"),
        "engine": ("e/1", "e/2"),
        "numpy": ("-", "2"),
    }
