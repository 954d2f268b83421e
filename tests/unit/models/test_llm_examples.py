import json
from typing import Any

import jsonschema
import pytest

from greffier_models.llm.examples import example_json, example_of

pytestmark = pytest.mark.unit

MINUTES = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 3},
        "topics": {"type": "array", "items": {"$ref": "#/$defs/item"}, "minItems": 2},
        "due": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "kind": {"enum": ["a", "b"]},
        "level": {"type": "integer", "minimum": 2, "maximum": 5},
        "share": {"type": "number", "maximum": -1},
        "done": {"type": "boolean"},
        "parent": {"$ref": "#"},
        "both": {
            "allOf": [
                {"type": "object", "properties": {"x": {"const": 4}}, "required": ["x"]},
                {"properties": {"y": {"type": ["string", "null"]}}, "required": ["y"]},
            ]
        },
    },
    "required": ["title", "topics", "due", "kind", "level", "share", "done", "both"],
    "additionalProperties": False,
    "$defs": {
        "item": {
            "type": "object",
            "properties": {"text": {"type": "string"}, "cites": {"type": "array", "minItems": 1}},
            "required": ["text", "cites"],
        }
    },
}


def test_the_example_satisfies_its_schema_and_is_the_same_each_time():
    text = example_json(MINUTES)
    jsonschema.validate(json.loads(text), MINUTES)
    assert text == example_json(MINUTES)
    assert json.loads(text)["both"] == {"x": 4, "y": ""}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "other.json"},
        {"$ref": "#/$defs/absent"},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"type": "object", "properties": {"a": False}, "required": ["a"]},
        {"anyOf": [False, False]},
        {"type": "date"},
    ],
)
def test_a_schema_that_nothing_satisfies_is_refused(schema: dict[str, Any]):
    with pytest.raises(ValueError):  # noqa: PT011 - the messages differ
        example_of(schema)
