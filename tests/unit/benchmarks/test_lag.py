"""Lags, erasure and percentiles from hand-made timed captions."""

import math

import pytest

from benchmarks.lag import (
    Arrival,
    Playback,
    commit_lags,
    erased_words,
    percentile,
    screen_lags,
    shown_words,
)
from greffier.protocol import Caption, CaptionWord

pytestmark = pytest.mark.unit


def caption(committed: dict[str, int], tail: str = "", *, segment: int = 1) -> Caption:
    """A caption that commits words with their end times."""
    words = tuple(CaptionWord(text, end - 100, end, 0.9) for text, end in committed.items())
    return Caption(
        seq=1,
        segment=segment,
        start_ms=0,
        end_ms=1000,
        committed="".join(committed),
        tail=tail,
        words=words,
    )


def real_time(until_ms: int, *, began_ms: float = 5_000) -> Playback:
    """Chunks of 100 ms, each sent when its end was spoken."""
    playback = Playback()
    for audio_ms in range(100, until_ms + 1, 100):
        playback.sent(audio_ms, at_ms=began_ms + audio_ms)
    return playback


def test_a_word_is_sent_with_the_chunk_that_holds_its_end() -> None:
    playback = real_time(1_000)
    assert playback.sent_at(100) == 5_100
    assert playback.sent_at(101) == 5_200
    assert playback.sent_at(1) == 5_100


def test_a_word_that_ends_after_the_audio_counts_from_the_end() -> None:
    assert real_time(1_000).sent_at(1_700) == 6_000


def test_playback_refuses_disorder_and_nothing() -> None:
    playback = real_time(200)
    with pytest.raises(ValueError, match="in order"):
        playback.sent(200, at_ms=9_999)
    with pytest.raises(ValueError, match="nothing was sent"):
        Playback().sent_at(0)


def test_commit_lag_is_from_the_end_of_the_word_to_its_message() -> None:
    arrivals = [
        Arrival(6_500, caption({" Good": 300, " morning": 800})),
        Arrival(7_000, caption({" all": 900})),
    ]
    assert commit_lags(arrivals, real_time(1_000)) == [1_200, 700, 1_100]


def test_a_tail_that_stays_is_on_screen_for_good_before_its_commit() -> None:
    arrivals = [
        Arrival(5_600, caption({}, " good morning")),
        Arrival(6_000, caption({" Good": 300, " morning,": 500})),
    ]
    # Case and punctuation changed, the words did not.
    assert screen_lags(arrivals, real_time(1_000)) == [300, 100]


def test_a_tail_that_changes_counts_from_its_last_change() -> None:
    arrivals = [
        Arrival(5_600, caption({}, " good mourning")),
        Arrival(5_700, caption({}, " good morning")),
        Arrival(5_800, caption({}, " could morning")),
        Arrival(6_000, caption({" Good": 300, " morning": 500})),
    ]
    assert screen_lags(arrivals, real_time(1_000)) == [700, 200]


def test_segments_do_not_disturb_each_other() -> None:
    arrivals = [
        Arrival(5_600, caption({" one": 300})),
        Arrival(5_900, caption({}, " two", segment=2)),
        Arrival(6_400, caption({" two": 800}, segment=2)),
    ]
    assert screen_lags(arrivals, real_time(1_000)) == [300, 100]


def test_a_word_in_two_parts_ends_with_its_last() -> None:
    arrivals = [Arrival(6_000, caption({" dix": 300, "-huit": 600, " ?": 600}))]
    assert screen_lags(arrivals, real_time(1_000)) == [400]


def test_nothing_is_erased_when_the_record_has_every_word() -> None:
    live = [caption({" one": 100}), caption({" two": 200})]
    assert erased_words(live, [caption({" one": 100, " two": 200, " three": 300})]) == 0


def test_changed_and_missing_words_are_erased() -> None:
    live = [caption({" one": 100, " two": 200}), caption({" three": 300}, segment=2)]
    assert erased_words(live, [caption({" one": 100, " too": 200})]) == 2


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert shown_words(" « Bonjour », l'équipe ? ") == ["bonjour", "léquipe"]


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 2.0), (95, 4.0), (100, 4.0), (0, 1.0), (25, 1.0)]
)
def test_percentiles_are_values_that_occurred(percent: float, expected: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], percent) == expected


def test_there_is_no_percentile_of_nothing() -> None:
    assert math.isnan(percentile([], 50))
