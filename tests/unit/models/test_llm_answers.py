import json
from typing import Any

import httpx
import pytest

from greffier_models.errors import EngineError, EngineTimeout, EngineUnavailable, PromptTooLong
from greffier_models.llm.answers import (
    context_tokens_of,
    counted_tokens,
    decode_chunk,
    estimated_tokens,
    refusal,
    request_body,
)
from greffier_models.types import ChatMessage, GenerationOptions, Prompt, TextPiece

pytestmark = pytest.mark.unit

PROMPT = Prompt((ChatMessage("system", "s"), ChatMessage("user", "u")))


def test_a_request_says_everything_and_nothing_twice():
    schema = {"type": "object"}
    options = GenerationOptions(max_tokens=7, temperature=0.5, stop=("x",), seed=3, schema=schema)
    body = request_body("m", PROMPT, options)
    assert body["messages"] == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
    ]
    assert (body["max_tokens"], body["temperature"], body["seed"]) == (7, 0.5, 3)
    assert body["stop"] == ["x"]
    assert body["response_format"]["json_schema"]["schema"] == schema
    plain = request_body("m", PROMPT, GenerationOptions())
    assert "stop" not in plain
    assert "response_format" not in plain


CHUNKS: list[tuple[dict[str, Any], TextPiece]] = [
    ({"choices": [{"delta": {"content": "a"}}]}, TextPiece("a")),
    ({"choices": [{"delta": {"role": "assistant", "content": None}}]}, TextPiece("")),
    ({"choices": [{"delta": {}, "finish_reason": "stop"}]}, TextPiece("", finish="stop")),
    ({"choices": [{"delta": {}, "finish_reason": "length"}]}, TextPiece("", finish="length")),
    (
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
        TextPiece("", prompt_tokens=3, generated_tokens=2),
    ),
]


@pytest.mark.parametrize(("chunk", "piece"), CHUNKS)
def test_chunks_of_servers_are_read(chunk: dict[str, Any], piece: TextPiece):
    assert decode_chunk(json.dumps(chunk)) == piece


@pytest.mark.parametrize(
    "payload", ["", "{", "[]", "3", "null", "{}", '{"choices": 3}', '{"error": {"message": "m"}}']
)
def test_other_payloads_are_errors(payload: str):
    with pytest.raises(EngineError):
        decode_chunk(payload)


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (400, b"{}", EngineError),
        (400, b'{"error":{"type":"exceed_context_size_error"}}', PromptTooLong),
        (400, b"This model's maximum context length is 10 tokens", PromptTooLong),
        (413, b"", PromptTooLong),
        (401, b"", EngineError),
        (404, b"", EngineError),
        (302, b"", EngineError),
        (408, b"", EngineTimeout),
        (504, b"", EngineTimeout),
        (429, b"", EngineUnavailable),
        (500, b"", EngineUnavailable),
        (503, b"", EngineUnavailable),
    ],
)
def test_a_refusal_has_its_error_without_the_servers_words(
    status: int, content: bytes, kind: type[EngineError]
):
    error = refusal(status, content + b" secret words")
    assert type(error) is kind
    assert "secret" not in error.message


@pytest.mark.parametrize(
    ("answer", "tokens"),
    [
        ({"data": [{"id": "other", "max_model_len": 1}, {"id": "m", "max_model_len": 32}]}, 32),
        ({"data": [{"id": "m", "meta": {"n_ctx": 16, "n_ctx_train": 64}}]}, 16),
        ({"data": [{"id": "m", "meta": {"n_ctx_train": 64}}]}, 64),
        ({"data": [{"id": "m", "max_context_length": 128}]}, 128),
        ({"data": [{"id": "path/of/one/model", "max_model_len": 8}]}, 8),
        ({"data": [{"id": "m", "meta": None, "max_model_len": "8"}]}, None),
        ({"data": [{"id": "m", "max_model_len": 0}]}, None),
        ({"data": []}, None),
        ({"data": 3}, None),
        ([], None),
    ],
)
def test_the_context_length_is_read_where_the_server_says_it(answer: Any, tokens: int | None):
    assert context_tokens_of(httpx.Response(200, json=answer), "m") == tokens


def test_answers_that_are_no_json_say_nothing():
    page = httpx.Response(200, text="<html>")
    assert context_tokens_of(page, "m") is None
    assert counted_tokens(page) is None


def test_both_forms_of_tokenize_are_read():
    assert counted_tokens(httpx.Response(200, json={"count": 4, "tokens": [1]})) == 4
    assert counted_tokens(httpx.Response(200, json={"tokens": [1, 2]})) == 2
    assert counted_tokens(httpx.Response(404, json={"tokens": [1, 2]})) is None


def test_the_estimate_is_never_too_low():
    assert estimated_tokens("") == 0
    assert estimated_tokens("anticonstitutionnellement") == 13
    assert estimated_tokens("12345") == 5, "Mistral's vocabularies have single digits only"
    assert estimated_tokens("会議") == 6, "bytes, where a vocabulary lacks the character"
