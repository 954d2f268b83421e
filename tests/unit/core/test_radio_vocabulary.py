"""What a session on the radio expects without a glossary."""

import pytest

from greffier.protocol import GlossaryTerm
from greffier_server.core.alphabets import ICAO_LETTERS
from greffier_server.core.hotwords import choose_hotwords
from greffier_server.core.numerals import fold
from greffier_server.core.radio_vocabulary import expected_words, radio_vocabulary
from greffier_server.core.speech import PROFILES

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_letter_that_has_a_word_of_its_own_is_there(language: str) -> None:
    words = {fold(word).replace("-", "") for word in radio_vocabulary([language])}
    letters = {ICAO_LETTERS[word] for word in words if word in ICAO_LETTERS}
    # Mike is a first name, and a microphone: it would be heard where nobody spells.
    assert letters == set("ABCDEFGHIJKLMNOPQRSTUVWXYZ") - {"M"}


def test_only_the_radio_expects_them() -> None:
    assert expected_words(PROFILES["wide"], ["en"]) == ()
    assert expected_words(PROFILES["telephone"], ["en"]) == ()
    assert "Zulu" in expected_words(PROFILES["radio"], ["en"])


def test_each_language_has_its_own_and_none_twice() -> None:
    both = radio_vocabulary(["fr", "en"])
    assert {"Zoulou", "Zulu"} <= set(both)
    assert len({word.casefold() for word in both}) == len(both)
    assert radio_vocabulary(["de"]) == ()


def test_the_glossary_of_a_session_comes_first_and_keeps_its_writing() -> None:
    chosen = choose_hotwords([GlossaryTerm("CODIS"), GlossaryTerm("ZULU")], more=("Zulu", "Bravo"))
    assert chosen == ("CODIS", "ZULU", "Bravo")
