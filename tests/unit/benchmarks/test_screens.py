"""Lags, erasure and word matching from hand-made screens."""

import pytest

from benchmarks.lag import Playback
from benchmarks.rivals.screens import (
    Screen,
    TimedWord,
    erased_after,
    final_text,
    shown_since,
    spoken_times,
    word_lags,
)

pytestmark = pytest.mark.unit


def real_time(until_ms: int) -> Playback:
    playback = Playback()
    for audio_ms in range(100, until_ms + 1, 100):
        playback.sent(audio_ms, at_ms=audio_ms)
    return playback


def test_a_word_counts_from_the_first_screen_since_which_it_stands() -> None:
    screens = [
        Screen(1_000, "", "good"),
        Screen(2_000, "", "God mourning"),
        Screen(3_000, "Good", "morning"),
        Screen(4_000, "Good morning.", ""),
    ]
    assert shown_since(screens, marked=False) == [("good", 3_000), ("morning", 3_000)]
    assert shown_since(screens, marked=True) == [("good", 3_000), ("morning", 4_000)]


def test_a_word_inserted_early_does_not_restart_the_words_behind_it() -> None:
    screens = [
        Screen(1_000, "", "nous partons demain"),
        Screen(2_000, "Et nous partons demain", ""),
    ]
    assert [at_ms for _, at_ms in shown_since(screens, marked=False)] == [
        2_000,
        1_000,
        1_000,
        1_000,
    ]


def test_a_tail_that_is_never_marked_has_no_commit_time_but_is_text() -> None:
    screens = [Screen(1_000, "one", "two")]
    assert shown_since(screens, marked=True) == [("one", 1_000), ("two", None)]
    assert final_text(screens) == "one two"


def test_no_screens_give_no_words() -> None:
    assert shown_since([], marked=True) == []
    assert final_text([]) == ""


def test_erasure_counts_words_that_went_away_and_not_their_punctuation() -> None:
    screens = [
        Screen(1, "a b", "c d"),
        Screen(2, "A b,", "c e"),
        Screen(3, "a", "f"),
    ]
    assert erased_after(screens, marked=True) == 1
    assert erased_after(screens, marked=False) == 1 + 3


def test_reference_words_take_the_time_of_the_same_word_heard() -> None:
    heard = [TimedWord(" Le", 200), TimedWord(" vent", 500), TimedWord(" tourne.", 900)]
    assert spoken_times("le temps tourne", heard) == {0: 200, 2: 900}


def test_lags_leave_out_lost_words_and_words_of_unknown_time() -> None:
    since: list[tuple[str, float | None]] = [("one", 1_500), ("three", 2_000), ("four", None)]
    times = {0: 300, 1: 500, 3: 900}
    assert word_lags("one two three four", times, since, real_time(1_000)) == [1_200]
    assert word_lags("one two three four", {2: 700}, since, real_time(1_000)) == [1_300]


def test_long_equal_beginnings_are_matched_whole() -> None:
    words = [f"w{number}" for number in range(500)]
    screens = [Screen(1, " ".join(words), ""), Screen(2, " ".join([*words, "end"]), "")]
    assert erased_after(screens, marked=True) == 0
    since = shown_since(screens, marked=True)
    assert since[499] == ("w499", 1)
    assert since[500] == ("end", 2)
