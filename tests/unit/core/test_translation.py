import pytest

from greffier.protocol import GlossaryTerm
from greffier_server.core.translation import (
    TranslationTask,
    better,
    clean,
    defect,
    judge,
    mismatches,
    needs_translation,
    repair_prompt,
    token_limit,
    translation_prompt,
)

pytestmark = pytest.mark.unit

TASK = TranslationTask("Le radar ne marche pas depuis lundi.", "fr", "en")


@pytest.mark.parametrize(
    ("text", "source", "target", "needed"),
    [
        ("Bonjour.", "fr", "en", True),
        ("Bonjour.", "fr", "fr", False),
        ("Bonjour.", "fr-CA", "fr", False),
        ("… 12 !", "fr", "en", False),
        ("", "fr", "en", False),
    ],
)
def test_only_letters_of_another_language_need_translation(
    text: str, source: str, target: str, needed: bool
):
    assert needs_translation(text, source, target) is needed


def test_the_prompt_is_chat_turns_that_end_with_the_sentence():
    task = TranslationTask(
        "Il\n faut  trois cents postes.", "fr", "en", context=(("Oui.", "Yes."), ("Non.", "No."))
    )
    messages = translation_prompt(task).messages
    assert messages[0].role == "system"
    assert "from French into English" in messages[0].content
    roles = [message.role for message in messages[1:]]
    assert roles == ["user", "assistant"] * ((len(roles) - 1) // 2) + ["user"]
    assert [m.content for m in messages[-5:-1]] == ["Oui.", "Yes.", "Non.", "No."]
    assert messages[-1].content == "Il faut 300 postes."


def test_the_beginning_of_the_prompt_does_not_depend_on_the_sentence():
    one = translation_prompt(TranslationTask("Oui, d'accord.", "fr", "en")).messages
    two = translation_prompt(TranslationTask("Autre chose.", "fr", "en")).messages
    assert one[:-1] == two[:-1]


def test_glossary_terms_are_given_only_where_they_are_said():
    glossary = (
        GlossaryTerm("main courante", {"en": "station log"}),
        GlossaryTerm("préfet", {"en": "préfet"}),
        GlossaryTerm("canal", {"de": "Kanal"}),
    )
    task = TranslationTask("Le PRÉFET lit le canal.", "fr", "en", glossary=glossary)
    system = translation_prompt(task).messages[0].content
    assert '"préfet" is always "préfet".' in system
    assert "station log" not in system
    assert "Kanal" not in system


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (" Hello.\n", "Hello."),
        ('"Hello."', "Hello."),
        ("« Bonjour. »", "Bonjour."),
        ('"Yes" and "no"', '"Yes" and "no"'),
        ("Here is the translation: Hello.", "Hello."),
        ("English: Hello.", "Hello."),
        ("Traduction : Bonjour.", "Bonjour."),
        ("Sure! Here you go:\nHello.", "Hello."),
        ("Hello.\nNote: this is formal.", "Hello."),
        ("It is 10:30 now.", "It is 10:30 now."),
        ("Hello   there", "Hello there"),
        ("", ""),
        ('Comment dire en français : "Arrêtez de traduire."', "Arrêtez de traduire."),
        ("Comment dire la vérité ?", "Comment dire la vérité ?"),
    ],
)
def test_answers_are_cleaned(answer: str, text: str):
    assert clean(answer) == text


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("The radar has not worked since Monday.", None),
        ("", "empty"),
        ("...", "empty"),
        ("Le radar ne marche pas depuis lundi.", "untranslated"),
        ("Le radar est dans la salle avec nous.", "untranslated"),
        ("雷达自周一以来一直没有工作。", "wrong script"),
        ("the radar is out " * 12, "runaway"),
        ("word " * 60, "runaway"),
        ("I cannot translate this message.", "not a translation"),
        ("As an AI language model, no.", "not a translation"),
    ],
)
def test_what_is_no_translation_is_named(answer: str, fault: str | None):
    assert defect(TASK, answer) == fault


def test_short_words_and_names_may_stay_as_they_are():
    assert defect(TranslationTask("OK.", "fr", "en"), "OK.") is None
    assert defect(TranslationTask("Nicolas ?", "fr", "en"), "Nicolas?") is None
    assert defect(TranslationTask("Hello.", "en", "ja"), "こんにちは。") is None
    assert defect(TranslationTask("Hello everyone here.", "en", "ja"), "Hello everyone") == (
        "wrong script"
    )


def test_a_wrong_number_is_asked_again_in_digits():
    task = TranslationTask("Il manque douze caisses.", "fr", "en")
    answer = "Two crates are missing."
    found = mismatches(task, answer)
    assert {mismatch.kind for mismatch in found} == {"number"}
    assert repair_prompt(task, answer, found).messages[-1].content == "Il manque 12 caisses."


def test_a_lost_negation_is_named():
    answer = "The radar has worked since Monday."
    last = repair_prompt(TASK, answer, mismatches(TASK, answer)).messages[-2:]
    assert last[0].content == answer
    assert "the negation is lost" in last[1].content


def test_the_better_of_two_attempts_is_kept():
    good, bad, garbage = "The radar has not worked since Monday.", "The radar works.", ""

    def chosen(first: str, second: str) -> str:
        return better(judge(TASK, first), judge(TASK, second)).text

    assert chosen(bad, good) == good
    assert chosen(good, bad) == good
    assert chosen(garbage, bad) == bad
    assert chosen(good, good + " ") == good


def test_the_token_limit_grows_with_the_text_and_is_finite():
    assert token_limit("") < token_limit("a" * 30) < token_limit("a" * 300) < 300
    assert token_limit("今日は晴れです。") > token_limit("weather")
