import json
from dataclasses import replace

import pytest

from greffier.protocol import MinutesItem
from greffier_server.core.events import Event, GapFound, StageFailed, TextWithheld
from greffier_server.core.minutes import (
    Summary,
    check_summary,
    main_language,
    summary_prompt,
    write_minutes,
)
from greffier_server.core.minutes_document import to_markdown, to_text
from greffier_server.core.note_checks import Notes, check_notes
from greffier_server.core.state import SessionState, apply
from tests.support.meetings import spoken, started
from tests.support.scenes import load_scene

pytestmark = pytest.mark.unit


def state_of(*events: Event) -> SessionState:
    state = SessionState()
    for event in events:
        state = apply(state, event)
    return state


FRENCH = state_of(started(), *spoken("meeting-fr"))


def notes() -> Notes:
    return check_notes((), list(FRENCH.segments.values()), "fr")


def test_without_any_help_of_a_model_a_scripted_meetings_record_is_there():
    minutes = write_minutes(FRENCH, notes(), Summary(), language="fr")
    script = load_scene("meeting-fr").minutes
    assert len(minutes.decisions) == len(script["decisions"])
    decided = " ".join(item.text for item in minutes.decisions)
    assert "15 janvier" in decided
    assert "aucune dépense de maintenance" in decided
    doers = [(item.who, item.due) for item in minutes.actions]
    assert ("Alexandre", "jeudi matin") in doers
    assert ("Sarah", "avant le 8 janvier") in doers
    assert ("Alexandre", "le 16 janvier") in doers
    told = " ".join(item.text for item in minutes.figures).replace("\u202f", " ")
    for figure in ("40 agents", "4 groupes de 10", "85 000 euros", "63 000 euros", "8 000 euros"):
        assert figure in told
    for date in ("12 décembre", "15 janvier", "19 janvier", "8 janvier", "16 janvier", "5 janvier"):
        assert date in told
    assert minutes.summary


def test_every_citation_is_a_segment():
    minutes = write_minutes(FRENCH, notes(), Summary(), language="fr")
    for items in (minutes.summary, minutes.decisions, minutes.actions, minutes.figures):
        for item in items:
            assert item.cites
            assert set(item.cites) <= set(FRENCH.segments)


def test_the_main_language_is_the_one_most_spoken():
    assert main_language(FRENCH) == "fr"
    assert main_language(state_of(started(language="de"))) == "de"
    assert main_language(SessionState()) == "en"


def test_the_given_title_wins_and_a_made_up_one_is_refused():
    given = replace(FRENCH, started=started(title=" Comité "))
    assert write_minutes(given, notes(), Summary("Autre"), language="fr").title == "Comité"
    for title, kept in [
        ("Mise en service et maintenance", "Mise en service et maintenance"),
        ("Réunion du 3 mai", ""),
        ("Recette de gâteau", ""),
        ("", ""),
    ]:
        answer = json.dumps({"title": title, "summary": []})
        assert check_summary(answer, notes(), FRENCH, "fr").title == kept


def test_summary_sentences_are_held_against_what_their_items_cite():
    lines = summary_prompt(notes(), "fr").messages[-1].content.split("\n")
    number = next(i for i, line in enumerate(lines, 1) if "mise en service" in line)
    true = "La mise en service est repoussée au quinze janvier."
    false = "La mise en service est repoussée au seize janvier."
    for text, kept in [(true, 1), (false, 0), ("Tout le monde est ravi du résultat.", 0)]:
        answer = json.dumps({"title": "", "summary": [{"cites": [number], "text": text}]})
        summary = check_summary(answer, notes(), FRENCH, "fr")
        assert len(summary.sentences) == kept
    assert (
        check_summary(
            json.dumps({"title": "", "summary": [{"cites": [99], "text": true}]}),
            notes(),
            FRENCH,
            "fr",
        )
        == Summary()
    )


@pytest.mark.parametrize("answer", ["", "[]", "{}", '{"summary": 3}', '{"summary": [3, {}]}', "{"])
def test_a_broken_summary_is_an_empty_one(answer: str):
    assert check_summary(answer, notes(), FRENCH, "fr") == Summary()


def test_decisions_missing_from_the_summary_are_added():
    sentence = MinutesItem("Le budget est de 85 000 euros.", (28,), verified=True)
    minutes = write_minutes(FRENCH, notes(), Summary("T", (sentence,)), language="fr")
    assert minutes.summary == (sentence, *minutes.decisions)


def test_an_empty_session_has_minutes_that_say_so():
    state = state_of(started(title="Essai"))
    minutes = write_minutes(state, Notes(), Summary(), language="en")
    assert minutes.title == "Essai"
    assert [item.text for item in minutes.annex] == ["No speech was recorded."]
    assert minutes.summary == minutes.decisions == ()


def test_the_annex_tells_what_is_missing():
    state = state_of(
        started(),
        *spoken([("A", "en", "We agreed on 12 radios."), ("B", "en", "The weather is fine.")]),
        GapFound(62_000, 65_500, "connection lost"),
        *(GapFound(at_ms, at_ms + 20, "packet_loss") for at_ms in range(80_000, 90_000, 500)),
        TextWithheld(70_000, 71_000, "no speech", "secret words"),
        StageFailed("translate", "translation_doubtful", "segment 1: number"),
        StageFailed("translate", "translation_doubtful", "segment 2: number"),
    )
    taken = check_notes((), list(state.segments.values()), "en")
    doubtful = replace(taken, unsupported=(MinutesItem("A decision nobody heard.", (2,)),))
    minutes = write_minutes(
        state, doubtful, Summary(), language="en", unread=list(state.segments.values())[1:]
    )
    texts = [item.text for item in minutes.annex]
    assert "Recording interrupted: 1:02–1:05 (connection lost)." in texts
    interrupted = "Recording interrupted at times: 1:20–1:29 (packet_loss), 0.4 s in all."
    assert [text for text in texts if "packet_loss" in text] == [interrupted]
    assert "Passages heard and withheld (no speech): 1." in texts
    assert "Incomplete processing: translate, translation_doubtful (2)." in texts
    assert any(text.startswith("Not summed up: 1 segment") for text in texts)
    assert "A decision nobody heard." in texts
    assert "Share of the speech cited in these minutes: 55%." in texts
    assert "secret" not in " ".join(texts)


def test_documents_carry_time_codes_ticks_and_the_readers_headings():
    minutes = write_minutes(FRENCH, notes(), Summary("Service"), language="fr")
    markdown = to_markdown(minutes, FRENCH)
    assert markdown.startswith("# Service\n")
    assert "## Décisions\n" in markdown
    assert "repousser la mise en service au 15 janvier. [\\[0:38\\]](#t=38) ✓" in markdown
    assert "- Alexandre : Installer" not in markdown
    text = to_text(minutes, FRENCH)
    assert "[0:38] ✓" in text
    assert "#" not in text
    english = to_markdown(replace(minutes, language="en"), FRENCH)
    assert "## Open questions\n" in english
    assert "Alexandre: " in english


def test_markup_in_the_speech_stays_text():
    state = state_of(started(), *spoken([("A|B", "en", "We agreed on <b>*bold*</b> & [x](y).")]))
    taken = check_notes((), list(state.segments.values()), "en")
    minutes = write_minutes(state, taken, Summary(), language="en")
    markdown = to_markdown(minutes, state)
    assert "\\<b\\>\\*bold\\*\\</b\\> &amp; \\[x\\](y)." in markdown


def test_what_is_not_verified_is_marked():
    said = MinutesItem("The room is closed.", (1,))
    state = state_of(started(), *spoken([("A", "en", "We agreed to close the room.")]))
    minutes = replace(
        write_minutes(state, Notes(), Summary(), language="en"),
        topics=(said, replace(said, verified=True, cites=(9,))),
        annex=(MinutesItem("A gap.", verified=True), said),
    )
    text = to_text(minutes, state)
    assert text.count("* The room is closed. [0:00] [not verified]\n") == 2
    assert "* The room is closed. [not verified]\n" in text
    assert "* A gap.\n" in text


def test_a_due_date_is_shown_once():
    item = MinutesItem("Call", (1,), verified=True, who="Sam", due="by Friday")
    told = replace(item, text="Call by Friday")
    state = state_of(started(), *spoken([("Sam", "en", "I will call by Friday.")]))
    minutes = write_minutes(state, Notes(actions=(item, told)), Summary(), language="en")
    text = to_text(minutes, state)
    assert "* Sam: Call (due: by Friday) [0:00] ✓\n* Sam: Call by Friday [0:00] ✓\n" in text
