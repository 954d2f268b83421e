"""Where a text differs from its reference."""

import pytest

from benchmarks.differences import differences

pytestmark = pytest.mark.unit


def test_each_place_is_told_with_what_stands_there() -> None:
    said = "Zulu Control, this is Bravo Two, send, over."
    written = "Duly controlled, this is Bravo 2, uh, send."
    assert differences(said, written, language="en") == [
        "zulu control -> duly controlled",
        "over -> -",
    ]


def test_equal_texts_have_none() -> None:
    assert differences("Bonjour à tous.", "bonjour à tous", language="fr") == []


def test_a_text_that_is_missing_is_one_difference() -> None:
    assert differences("bonjour à tous", "", language="fr") == ["bonjour à tous -> -"]
    assert differences("", "merci", language="fr") == ["- -> merci"]
    assert differences("", "", language="fr") == []
