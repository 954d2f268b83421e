import pytest

from greffier_server.core.sentences import clause_end, sentence_end, split_sentences
from tests.support.meetings import words_of

pytestmark = pytest.mark.unit


def sentences(text: str, language: str) -> list[str]:
    return [
        "".join(word.text for word in sentence).strip()
        for sentence in split_sentences(words_of(text), language)
    ]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("fr", "Bonjour à tous.|Nous avons trois points.|On commence ?|Oui !|C'est bien"),
        ("fr", "Je donne la parole à M. Martin.|Il préside."),
        ("fr", "Voir p. ex. le tableau, cf. annexe.|Merci."),
        ("fr", "J. R. Dupont est là.|Bien."),
        ("fr", "Le taux est de 3.5 pour cent.|Il baisse."),
        ("fr", "On se voit le 12.|Merci."),
        ("fr", "Il hésite... puis il part.|Fin."),
        ("fr", "Il hésite...|Puis il part."),
        ("fr", "Il dit : « C'est prêt. »|On y va."),
        ("fr", "Le devis, les plans, etc. sont prêts.|Oui."),
        ("fr", "Est-ce prêt ?|Non."),
        ("fr", "Je finis le plan de vol.|Ensuite on part."),
        ("en", "Mr. Smith met Dr. Jones at 10.30 p.m. on Friday.|They agreed."),
        ("en", "So am I.|Good."),
        ("en", "The U.S. team is here.|Good."),
        ("en", "No.|We cannot."),
        ("de", "Am 12. März beginnen wir.|Gut."),
        ("es", "¿Cuándo llega?|Mañana."),
        ("hi", "यह पहला वाक्य है।|यह दूसरा है।"),
        ("ar", "هل أنت جاهز؟|نعم."),
    ],
)
def test_sentences_end_where_they_end(language: str, text: str):
    assert sentences(text.replace("|", " "), language) == text.split("|")


def test_a_mark_of_its_own_belongs_to_the_sentence_before_it():
    words = words_of("On commence ? Oui .")
    assert sentence_end(words, "fr") == 3
    assert sentence_end(words[:2], "fr") == 0


def test_words_without_spaces_end_sentences_too():
    words = tuple(
        type(word)(word.text.strip(), word.start_ms, word.end_ms, 1.0)
        for word in words_of("今日は 晴れ です。 明日 は 雨")
    )
    assert sentence_end(words, "ja") == 3


@pytest.mark.parametrize("text", ["", "Nous avons", "M.", "le 12.", "Il hésite...", ".", "1. e4"])
def test_waits_when_nothing_has_surely_ended(text: str):
    assert sentence_end(words_of(text), "fr") == 0


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("le serveur, la formation et le budget", 2),
        ("le serveur, la formation ; et le budget", 5),
        ("il y a 3, 5 ou 6", 0),
        ("le total fait 3,", 0),
        ("sans rien qui coupe", 0),
        ("Fini. Ensuite on", 1),
        (", rien", 0),
    ],
)
def test_clauses_end_at_the_last_lighter_mark(text: str, count: int):
    assert clause_end(words_of(text), "fr") == count
