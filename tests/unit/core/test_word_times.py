"""Words clipped to speech, loops left out."""

import pytest

from greffier_models.types import Word
from greffier_server.core.speech import SpeechTracker
from greffier_server.core.word_times import fold_word, mend, same_word, without_loops

pytestmark = pytest.mark.unit


def _tracker(*stretches: tuple[bool, int]) -> SpeechTracker:
    tracker = SpeechTracker(32)
    for speech, frames in stretches:
        tracker.push([float(speech)] * frames)
    return tracker


def test_a_last_word_ends_with_the_speech() -> None:
    tracker = _tracker((True, 30), (False, 30))
    (word,) = mend([Word(" oui", 500, 1_800, 0.9)], tracker, after_ms=0, to_ms=1_920).kept
    assert (word.start_ms, word.end_ms) == (500, 960)


def test_no_word_begins_before_what_is_committed_or_ends_behind_the_window() -> None:
    tracker = _tracker((True, 60))
    words = [Word(" a", -200, 100, 0.9), Word(" b", 100, 5_000, 0.9)]
    first, second = mend(words, tracker, after_ms=300, to_ms=1_900).kept
    assert (first.start_ms, first.end_ms) == (300, 300)
    assert (second.start_ms, second.end_ms) == (300, 1_900)


def test_instant_words_behind_the_speech_are_a_loop() -> None:
    tracker = _tracker((True, 30), (False, 30))
    words = [Word(" oui", 500, 900, 0.9), Word(" oui", 1_500, 1_520, 0.9)]
    assert len(mend(words, tracker, after_ms=0, to_ms=1_920).kept) == 1


def test_a_doubtful_word_drawn_over_seconds_is_shortened() -> None:
    tracker = _tracker((True, 10), (False, 60), (True, 60))
    words = [Word(" euh", 400, 4_000, 0.3)]
    (word,) = mend(words, tracker, after_ms=0, to_ms=4_160).kept
    assert (word.start_ms, word.end_ms) == (2_240, 3_240)


@pytest.mark.parametrize(("count", "kept"), [(2, 4), (3, 2), (9, 2)])
def test_three_words_without_time_are_a_loop(count: int, kept: int) -> None:
    instant = [Word(" la", 400, 410, 0.9)] * count
    words = [Word(" a", 0, 400, 0.9), *instant, Word(" b", 410, 800, 0.9)]
    assert len(without_loops(words)[0]) == kept
    assert len(without_loops(words[:-1])[0]) == kept - 1


def test_case_and_marks_do_not_tell_words_apart() -> None:
    word = Word(" Oui,", 100, 300, 0.9)
    assert same_word(word, Word(" oui", 700, 900, 0.2))
    assert not same_word(word, Word(" oui", 800, 900, 0.2))
    assert not same_word(word, Word(" ouï", 100, 300, 0.9))
    assert fold_word(" «Non!» ") == "non"


def test_a_loop_is_told_of() -> None:
    instant = [Word(" la", 400, 410, 0.9)] * 3
    tracker = _tracker((True, 60))
    mended = mend([*instant, Word(" b", 410, 800, 0.9)], tracker, after_ms=0, to_ms=1_920)
    assert (len(mended.kept), mended.looped) == (1, tuple(instant))


def test_the_last_word_of_a_loop_is_not_said_twice() -> None:
    said = [Word(" send", 0, 300, 0.9), Word(" over.", 300, 700, 0.9)]
    instant = [Word(f" {text}", 700, 700, 0.9) for text in ("Bravo", "two,", "send")]
    kept, looped = without_loops([*said, *instant, Word(" over.", 700, 1_100, 0.9)])
    assert kept == said
    assert len(looped) == 4


def test_other_words_behind_a_loop_are_kept() -> None:
    said = [Word(" send", 0, 300, 0.9), Word(" over.", 300, 700, 0.9)]
    instant = [Word(f" {text}", 700, 700, 0.9) for text in ("Bravo", "two,", "send")]
    kept, looped = without_loops([*said, *instant, Word(" out.", 700, 1_100, 0.9)])
    assert [word.text for word in kept] == [" send", " over.", " out."]
    assert looped == instant


def test_words_behind_the_last_voice_are_not_kept() -> None:
    tracker = _tracker((True, 30), (False, 30))
    words = [Word(" oui", 500, 940, 0.9), Word(" Bravo", 1_200, 1_800, 0.9)]
    mended = mend(words, tracker, after_ms=0, to_ms=1_920)
    assert [word.text for word in mended.kept] == [" oui"]
    assert [word.text for word in mended.voiceless] == [" Bravo"]


def test_a_start_is_not_drawn_back_over_silence() -> None:
    tracker = _tracker((True, 10), (False, 30), (True, 20))
    (word,) = mend([Word(" deuxième", 300, 1_800, 0.95)], tracker, after_ms=300, to_ms=1_920).kept
    assert (word.start_ms, word.end_ms) == (1_280, 1_800)


def test_a_short_stop_inside_a_word_is_no_silence() -> None:
    tracker = _tracker((True, 20), (False, 8), (True, 20))
    (word,) = mend([Word(" attaque", 300, 1_400, 0.95)], tracker, after_ms=0, to_ms=1_536).kept
    assert word.start_ms == 300
