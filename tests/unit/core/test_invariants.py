import pytest

from greffier_server.core.invariants import check, compare, facts, missing_facts

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("french", "english"),
    [
        ("Notre part est de dix-huit mille euros.", "Our share is 18,000 euros."),
        ("Le lundi neuf mars est difficile.", "Monday the ninth of March is difficult."),
        ("Réunion le cinq janvier à quatorze heures.", "Meeting on 5 January at 2 p.m."),
        ("Nous partons à midi.", "We leave at noon."),
        ("Un hélicoptère ne peut pas atterrir ici.", "A helicopter cannot land here."),
        ("La première année est passée.", "The first year is over."),
        ("C'est impossible avant vendredi.", "It is not possible before Friday."),
        ("Il manque huit mille euros.", "Eight thousand euros are missing."),
        ("Alpha 12, gardez 2500 pieds.", "Alpha one two, keep two thousand five hundred feet."),
        ("F-GKXS, piste 26.", "FGKXS, runway two six."),
        ("Il n'y a que des numéros.", "There are only numbers."),
        ("Attendez une seconde.", "Wait a second."),
        ("Du matériel neuf.", "New equipment."),
        ("Je peux venir le premier mai.", "I may come on 1 May."),
        ("En deux mille vingt-six.", "In twenty twenty-six."),
        ("Merci à tous.", "Thank you all."),
        ("N'est-ce pas ?", "Isn't it?"),
        ("Vingt pour cent des agents.", "Twenty percent of the agents."),
    ],
)
def test_good_translations_pass_both_ways(french: str, english: str):
    assert check(french, english, "fr", "en") == []
    assert check(english, french, "en", "fr") == []


@pytest.mark.parametrize(
    ("source", "target", "kind", "expected", "invented"),
    [
        ("Il manque huit mille euros.", "80,000 euros are missing.", "number", "8000", False),
        ("Il manque huit mille euros.", "Eight thousand are missing.", "unit", "EUR", False),
        ("Avant le premier mars.", "Before March.", "number", "1", False),
        ("Le douze mars.", "On 12 May.", "month", "3", False),
        ("Le mardi.", "On Thursday.", "weekday", "4", True),
        ("Le radar ne marche pas.", "The radar works.", "negation", "yes", False),
        ("Le radar marche.", "The radar does not work.", "negation", "no", True),
        ("Alpha 12, répondez.", "12, answer.", "call sign", "A12", False),
        ("BAW117, descendez.", "Speedbird, descend.", "call sign", "BAW117", False),
        ("Nous partons.", "We leave at 7.", "number", "7", True),
    ],
)
def test_what_is_lost_or_invented_is_named(
    source: str, target: str, kind: str, expected: str, invented: bool
):
    found = check(source, target, "fr", "en")
    assert (kind, expected, invented) in [(m.kind, m.expected, m.invented) for m in found]


def test_spelled_numbers_are_not_asked_of_languages_that_cannot_be_read():
    assert check("Nous avons douze canaux.", "Wir haben zwölf Kanäle.", "fr", "de") == []
    assert check("Nous avons 12 canaux.", "Wir haben 13 Kanäle.", "fr", "de") != []
    assert check("Nous ne venons pas.", "Wir kommen.", "fr", "de")[0].kind == "negation"


def test_may_and_march_are_months_only_where_they_can_be():
    assert facts("You may march on.", "en").months == frozenset()
    assert facts("In May and on 3 March", "en").months == {5, 3}


def test_a_claim_may_say_less_than_its_evidence_but_nothing_else():
    evidence = facts("Le budget est de 85 000 euros, livraison le douze décembre.", "fr")
    assert missing_facts(facts("The budget is 85,000 euros.", "en"), evidence) == []
    assert missing_facts(facts("Delivery on 12 December.", "en"), evidence) == []
    assert [m.kind for m in missing_facts(facts("86,000 euros on 12 May", "en"), evidence)] == [
        "number",
        "month",
    ]


def test_a_mismatch_shows_the_wording_on_both_sides():
    found = compare("Il manque huit mille euros lundi.", "80,000 euros are missing.", ("fr", "en"))
    shown = {(m.kind, m.expected): (m.source, m.target) for m in found}
    assert shown["number", "8000"] == ("huit mille", "")
    assert shown["number", "80000"] == ("", "80,000")
    assert shown["weekday", "1"] == ("lundi", "")


@pytest.mark.parametrize(
    ("french", "english", "sound"),
    [
        ("Un budget de 18 k€.", "A budget of €18,000.", True),
        ("Un coût de 2,5 M€.", "A cost of €2.5m.", True),
        ("Un coût de 2,5 M€.", "A cost of €2.5bn.", False),
        ("À trois heures et demie.", "At 3:30.", True),
        ("À dix-huit heures dix.", "At 6:10 p.m.", True),
        ("Pendant deux semaines.", "For two weeks.", True),
        ("Pendant deux semaines.", "For two months.", False),
        ("À dix heures.", "At ten.", True),
        ("Trois kilomètres.", "Three miles.", False),
        ("Personne n'est venu.", "Everybody came.", False),
        ("Oui. Ce n'est pas prêt.", "Yes. It is ready.", False),
        ("Les trois premières lettres.", "The first three letters.", True),
    ],
)
def test_amounts_times_units_and_negation(french: str, english: str, sound: bool):
    assert (compare(french, english, ("fr", "en")) == ()) is sound
    assert (compare(english, french, ("en", "fr")) == ()) is sound


def test_a_claim_may_not_change_a_code():
    evidence = facts("Bravo Deux en Tango Uniform quatre cinq deux neuf, le 221430ZNOV26.", "fr")
    assert missing_facts(facts("Bravo 2 is at TU 4529 at 221430Z.", "en"), evidence) == []
    found = missing_facts(facts("Bravo Three is at TU 4528.", "en"), evidence)
    assert [(m.kind, m.expected) for m in found] == [
        ("call sign", "B3"),
        ("grid reference", "TU4528"),
    ]
    told = facts("Départ le 22 novembre à 14 h 30.", "fr")
    assert missing_facts(facts("Departure 221430ZNOV26.", "en"), told) == []
