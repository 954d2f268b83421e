import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_server.core.invariants import check
from greffier_server.core.translation import TranslationTask, clean, defect, mismatches

pytestmark = pytest.mark.property

TEXTS = st.text(max_size=60) | st.text(
    alphabet=st.sampled_from("abce éàn'’-.,:;0123456789 \n\u202f«»?"), max_size=60
)
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
