import asyncio
import json
from collections.abc import AsyncIterator

import jsonschema
import psutil
import pytest
import pytest_asyncio

from greffier_models.llm import LlamaGenerator, connect_openai, load_llama
from greffier_models.protocols import TextGenerator
from greffier_models.types import ChatMessage, GenerationOptions, Prompt, TextPiece
from tests.support.llama_http import llama_http_server
from tests.support.weights import llm_path

pytestmark = [
    pytest.mark.models,
    pytest.mark.language_model,
    pytest.mark.asyncio(loop_scope="module"),
]

TRANSLATION = Prompt(
    (
        ChatMessage("system", "Translate the user's sentence into French. Write only that."),
        ChatMessage("user", "The patrol boat left the harbour at six."),
    )
)
SHORT = GenerationOptions(max_tokens=40)
GIB = 1 << 30


async def answer(
    generator: TextGenerator, prompt: Prompt, options: GenerationOptions
) -> tuple[str, TextPiece]:
    async with generator.generate(prompt, options) as stream:
        pieces = [piece async for piece in stream]
    return "".join(piece.text for piece in pieces), pieces[-1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def generator() -> AsyncIterator[LlamaGenerator]:
    generator = load_llama(await asyncio.to_thread(llm_path))
    await generator.start()
    yield generator
    await generator.close()


async def test_translates_a_sentence(generator: LlamaGenerator):
    text, last = await answer(generator, TRANSLATION, SHORT)
    assert "port" in text.lower()
    assert (last.finish, last.prompt_tokens) == (
        "stop",
        len(await generator.prompt_tokens(TRANSLATION)),
    )


async def test_writes_json_by_a_schema(generator: LlamaGenerator):
    item = {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "cites": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["text", "cites"],
        "additionalProperties": False,
    }
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}, "decisions": {"type": "array", "items": item}},
        "required": ["title", "decisions"],
        "additionalProperties": False,
    }
    prompt = Prompt(
        (
            ChatMessage("system", "Write the minutes as JSON; cite the numbers of the segments."),
            ChatMessage("user", "[1] We vote on the new boat.\n[2] It is decided: we buy it."),
        )
    )
    text, last = await answer(generator, prompt, GenerationOptions(max_tokens=150, schema=schema))
    assert last.finish == "stop"
    jsonschema.validate(json.loads(text), schema)


async def test_minutes_do_not_hold_up_a_translation(generator: LlamaGenerator):
    story = Prompt((ChatMessage("user", "Write a long story about a harbour."),))
    background = GenerationOptions(max_tokens=400, priority=2)
    async with generator.generate(story, background) as stream:
        await anext(stream)
        text, last = await answer(generator, TRANSLATION, SHORT)
        assert text
        assert last.finish == "stop"
        assert generator.running == 1
    assert generator.running == 0


async def test_the_whole_of_it_fits_into_3_gib(generator: LlamaGenerator):
    long = Prompt((ChatMessage("user", "The quay is long. " * 100),))
    await answer(generator, long, GenerationOptions(max_tokens=2))
    memory = psutil.Process(generator.pid).memory_info().rss
    assert memory < 3 * GIB, f"{memory / GIB:.2f} GiB"


async def test_the_same_model_behind_http():
    path = await asyncio.to_thread(llm_path)
    server = llama_http_server(path)
    base_url = await asyncio.to_thread(server.__enter__)
    try:
        generator = connect_openai(base_url, "qwen")
        text, last = await answer(generator, TRANSLATION, SHORT)
        assert "port" in text.lower()
        assert last.finish == "stop"
        assert last.generated_tokens > 3
        await generator.close()
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)
