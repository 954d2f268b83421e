"""Which language is spoken, on how much evidence."""

import pytest

from greffier_server.core.language_choice import LanguageChoice

pytestmark = pytest.mark.unit


def test_a_given_language_is_never_asked_about() -> None:
    choice = LanguageChoice("fr")
    choice.new_utterance()
    assert not choice.following
    assert choice.current == "fr"
    assert not choice.wants_evidence(60_000, final=True)


def test_a_second_is_needed_unless_it_is_all_there_is() -> None:
    choice = LanguageChoice(None)
    assert not choice.wants_evidence(999, final=False)
    assert choice.wants_evidence(1_000, final=False)
    assert choice.wants_evidence(10, final=True)


def test_the_first_language_is_taken_when_it_is_sure() -> None:
    choice = LanguageChoice(None)
    assert choice.weigh({"fr": 0.95, "en": 0.05}, 1_000, final=False) == "switch"
    assert choice.current == "fr"
    assert not choice.wants_evidence(3_999, final=False)
    assert choice.wants_evidence(4_000, final=False)


def test_doubt_waits_for_three_seconds() -> None:
    choice = LanguageChoice(None)
    doubt = {"fr": 0.5, "en": 0.4, "de": 0.1}
    assert choice.weigh(doubt, 1_000, final=False) == "wait"
    assert choice.weigh(doubt, 2_999, final=False) == "wait"
    assert choice.current is None
    assert choice.weigh(doubt, 3_000, final=False) == "switch"
    assert choice.current == "fr"


def test_the_end_of_speech_decides() -> None:
    choice = LanguageChoice(None)
    assert choice.weigh({"en": 0.4, "fr": 0.35}, 500, final=True) == "switch"
    choice.new_utterance()
    assert choice.weigh({"fr": 0.8, "en": 0.2}, 500, final=True) == "keep"
    assert choice.current == "en"


def test_a_language_nobody_expects_needs_far_more() -> None:
    choice = LanguageChoice(None, ["fr", "en"])
    assert choice.candidates == ("en", "fr")
    assert choice.weigh({"gl": 0.8, "fr": 0.2}, 3_000, final=False) == "switch"
    assert choice.current == "fr"
    choice.new_utterance()
    assert choice.weigh({"gl": 0.99, "fr": 0.01}, 3_000, final=False) == "switch"
    assert choice.current == "gl"
    assert choice.candidates == ("en", "fr", "gl")


def test_the_second_look_needs_certainty_and_is_the_last() -> None:
    choice = LanguageChoice(None)
    choice.weigh({"fr": 0.95, "en": 0.05}, 1_500, final=False)
    assert choice.weigh({"en": 0.8, "fr": 0.2}, 4_000, final=False) == "keep"
    assert choice.current == "fr"
    assert not choice.wants_evidence(9_000, final=False)
    choice.new_utterance()
    choice.weigh({"fr": 0.95, "en": 0.05}, 1_500, final=False)
    assert choice.weigh({"en": 0.99, "fr": 0.01}, 4_000, final=False) == "switch"
    assert choice.current == "en"


def test_scores_of_nothing() -> None:
    choice = LanguageChoice(None)
    assert choice.weigh({"fr": 0.0, "en": 0.0}, 5_000, final=True) == "switch"
