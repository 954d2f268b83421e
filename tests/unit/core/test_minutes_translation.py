"""Minutes in another language: citations stay, ticks only where they are due."""

import pytest

from greffier.protocol import Chapter, Doubt, Minutes, MinutesItem
from greffier_server.core.annex_facts import fact, fact_in
from greffier_server.core.document_events import TranslatedSentence
from greffier_server.core.events import MinutesTranslated
from greffier_server.core.minutes_translation import MinutesTranslation, minutes_texts
from greffier_server.core.state import SessionState, apply
from greffier_server.documents.kinds import DocumentFormat, Kind
from greffier_server.documents.press import Order, Press
from greffier_server.documents.settings import DocumentSettings
from tests.support.meetings import Said
from tests.support.minuted import BEGAN_MS, minuted

pytestmark = pytest.mark.unit

SAID: list[Said] = [
    ("Ana", "fr", "Nous décidons de fermer la salle le 3 mai."),
    ("Bob", "fr", "Je préviens les agents demain."),
]
SOUND = MinutesItem("La salle ferme le 3 mai.", (1,), True)
WRONG = MinutesItem("Il manque 8 000 euros.", (1,), True)
LOST = MinutesItem("Les agents sont prévenus.", (2,), True, "Bob", "demain")
KNOWN = {
    "Comité": TranslatedSentence("Comité", "Committee"),
    SOUND.text: TranslatedSentence(SOUND.text, "The hall closes on 3 May."),
    WRONG.text: TranslatedSentence(
        WRONG.text, "80,000 euros are missing.", (Doubt("number", "8 000", "80,000"),)
    ),
    LOST.text: TranslatedSentence(LOST.text, ""),
    "demain": TranslatedSentence("demain", "tomorrow"),
}


def test_ticks_stay_where_the_translation_agrees() -> None:
    english = MinutesTranslation("fr", "en", KNOWN)
    assert english.item(SOUND) == MinutesItem("The hall closes on 3 May.", (1,), True)
    assert english.item(WRONG).verified is False
    lost = english.item(LOST)
    assert (lost.text, lost.due, lost.verified) == (LOST.text, "tomorrow", False)
    assert MinutesTranslation("fr", "de", KNOWN).item(SOUND).verified is False


@pytest.mark.parametrize(
    ("form", "values"),
    [
        ("no_speech", {}),
        ("gap", {"span": "0:10–0:14 (network)"}),
        ("gaps", {"span": "0:10–0:14 (network)", "lost": "1.5 s"}),
        ("withheld", {"reason": "repetition", "count": 2}),
        ("failure", {"stage": "minutes", "code": "engine_timeout", "count": 1}),
        ("orders", {"places": "0:10, 0:20"}),
        ("document_orders", {"name": "odj (1).md", "places": "p. 1, § 4"}),
        ("unread", {"count": 3, "span": "0:10–0:14"}),
        ("share", {"share": 63}),
    ],
)
def test_what_is_stated_of_the_record_needs_no_model(form: str, values: dict[str, object]) -> None:
    french, english = (fact(form, language, **values) for language in ("fr", "en"))
    assert fact_in(french, "en") == english
    assert fact_in(english, "fr") == french
    item = MinutesItem(french, verified=True)
    assert MinutesTranslation("fr", "en", {}).item(item) == MinutesItem(english, verified=True)
    assert minutes_texts(Minutes(0, "fr", "", annex=(item,))) == [""]
    assert fact_in("Le vote a lieu.", "en") is None
    spoken = MinutesItem(french, (1,), verified=True)  # by somebody, in the same words
    assert MinutesTranslation("fr", "en", {}).doubted(spoken)


def test_only_what_is_not_known_is_asked_for() -> None:
    minutes = Minutes(
        0, "fr", "Comité", (SOUND,), actions=(LOST,), chapters=(Chapter("Salle", 0, 9, (SOUND,)),)
    )
    texts = minutes_texts(minutes)
    assert {"Comité", "Salle", SOUND.text, LOST.text, "demain"} == {*texts}
    assert MinutesTranslation("fr", "en", KNOWN).missing([*texts, "Salle", " "]) == ["Salle"]
    told = MinutesTranslation("fr", "en", KNOWN).minutes(minutes)
    assert (told.language, told.title, told.chapters[0].summary[0].cites) == (
        "en",
        "Committee",
        (1,),
    )


def test_sentences_are_kept_by_language_and_source() -> None:
    state = SessionState()
    for language in ("en", "de", "en"):
        sentence = TranslatedSentence(f"x{language}", language)
        state = apply(state, MinutesTranslated("fr", language, (sentence,)))
    state = apply(state, MinutesTranslated("fr", "en", (TranslatedSentence("xen", "newer"),)))
    assert state.minutes_in["en"]["xen"].text == "newer"
    assert {*state.minutes_in} == {"en", "de"}


def _document(language: str) -> str:
    state = minuted(SAID, title="Comité", summary=(SOUND, WRONG), actions=(LOST,))
    press = Press(DocumentSettings(timezone="Europe/Paris"))
    made = press.make(
        Order(Kind.COMPTE_RENDU, DocumentFormat.TXT, language),
        state,
        tenant="t",
        title="Comité",
        began_at_ms=BEGAN_MS,
        translation=MinutesTranslation("fr", language, KNOWN),
    )
    return " ".join(made.decode().split())


def test_a_document_shows_the_source_of_what_does_not_agree() -> None:
    english = _document("en")
    assert "The hall closes on 3 May. [0:00] ✓" in english
    assert "80,000 euros are missing. [doubtful translation, original: “Il manque 8" in english
    assert "Les agents sont prévenus. [not translated] [not verified]" in english
    assert "original language: French" in english


def test_in_other_languages_nothing_is_given_as_verified() -> None:
    german = _document("de")
    assert "✓ verified" in german  # the legend
    assert german.count("✓") == 1
    assert "Headings in English" in german
