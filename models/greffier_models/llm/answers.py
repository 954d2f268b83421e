"""Messages of OpenAI-compatible servers: what is sent, and what their answers mean."""

import json
from typing import TYPE_CHECKING, Any, cast

from greffier_models.errors import EngineError, EngineTimeout, EngineUnavailable, PromptTooLong
from greffier_models.llm.fields import at, integer_at, integers, text_at
from greffier_models.types import GenerationOptions, Prompt, TextPiece

if TYPE_CHECKING:
    import httpx

__all__ = [
    "context_tokens_of",
    "counted_tokens",
    "decode_chunk",
    "estimated_tokens",
    "refusal",
    "request_body",
]


def request_body(model: str, prompt: Prompt, options: GenerationOptions) -> dict[str, Any]:
    """Return the body of a chat completion."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": message.role, "content": message.content} for message in prompt.messages
        ],
        "max_tokens": options.max_tokens,
        "temperature": options.temperature,
        "seed": options.seed,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if options.stop:
        body["stop"] = list(options.stop)
    if options.schema is not None:
        described = {"name": "answer", "schema": options.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": described}
    return body


def decode_chunk(payload: str) -> TextPiece:
    """Read one chunk of a streamed completion.

    Raises:
        EngineError: not such a chunk, or an error the server reports in the stream.
    """
    try:
        chunk: object = json.loads(payload)
    except ValueError as error:
        raise EngineError("The language model server sent a chunk that is malformed.") from error
    if at(chunk, "error") is not None:
        raise EngineError("The language model server failed while it generated.")
    if not isinstance(at(chunk, "choices"), list):
        raise EngineError("The language model server sent a chunk that is malformed.")
    finish = text_at(chunk, "choices", 0, "finish_reason")
    return TextPiece(
        text_at(chunk, "choices", 0, "delta", "content") or "",
        finish=None if finish is None else ("length" if finish == "length" else "stop"),
        prompt_tokens=integer_at(chunk, "usage", "prompt_tokens") or 0,
        generated_tokens=integer_at(chunk, "usage", "completion_tokens") or 0,
    )


def refusal(status: int, content: bytes) -> EngineError:
    """Return what an answer that is not 200 means; its text may quote the prompt and is lost."""
    if status in (401, 403):
        return EngineError("The language model server refuses the API key.")
    if status == 404:
        return EngineError("The language model server does not know this model or address.")
    if status in (408, 504):
        return EngineTimeout("The language model server took too long.")
    if status == 429 or status >= 500:
        return EngineUnavailable(f"The language model server is not able to answer ({status}).")
    if status == 413 or _says_too_long(content):
        return PromptTooLong("The prompt and its answer are longer than the model's context.")
    return EngineError(f"The language model server refuses the request ({status}).")


def context_tokens_of(response: "httpx.Response", model: str) -> int | None:
    """Read the context length of `model` from the answer of ``/v1/models``.

    vLLM and SGLang say `max_model_len`; llama-server `meta.n_ctx` (that it runs with) and
    `meta.n_ctx_train` (the model's own); Mistral's API `max_context_length`.
    """
    entries = at(_json_of(response), "data")
    if not isinstance(entries, list):
        return None
    models = cast("list[object]", entries)
    named = [entry for entry in models if text_at(entry, "id") == model]
    for entry in named or models[:1]:
        for path in _CONTEXT_PATHS:
            tokens = integer_at(entry, *path)
            if tokens is not None and tokens > 0:
                return tokens
    return None


def counted_tokens(response: "httpx.Response") -> int | None:
    """Read the answer of a ``/tokenize``; None where the server has none."""
    if not response.is_success:
        return None
    answer = _json_of(response)
    tokens = integers(at(answer, "tokens"))
    count = integer_at(answer, "count")
    return count if count is not None or tokens is None else len(tokens)


def estimated_tokens(text: str) -> int:
    """Return more tokens than any current vocabulary makes of `text`.

    Letters and spaces in ASCII: two to a token at the worst of natural language. All else: as many
    as it has UTF-8 bytes, since digits and signs may stand alone and rare characters fall back to
    bytes.
    """
    letters = sum(1 for character in text if character.isascii() and _is_soft(character))
    return (letters + 1) // 2 + len(text.encode(errors="replace")) - letters


def _is_soft(character: str) -> bool:
    return character.isalpha() or character == " "


def _says_too_long(content: bytes) -> bool:
    marks = (b"exceed_context_size", b"context_length_exceeded", b"maximum context length")
    return any(mark in content for mark in marks)


def _json_of(response: "httpx.Response") -> object:
    try:
        answer: object = response.json()
    except ValueError:
        return None
    return answer


_CONTEXT_PATHS = (
    ("max_model_len",),
    ("max_context_length",),
    ("meta", "n_ctx"),
    ("meta", "n_ctx_train"),
)
