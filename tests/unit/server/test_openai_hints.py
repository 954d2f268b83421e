"""What a client says of its speech beforehand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greffier_server.transport.openai.errors import ParameterRefused
from greffier_server.transport.openai.hints import language_of, terms_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("value", "code"),
    [("", "auto"), ("auto", "auto"), ("fr", "fr"), ("FR-fr", "fr"), ("french", "fr"), ("zh", "zh")],
)
def test_languages(value: str, code: str) -> None:
    assert language_of(value) == code


def test_an_unknown_language_names_its_field() -> None:
    with pytest.raises(ParameterRefused) as refused:
        language_of("klingon", param="session.language")
    assert refused.value.param == "session.language"
    assert "klingon" not in refused.value.message


@pytest.mark.parametrize(
    ("prompt", "terms"),
    [
        ("", []),
        ("DGFiP, Mme Lemaître\nCOS", ["DGFiP", "Mme Lemaître", "COS"]),
        ("Expect words related to technology, such as Kubernetes", ["such as Kubernetes"]),
        (
            "The meeting is about the budget of the DGFiP and about Paul Durand in Lyon",
            ["DGFiP", "Paul Durand", "Lyon"],
        ),
        ("dgfip, DGFiP", ["dgfip"]),
        ("1234, …, ---", []),
        ("a\x00b, \ud800c", []),
    ],
)
def test_terms_of_a_prompt(prompt: str, terms: list[str]) -> None:
    assert [entry.term for entry in terms_of(prompt)] == terms


def test_keywords_come_first_and_are_taken_as_they_are() -> None:
    keywords = ["poste de commandement avancé numéro deux", "x" * 81]
    terms = [entry.term for entry in terms_of("COS", keywords)]
    assert terms == [keywords[0], "COS"]


@given(st.text(max_size=2_000))
def test_every_prompt_gives_terms_that_a_glossary_takes(prompt: str) -> None:
    terms = terms_of(prompt)
    assert len(terms) <= 500
    for entry in terms:
        assert entry.term.strip() == entry.term
        assert 0 < len(entry.term) <= 80
        entry.term.encode()
