"""Word errors as they are counted for published figures."""

import pytest

from benchmarks.accuracy import WordErrors, count_errors, total

pytestmark = pytest.mark.unit


def test_case_and_punctuation_are_no_errors() -> None:
    assert count_errors("Hello, world!", "hello world", language="en").rate == 0


def test_english_spellings_and_numbers_are_brought_together() -> None:
    assert count_errors("twenty-two colours", "22 colors", language="en").rate == 0


def test_each_kind_of_error_is_counted() -> None:
    errors = count_errors("le chat dort ici", "le chien dort", language="fr")
    assert errors == WordErrors(words=4, substitutions=1, deletions=1)
    assert errors.rate == 0.5


def test_a_lost_text_is_all_deletions() -> None:
    assert count_errors("good morning all", " ", language="en").deletions == 3


def test_words_in_silence_are_insertions() -> None:
    errors = count_errors("", "Merci d'avoir regardé.", language="fr")
    assert errors.words == 0
    assert errors.insertions > 0


def test_every_word_weighs_the_same() -> None:
    parts = [WordErrors(words=90, deletions=9), WordErrors(words=10, insertions=6)]
    assert total(parts).rate == 0.15
