import pytest

from greffier_server.core.invariants import compare
from greffier_server.core.proper_names import find_names, swapped_names

pytestmark = pytest.mark.unit


def test_names_are_capitals_in_mid_sentence_abbreviations_and_first_names():
    text = "Claire et le CODIS partent de Privas lundi. Ensuite, Monsieur Durand parle anglais."
    assert [name.text for name in find_names(text, "fr")] == ["Claire", "CODIS", "Privas", "Durand"]
    assert [name.text for name in find_names("Ménard répond.", "fr")] == []
    assert [name.text for name in find_names("Ménard répond.", "fr", ["Ménard"])] == ["Ménard"]


@pytest.mark.parametrize(
    ("french", "english"),
    [
        ("Je pars à Londres avec Élodie.", "I leave for London with Elodie."),
        ("La Direction du Budget et l'OTAN.", "The Budget Directorate and NATO."),
        ("Le Préfet parle anglais et français.", "The Prefect speaks English and French."),
        ("Alexandre viendra avec Nicolas.", "Alexander will come with Nicolas."),
        ("Oui, je viens.", "Yes, I am coming."),
    ],
)
def test_names_may_be_written_as_the_other_language_does(french: str, english: str):
    assert compare(french, english, ("fr", "en")) == ()


def test_a_swapped_dropped_or_added_person_is_found():
    languages = ("fr", "en")
    assert swapped_names("Claire part.", "Emma leaves.", languages) == [("Claire", "Emma")]
    assert swapped_names("J'appelle Claire.", "I call her.", languages) == [("Claire", "")]
    assert swapped_names("Je l'appelle.", "I call Claire.", languages) == [("", "Claire")]
    found = compare("À Privas demain.", "To Aubenas tomorrow.", languages)
    assert [(m.kind, m.source, m.target) for m in found] == [("name", "Privas", "Aubenas")]


def test_names_the_caller_knows_are_held_to():
    found = compare("Menard signe.", "He signs.", ("fr", "en"), names=["Paul Ménard"])
    assert [(m.kind, m.expected) for m in found] == [("name", "Menard")]
