"""Where a term may have been said: what is asked about, and what is left alone."""

from collections.abc import Sequence

import pytest

from greffier_models.hotwords.spotting import Spotted, TermIndex
from greffier_models.types import SAID_AS, Word

pytestmark = pytest.mark.unit

DOUBT = 0.5


def words_of(text: str, probability: float = DOUBT) -> list[Word]:
    return [
        Word(f" {word}", place * 300, place * 300 + 250, probability)
        for place, word in enumerate(text.split())
    ]


def best(text: str, terms: Sequence[str], probability: float = DOUBT) -> Spotted | None:
    return next(iter(TermIndex(terms).near(words_of(text, probability))), None)


@pytest.mark.parametrize(
    ("text", "term", "written"),
    [
        ("the town of Sinatra, in which", "Sintra", " Sintra,"),
        ("Sylvers Trie, succès", "Silvestri", " Silvestri,"),
        ("la salle des scarves pour", "salle Descartes", " salle Descartes"),
        ("il vient d’Obena ici", "Aubenas", " d’Aubenas"),
        ("Bien reçu, l'Alixir.", "élixir", " l'élixir."),
    ],
)
def test_a_mishearing_is_found_with_what_stands_around_it(text: str, term: str, written: str):
    spot = best(text, [term, "Kowalski"])
    assert spot is not None
    assert f"{spot.head}{spot.term}{spot.tail}" == written


def test_words_the_recogniser_is_certain_of_are_not_asked_about():
    assert best("the town of Sinatra", ["Sintra"], probability=0.99) is None


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("recorded by Lord Byron himself", ["Lord Byron"]),
        ("à Jerry Goldsmith,", ["Jerry Goldsmith", "Goldberg"]),
        ("at Sherburn's palings", ["Sherburn"]),
    ],
)
def test_a_term_that_is_written_stays(text: str, terms: list[str]):
    assert best(text, terms) is None


def test_a_common_word_keeps_its_ending():
    assert best("le mal ténébreuse", ["ténébreux"]) is None
    assert best("they recite verses", ["reciter"]) is None
    assert best("la ville de Privat", ["Privas"]) is not None, "names have no grammar"


def test_one_term_over_more_or_fewer_words_is_asked_about_both_ways():
    spots = TermIndex(["CODIS"]).near(words_of("Cody ici parlez"))
    assert {(spot.first, spot.count) for spot in spots} >= {(0, 1), (0, 2)}


def test_places_are_limited():
    assert len(TermIndex(["Privas"]).near(words_of("Privat " * 40), limit=5)) == 5


@pytest.mark.parametrize(
    "terms", [[], [""], ["🎉🎉🎉"], ["<|"], ["ab"], ["\x00\x1b[31m"], ["x" * 10_000], ["123 456"]]
)
def test_terms_that_cannot_be_said_are_left_out(terms: list[str]):
    index = TermIndex(terms)
    assert len(index) == 0
    assert index.near(words_of("the town of Sinatra")) == []


def test_no_words_no_places():
    assert TermIndex(["Sintra"]).near([]) == []


def test_capitals_are_the_glossarys_where_it_has_its_own():
    index = TermIndex(["TEMIS", "TeamViewer", "Rose", "main courante"])
    assert index.respelt(" temis,") == " TEMIS,"
    assert index.respelt(" Teamviewer's") == " TeamViewer's"
    assert index.respelt(" rose.") == " rose.", "a flower"
    assert index.respelt(" other") == " other"


def test_a_term_is_found_by_the_way_it_is_said_and_written_as_itself():
    terms = [f"Xhoxhaj{SAID_AS}hodjaï", "Kowalski"]
    assert best("le maire Hodjail répond", ["Xhoxhaj"]) is None
    spot = best("le maire Hodjail répond", terms)
    assert spot is not None
    assert spot.term == "Xhoxhaj"
