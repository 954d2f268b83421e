"""Foldings bring a name and its mishearing together, and keep other words apart."""

import pytest

from greffier_models.hotwords.sounds import Sounds, fold, likeness, likenesses, plausible_pairs

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Mashhad", "machade"),
        ("Silvestri", "Sylvers Trie"),
        ("Sintra", "Sinatra"),
        ("Dupont", "du pont"),
        ("TEMIS", "Timmy's"),
        ("Éponine", "eponine"),
        ("Merneptah", "Merneptha"),
    ],
)
def test_what_sounds_alike_is_alike(one: str, other: str):
    assert likeness(fold(one), fold(other)) > 0.8


@pytest.mark.parametrize(
    ("one", "other"), [("Privas", "maison"), ("Sintra", "boat"), ("Le Goff", "the river")]
)
def test_what_does_not_is_not(one: str, other: str):
    assert likeness(fold(one), fold(other)) < 0.5


def test_it_is_the_same_both_ways_and_at_most_one():
    words = [fold(word) for word in ("Descartes", "des scarves", "a", "Zürich", "Київ", "")]
    for one in words:
        for other in words:
            assert 0 <= likeness(one, other) <= 1
            assert likeness(one, other) == pytest.approx(likeness(other, one), abs=1e-5)


def test_nothing_pronounced_is_like_nothing():
    assert fold("🎉 !!! 42") == ""
    assert likeness("", fold("Privas")) == 0
    assert likeness("", "") == 0


def test_letters_of_other_scripts_stand_for_themselves():
    assert likeness(fold("Київ"), fold("київ")) == 1
    assert likeness(fold("Київ"), fold("Одеса")) < 0.5


def test_many_pairs_at_once_are_what_each_is_alone():
    ones = [fold(word) for word in ("Cody", "Privat", "x", "Nusat Alzaman")]
    twos = [fold(word) for word in ("CODIS", "Privas", "Nuzhat al Zaman", "Nuzhat al Zaman")]
    together = likenesses(Sounds.of(ones), Sounds.of(twos))
    alone = [likeness(one, two) for one, two in zip(ones, twos, strict=True)]
    assert together == pytest.approx(alone, abs=1e-6)


def test_the_quick_look_rules_out_the_unlike_and_keeps_the_alike():
    heard = Sounds.of([fold("machade"), fold("extraordinaire")])
    terms = Sounds.of([fold("Mashhad")])
    assert plausible_pairs(heard, terms, 0.62).tolist() == [[0, 0]]
