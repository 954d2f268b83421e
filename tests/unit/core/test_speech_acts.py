import pytest

from greffier_server.core.due_dates import find_due
from greffier_server.core.figures import holds_figure, in_digits
from greffier_server.core.speech_acts import speech_act

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("language", "text", "acts"),
    [
        ("fr", "Nous avons décidé de fermer la salle.", {"decides"}),
        ("fr", "La réunion est reportée à mars.", {"decides"}),
        ("fr", "Nous n'avons pas encore décidé.", {"open"}),
        ("fr", "Nous ne pouvons pas ouvrir le service.", set[str]()),
        ("fr", "J'enverrai le plan demain.", {"commits"}),
        ("fr", "Je m'en occupe.", {"commits"}),
        ("fr", "Je pense que oui.", set[str]()),
        ("fr", "Il faut réserver la salle.", {"requests"}),
        ("fr", "Où en sommes-nous ?", {"asks"}),
        ("fr", "La question reste ouverte.", {"open"}),
        ("fr", "Bonjour Claire.", {"courtesy"}),
        ("fr", "Merci à tous, et à bientôt.", {"courtesy"}),
        ("en", "We agreed on the second option.", {"decides"}),
        ("en", "It has not been decided yet.", {"open"}),
        ("en", "I'll send the agreement.", {"commits"}),
        ("en", "I will need a room.", set[str]()),
        ("en", "Could you book the room?", {"requests", "asks"}),
        ("en", "We don't know.", {"open"}),
        ("en", "Thank you very much.", {"courtesy"}),
        ("de", "Wir haben entschieden.", set[str]()),
        ("ja", "いつですか？", {"asks"}),
        ("fr", "", set[str]()),
    ],
)
def test_the_wording_tells_what_a_sentence_does(language: str, text: str, acts: set[str]):
    act = speech_act(text, language)
    names = ("decides", "commits", "requests", "asks", "open", "courtesy")
    assert {name for name in names if getattr(act, name)} == acts


@pytest.mark.parametrize(
    ("language", "text", "due"),
    [
        ("fr", "Tu relances le fournisseur avant vendredi, d'accord", "avant vendredi"),
        ("fr", "J'envoie le plan avant le premier mars.", "avant le 1er mars"),
        ("fr", "Je réserve la salle du dix au treize mars.", "du 10 au 13 mars"),
        ("fr", "Je réponds la semaine prochaine.", "la semaine prochaine"),
        ("fr", "Je l'appelle jeudi matin.", "jeudi matin"),
        ("fr", "Je prépare le support.", None),
        ("en", "I will send it by Friday.", "by Friday"),
        ("en", "I'll do it before the twelfth of March.", "before the 12th of March"),
        ("en", "Next week is fine.", "Next week"),
        ("en", "I will do it.", None),
        ("de", "Bis Freitag.", None),
    ],
)
def test_due_dates_are_found(language: str, text: str, due: str | None):
    assert find_due(text, language) == due


@pytest.mark.parametrize(
    ("language", "text", "digits"),
    [
        ("fr", "Il manque quatre-vingt-cinq mille euros.", "Il manque 85\u202f000 euros."),
        ("fr", "Un agent, la deuxième année, deux mille vingt-six.", None),
        ("fr", "avant le premier mars", "avant le 1er mars"),
        ("fr", "trois virgule cinq kilomètres", "3,5 kilomètres"),
        ("en", "the tenth to the thirteenth of March", "the 10th to the 13th of March"),
        ("en", "eighteen thousand euros", "18,000 euros"),
        ("en", "the third point", "the third point"),
        ("de", "zwölf Kanäle", "zwölf Kanäle"),
        ("fr", "rien", "rien"),
    ],
)
def test_number_words_become_digits(language: str, text: str, digits: str | None):
    expected = "Un agent, la deuxième année, 2026." if digits is None else digits
    assert in_digits(text, language) == expected


def test_figures_are_amounts_counts_and_dates():
    assert holds_figure("Nous avons quarante agents.", "fr")
    assert holds_figure("Before the first of March.", "en")
    assert not holds_figure("One thing remains.", "en")
    assert not holds_figure("La deuxième année.", "fr")
