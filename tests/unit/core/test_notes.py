import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError, validate

from greffier_server.core.events import SegmentTranslated
from greffier_server.core.notes import RawNote, notes_prompt, notes_schema, parse_notes
from greffier_server.core.state import Segment, SessionState, apply
from tests.support.meetings import Said, spoken

pytestmark = pytest.mark.unit

TALK: list[Said] = [
    ("Claire", "fr", "Nous reportons la livraison."),
    ("Emma", "en", "We need 18 radios."),
]


def segments(*translations: SegmentTranslated) -> list[Segment]:
    state = SessionState()
    for event in (*spoken(TALK), *translations):
        state = apply(state, event)
    return list(state.segments.values())


def fits(schema: dict[str, Any], value: object) -> bool:
    try:
        validate(value, schema)
    except ValidationError:
        return False
    return True


def test_the_prompt_shows_numbered_sentences_with_their_speakers():
    messages = notes_prompt(segments(), "fr").messages
    assert messages[-1].content == (
        "[1] Claire: Nous reportons la livraison.\n[2] Emma: We need 18 radios."
    )
    assert "en français" in messages[0].content
    assert "LANGUAGE" not in notes_prompt(segments(), "de").messages[0].content
    assert "in German" in notes_prompt(segments(), "de").messages[0].content


def test_a_sound_translation_is_shown_and_a_doubtful_one_is_not():
    sound = SegmentTranslated(2, "fr", "Il nous faut 18 radios.")
    doubtful = SegmentTranslated(2, "fr", "Il nous faut 8 radios.")
    assert "faut 18" in notes_prompt(segments(sound), "fr").messages[-1].content
    assert "We need 18" in notes_prompt(segments(doubtful), "fr").messages[-1].content


def test_the_schema_takes_the_examples_form_and_only_known_citations():
    schema = notes_schema(segments())
    Draft202012Validator.check_schema(schema)
    action = {"cites": [1], "kind": "action", "who": "Claire", "text": "Reporter", "due": ""}
    point = {"cites": [2], "kind": "point", "text": "Il faut 18 radios."}
    assert fits(schema, {"items": [action, point]})
    assert not fits(schema, {"items": [{**point, "cites": [3]}]})
    assert not fits(schema, {"items": [{**point, "cites": []}]})
    assert not fits(schema, {"items": []})
    for language in ("fr", "en"):
        for message in notes_prompt(segments(), language).messages:
            if message.role == "assistant":
                assert parse_notes(message.content)


def test_answers_are_read_item_by_item():
    answer = json.dumps(
        {
            "items": [
                {"cites": [1, 1], "kind": "decision", "text": " On  reporte. "},
                {"cites": [2], "kind": "action", "who": "Emma", "text": "Compter", "due": "lundi"},
                {"cites": [2], "kind": "gossip", "text": "Rien"},
                {"cites": [2], "kind": "point", "text": ""},
                {"cites": "2", "kind": "point", "text": "Sans preuve"},
            ]
        }
    )
    assert parse_notes(answer) == [
        RawNote("decision", "On reporte.", (1,)),
        RawNote("action", "Compter", (2,), "Emma", "lundi"),
        RawNote("point", "Sans preuve", ()),
    ]


@pytest.mark.parametrize("answer", ["", "Voici les notes :", "[]", '{"items": 3}', '{"items": [{"'])
def test_what_is_no_answer_gives_no_notes(answer: str):
    assert parse_notes(answer) == []


def test_an_answer_cut_off_keeps_its_whole_items():
    answer = '{"items":[{"cites":[1],"kind":"point","text":"Un"},{"cites":[2],"kind":"poi'
    assert parse_notes(answer) == [RawNote("point", "Un", (1,))]
