"""Words left out, and words only written otherwise."""

import pytest

from benchmarks.lost_words import lost_words

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("Prochaine réunion à quatorze heures.", "Prochaine réunion à 14h."),
        ("dépensé soixante-trois mille euros", "dépensé 63 000 €"),
        ("installé à Rennes depuis lundi", "installé à hennepilandie"),
        ("un compte rendu par courriel", "un compte-rendu par courriel"),
        ("le chat dort", "le chien dort"),
        ("deux semaines d'essais", "deux semaines décès"),
        ("dix pour cent des agents", "10 % des agents"),
    ],
)
def test_what_is_written_otherwise_is_not_lost(said: str, written: str) -> None:
    assert lost_words(said, written, language="fr") == 0


@pytest.mark.parametrize(
    ("said", "written", "lost"),
    [
        ("je réserve la salle Descartes", "je réserve Descartes", 2),
        ("nous avons la salle", "nous avons salle", 1),
        ("nous décidons de repousser la mise en service", "nous décidons de service", 4),
        ("le quinze janvier", "janvier", 2),
        ("attendre la réunion budgétaire", "", 4),
        ("merci bonne journée à tous", "bonjour", 3),
    ],
)
def test_what_is_left_out_is_lost(said: str, written: str, lost: int) -> None:
    assert lost_words(said, written, language="fr") == lost


def test_english_numbers_are_one_writing_too() -> None:
    said = "grid four five two nine, time on site fifteen thirty"
    assert lost_words(said, "grid 4529, time on site 1530", language="en") == 0
    assert lost_words(said, "grid 4529, time on 1530", language="en") == 1


def test_two_languages_are_one_writing_each() -> None:
    said = "From the ninth to the tenth. Vingt-deux mille euros."
    assert lost_words(said, "From the 9th to the 10th. 22 000 euros.", language="auto") == 0
    assert lost_words(said, "From the 9th to the 10th. Euros.", language="auto") == 1


def test_invented_words_make_up_for_no_lost_ones() -> None:
    said = "the road to the east is not passable"
    assert lost_words(said, "uh the road is not passable at all today", language="en") == 3


def test_nothing_said_is_nothing_lost() -> None:
    assert lost_words("", "Merci d'avoir regardé.", language="fr") == 0


def test_a_long_stretch_without_a_word_in_common_takes_no_age() -> None:
    said = " ".join(["bonjour"] * 60)
    assert lost_words(said, "zzz " * 30, language="fr") == 30
