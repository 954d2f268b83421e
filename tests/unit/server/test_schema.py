"""The published schemas say what the codec does; the kept copies are up to date."""

import json
from pathlib import Path
from typing import Any, Protocol, cast, get_args

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from greffier.codec import encode
from greffier.protocol import (
    Ack,
    AudioFormat,
    Caption,
    CaptionWord,
    ClientMessage,
    Correction,
    CorrectionTarget,
    Error,
    Finish,
    Finished,
    Gap,
    GlossaryTerm,
    Minutes,
    MinutesItem,
    Missing,
    Quality,
    Resume,
    ServerMessage,
    Speaker,
    Start,
    Started,
    Translation,
    Watch,
    Withheld,
)
from greffier_server.schema import asyncapi_document, document_text, message_schema

pytestmark = pytest.mark.unit

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
EXAMPLES: tuple[ClientMessage | ServerMessage, ...] = (
    Start(),
    Start(
        AudioFormat("mulaw", 8000, 2),
        "fr",
        ("en", "de"),
        (GlossaryTerm("préfet", {"en": "prefect"}),),
        "Réunion",
        False,
        "fr",
        Resume("s", "t", 16_000, 4),
    ),
    Watch("s", 3, ("en",)),
    Watch("s"),
    Finish(),
    Missing(1, 2, "packet_loss", 1),
    Started("s", "t", 0),
    Ack(16_000),
    Caption(4, 1, 0, 900, " one", " tw", (CaptionWord(" one", 0, 300, 0.9),), "en", "A", 80, True),
    Speaker(5, 1, "2"),
    Speaker(5, 1, None),
    Translation(5, 1, "en", "One"),
    Gap(6, 0, 10, "lost"),
    Withheld(7, 0, 10, "loop"),
    Quality(8, "finals-only"),
    Minutes(9, "fr", "T", actions=(MinutesItem("x", (1, 2), True, "A", "lundi"),)),
    Correction(
        9, 1_700_000_000_000, "Mme Élue", CorrectionTarget("words", 3, 1, 2), "butget", "budget"
    ),
    Finished(10, "finish"),
    Error("server_busy", "try again", True),
)


class Validator(Protocol):
    def validate(self, instance: object) -> None: ...


@pytest.fixture(scope="module")
def validator() -> Validator:
    schema = message_schema()
    Draft202012Validator.check_schema(schema)
    return cast("Validator", Draft202012Validator(schema))


def test_every_kind_of_message_has_an_example() -> None:
    kinds = {*get_args(ClientMessage), *get_args(ServerMessage)}
    assert {type(example) for example in EXAMPLES} == kinds


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda m: type(m).__name__)
def test_what_the_codec_writes_is_valid(message: Any, validator: Validator) -> None:
    validator.validate(json.loads(encode(message)))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"type": "shout"},
        {"type": "ack"},
        {"type": "ack", "samples": "1"},
        {"type": "start", "format": {"encoding": "opus"}},
        {"type": "start", "translate_to": "en"},
        {"type": "quality", "seq": 1, "level": "best"},
        {"type": "watch", "session": None},
    ],
)
def test_what_the_codec_refuses_is_invalid(wrong: Any, validator: Validator) -> None:
    with pytest.raises(ValidationError):
        validator.validate(wrong)


def test_texts_under_fields_are_descriptions() -> None:
    audio = message_schema()["$defs"]["AudioFormat"]["properties"]
    assert audio["rate"]["description"] == "Samples per second and channel, 8,000 to 192,000."
    assert audio["rate"]["default"] == 16_000
    assert "description" not in message_schema()["$defs"]["Start"]["properties"]["title"]


def references(value: object) -> list[str]:
    if isinstance(value, dict):
        table = cast("dict[str, object]", value)
        own = [str(table["$ref"])] if "$ref" in table else []
        return own + [ref for part in table.values() for ref in references(part)]
    if isinstance(value, list):
        return [ref for part in cast("list[object]", value) for ref in references(part)]
    return []


@pytest.mark.parametrize("document", [message_schema(), asyncapi_document()])
def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = references(document)
    assert found
    for reference in found:
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
        assert target


def test_asyncapi_has_its_required_parts() -> None:
    document = asyncapi_document()
    assert document["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(document["info"])
    channel = document["channels"]["live"]
    assert channel["address"] == "/v1/live"
    by_action = {
        operation["action"]: {ref["$ref"].rpartition("/")[2] for ref in operation["messages"]}
        for operation in document["operations"].values()
    }
    assert by_action["receive"] == {"start", "watch", "finish", "missing", "audio"}
    assert by_action["receive"] | by_action["send"] == set(channel["messages"])
    for name, message in document["components"]["messages"].items():
        assert message["name"] == name
        assert message["payload"]


@pytest.mark.parametrize(
    ("name", "document"),
    [("protocol.schema.json", message_schema()), ("asyncapi.json", asyncapi_document())],
)
def test_the_kept_copies_are_up_to_date(name: str, document: dict[str, Any]) -> None:
    kept = (REFERENCE / name).read_text(encoding="utf-8")
    assert kept == document_text(document), f"write docs/reference/{name} anew from schema.py"
