import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_server.core.alphabets import ICAO_LETTERS
from greffier_server.core.invariants import check, compare
from greffier_server.core.radio_forms import find_codes
from greffier_server.core.translation import TranslationTask, clean, defect, mismatches

pytestmark = pytest.mark.property

TEXTS = st.text(max_size=60) | st.text(
    alphabet=st.sampled_from("abce éàn'’-.,:;0123456789 \n\u202f«»?"), max_size=60
)
FRENCH = ["zéro", "unité", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"]
LANGUAGES = st.sampled_from(["fr", "en", "de", "ja", "xx"])


@given(TEXTS, LANGUAGES)
def test_a_text_agrees_with_itself(text: str, language: str):
    assert check(text, text, language, language) == []


@given(TEXTS)
def test_cleaning_gives_one_line_of_what_was_there(text: str):
    cleaned = clean(text)
    assert "\n" not in cleaned
    assert set(cleaned) <= set(text) | {" "}


@given(TEXTS, TEXTS, LANGUAGES, LANGUAGES)
def test_any_answer_is_judged(source: str, answer: str, one: str, other: str):
    task = TranslationTask(source, one, other)
    assert defect(task, clean(answer)) in (
        None,
        "empty",
        "untranslated",
        "wrong script",
        "runaway",
        "not a translation",
    )
    assert isinstance(mismatches(task, answer), list)


@given(st.integers(2, 999_999_999))
def test_grouped_digits_are_the_same_number_in_both_languages(number: int):
    english = f"We have {number:,} euros."
    french = f"Nous avons {number:,} euros.".replace(",", "\u202f")
    assert check(english, french, "en", "fr") == []
    wrong = f"Nous avons {number + 1} euros."
    assert "number" in [mismatch.kind for mismatch in check(english, wrong, "en", "fr")]


@given(
    st.lists(st.sampled_from("ABCDEGKLMOPQRSTVWXYZ"), min_size=2, max_size=4),
    st.lists(st.integers(0, 9), min_size=2, max_size=6),
)
def test_spelled_codes_are_the_written_ones(letters: list[str], digits: list[int]):
    words = {word[0].upper(): word.title() for word in sorted(ICAO_LETTERS, reverse=True)}
    spoken = " ".join([words[letter] for letter in letters] + [FRENCH[digit] for digit in digits])
    code = "".join(letters) + "".join(map(str, digits))
    assert [found.value for found in find_codes(f"Ici {spoken}.", "fr")] == [code]
    assert compare(f"Ici {spoken}.", f"This is {code}.", ("fr", "en")) == ()
    other = code[:-1] + str((digits[-1] + 1) % 10)
    assert compare(f"Ici {spoken}.", f"This is {other}.", ("fr", "en")) != ()


@given(TEXTS, TEXTS, LANGUAGES, LANGUAGES)
def test_mismatches_quote_the_texts_they_are_about(one: str, other: str, here: str, there: str):
    for mismatch in compare(one, other, (here, there)):
        assert mismatch.source in one or mismatch.kind == "negation"
        assert mismatch.target in other or mismatch.kind == "negation"
