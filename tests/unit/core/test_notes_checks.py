import pytest

from greffier_server.core.events import SegmentTranslated
from greffier_server.core.note_checks import Notes, check_notes, merge_notes
from greffier_server.core.notes import RawNote
from greffier_server.core.state import Segment, SessionState, apply
from tests.support.meetings import Said, spoken

pytestmark = pytest.mark.unit

TALK: list[Said] = [
    ("Claire", "fr", "Est-ce que nous pouvons tenir la date du vingt décembre ?"),
    ("Alexandre", "fr", "Non, la carte graphique n'est pas arrivée."),
    ("Claire", "fr", "Nous décidons donc de repousser la mise en service au quinze janvier."),
    ("Claire", "fr", "Alexandre, tu relances le fournisseur avant vendredi, s'il te plaît."),
    ("Alexandre", "fr", "Oui, je l'appelle jeudi et je vous envoie un compte rendu."),
    ("Nicolas", "fr", "Il manque huit mille euros pour la maintenance."),
    ("Claire", "fr", "Qui peut voir cela avec la direction financière ?"),
    ("Nicolas", "fr", "Je ne sais pas encore."),
    ("Claire", "fr", "Merci Nicolas."),
]


def segments(talk: list[Said] = TALK) -> list[Segment]:
    state = SessionState()
    for event in spoken(talk):
        state = apply(state, event)
    return list(state.segments.values())


def check(*raw: RawNote, talk: list[Said] = TALK, language: str = "fr") -> Notes:
    return check_notes(raw, segments(talk), language)


def test_what_is_plainly_said_is_noted_even_when_the_model_notes_nothing():
    notes = check()
    assert [item.text for item in notes.decisions] == [
        "Nous décidons donc de repousser la mise en service au 15 janvier."
    ]
    assert [(item.who, item.text, item.due) for item in notes.actions] == [
        ("Alexandre", "Je l'appelle jeudi", "jeudi"),
        ("Alexandre", "Je vous envoie un compte rendu.", None),
    ]
    (question,) = notes.questions
    assert question.cites == (7, 8)
    assert question.text.startswith("Qui peut voir cela")
    assert all(item.verified for item in (*notes.decisions, *notes.actions, *notes.questions))


def test_a_sound_decision_keeps_the_models_words_in_digits():
    notes = check(RawNote("decision", "La mise en service est repoussée au quinze janvier.", (3,)))
    (decision,) = notes.decisions
    assert decision.text == "La mise en service est repoussée au 15 janvier."
    assert decision.cites == (3,)
    assert decision.verified


def test_a_citation_of_the_neighbour_is_mended():
    notes = check(RawNote("decision", "Repousser la mise en service au 15 janvier", (2, 4)))
    assert notes.decisions[0].cites == (3,)


@pytest.mark.parametrize(
    "text",
    [
        "La mise en service est repoussée au 16 janvier.",
        "La mise en service est repoussée au 15 février.",
        "Il manque quatre-vingt mille euros pour la maintenance.",
    ],
)
def test_an_invented_number_or_date_is_dropped(text: str):
    notes = check(RawNote("decision", text, (3, 6)), RawNote("point", text, (3, 6)))
    everything = (*notes.topics, *notes.decisions, *notes.unsupported)
    assert text not in [item.text for item in everything]
    assert len(notes.decisions) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Le contrat avec Rennes est signé par la mairie.",
        "La carte graphique est arrivée.",
        "La maintenance est impossible.",
    ],
)
def test_what_the_speech_does_not_bear_out_goes_to_the_annex(text: str):
    notes = check(RawNote("decision", text, (2,)))
    assert text not in [item.text for item in notes.decisions]
    assert [item.text for item in notes.unsupported] == [text]
    assert not notes.unsupported[0].verified


def test_a_decision_that_nobody_took_is_only_a_topic():
    notes = check(RawNote("decision", "Il manque huit mille euros pour la maintenance.", (6,)))
    assert [item.text for item in notes.topics] == [
        "Il manque 8\u202f000 euros pour la maintenance."
    ]
    assert 6 not in {cite for item in notes.decisions for cite in item.cites}


def test_an_answered_question_is_not_open():
    notes = check(RawNote("question", "Est-ce que nous pouvons tenir le vingt décembre ?", (1,)))
    assert [item.cites for item in notes.questions] == [(7, 8)]


def test_who_acts_is_the_speaker_and_when_is_what_was_said():
    notes = check(
        RawNote("action", "Relancer le fournisseur", (4,), "Alexandre", "lundi"),
        RawNote("action", "Envoyer un compte rendu", (5,), "Nicolas", "demain"),
    )
    relance, envoi = notes.actions[:2]
    assert (relance.who, relance.due) == ("Alexandre", "avant vendredi")
    assert (envoi.who, envoi.due) == ("Alexandre", None)


def test_a_point_put_into_somebodys_mouth_gives_way_to_the_quotation():
    notes = check(RawNote("point", "Nicolas manque de huit mille euros de maintenance.", (6,)))
    assert notes.topics[0].text == "Il manque 8\u202f000 euros pour la maintenance."


def test_greetings_and_items_in_another_language_are_left_out():
    notes = check(
        RawNote("point", "Merci beaucoup Nicolas Merci", (9,)),
        RawNote("point", "We have to wait for the graphics card of the team.", (2,)),
    )
    assert notes.topics == ()


def test_a_promise_without_words_of_its_own_takes_those_before():
    talk: list[Said] = [
        ("Sarah", "fr", "Il faut afficher les sous-titres sur le grand écran."),
        ("Alexandre", "fr", "Je m'en occupe."),
    ]
    (action,) = check(talk=talk).actions
    assert action.text == "Il faut afficher les sous-titres sur le grand écran."
    assert (action.who, action.cites) == ("Alexandre", (1, 2))


def test_speech_of_another_language_without_translation_is_kept_unverified():
    talk: list[Said] = [("Emma", "en", "We decided to bring 18 radios to the north field.")]
    notes = check(RawNote("decision", "Apporter 18 radios", (1,)), talk=talk)
    assert [(item.text, item.verified) for item in notes.decisions] == [
        ("Apporter 18 radios", False)
    ]


def test_nothing_is_claimed_to_be_read_in_other_languages():
    talk: list[Said] = [("Jan", "de", "Wir verschieben den Start auf den 15. Januar.")]
    text = "Der Start wird auf den 15. Januar verschoben."
    notes = check(RawNote("decision", text, (1,)), talk=talk, language="de")
    assert [item.text for item in notes.decisions] == [text]


def test_the_same_item_of_two_stretches_is_kept_once():
    notes = check(RawNote("point", "Il manque huit mille euros pour la maintenance.", (6,)))
    merged = merge_notes([notes, notes], "fr")
    assert merged == merge_notes([notes], "fr")
    assert len(merged.topics) == 1


def test_a_promise_in_translation_is_quoted_whole():
    state = SessionState()
    said: list[Said] = [("Claire", "fr", "Je réserve la salle et je vous réponds demain.")]
    for event in (
        *spoken(said),
        SegmentTranslated(1, "en", "I reserve the room and I answer you tomorrow."),
    ):
        state = apply(state, event)
    (action,) = check_notes((), list(state.segments.values()), "en").actions
    assert action.text == "I reserve the room and I answer you tomorrow."
    assert (action.who, action.due) == ("Claire", "tomorrow")
