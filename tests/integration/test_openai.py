import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import jsonschema
import pytest
import pytest_asyncio
from blockbuster import blockbuster_ctx

from greffier_models.errors import EngineError, EngineTimeout, EngineUnavailable, PromptTooLong
from greffier_models.llm import ApiKey, OpenAIGenerator, connect_openai
from greffier_models.protocols import TextGenerator
from greffier_models.types import ChatMessage, GenerationOptions, Prompt, TextPiece
from tests.support.llama_http import llama_http_server
from tests.support.toys import MISTRAL_CONTEXT_TOKENS, toy_mistral_gguf

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

KEY = "key-of-the-test"
PROMPT = Prompt((ChatMessage("user", "hello"),))
SHORT = GenerationOptions(max_tokens=8)


async def answer(
    generator: TextGenerator, options: GenerationOptions = SHORT, prompt: Prompt = PROMPT
) -> tuple[str, list[TextPiece]]:
    async with generator.generate(prompt, options) as stream:
        pieces = [piece async for piece in stream]
    return "".join(piece.text for piece in pieces), pieces


# A real server: llama.cpp's own, with a toy model.


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = toy_mistral_gguf(tmp_path_factory.mktemp("toy"), vocabulary_size=8192).gguf
    with llama_http_server(path, key=KEY) as base_url:
        yield base_url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def generator(server: str) -> AsyncIterator[OpenAIGenerator]:
    generator = connect_openai(server, "toy", api_key=KEY)
    yield generator
    await generator.close()


async def test_streams_from_llama_cpps_server(generator: OpenAIGenerator):
    with blockbuster_ctx():
        text, pieces = await answer(generator, GenerationOptions(max_tokens=30))
    assert text
    assert len(pieces) > 5
    assert all(piece.finish is None for piece in pieces[:-1])
    assert pieces[-1].finish == "length"
    assert pieces[-1].generated_tokens == 30
    assert pieces[-1].prompt_tokens > 1


async def test_the_context_length_is_the_servers(generator: OpenAIGenerator):
    await generator.start()
    assert generator.capabilities.context_tokens == MISTRAL_CONTEXT_TOKENS
    assert not generator.capabilities.local


async def test_the_schema_is_enforced(generator: OpenAIGenerator):
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["a", "b"]}, "count": {"type": "integer", "maximum": 9}},
        "required": ["kind", "count"],
        "additionalProperties": False,
    }
    options = GenerationOptions(max_tokens=200, temperature=1.0, seed=5, schema=schema)
    text, _ = await answer(generator, options)
    jsonschema.validate(json.loads(text), schema)


async def test_seed_and_stop_reach_the_server(generator: OpenAIGenerator):
    options = [GenerationOptions(max_tokens=20, temperature=1.0, seed=seed) for seed in (1, 1, 2)]
    first, again, other = [(await answer(generator, option))[0] for option in options]
    assert first == again != other
    mark = first[5:8]
    stopping = GenerationOptions(max_tokens=20, temperature=1.0, seed=1, stop=(mark,))
    text, pieces = await answer(generator, stopping)
    assert mark not in text
    assert pieces[-1].finish == "stop"


async def test_tokens_are_counted_by_the_server(generator: OpenAIGenerator):
    assert await generator.count_tokens("") == 0
    assert 1 <= await generator.count_tokens("hello world") <= 11


async def test_a_prompt_beyond_the_context_is_refused(generator: OpenAIGenerator):
    long = Prompt((ChatMessage("user", "mot " * 5000),))
    with pytest.raises(PromptTooLong):
        await answer(generator, SHORT, long)
    with pytest.raises(PromptTooLong):
        await answer(generator, GenerationOptions(max_tokens=MISTRAL_CONTEXT_TOKENS))


async def test_a_wrong_key_is_refused_and_never_shown(
    server: str, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    generator = connect_openai(server, "toy", api_key=ApiKey("wrong-key"))
    with pytest.raises(EngineError, match="key") as caught:
        await answer(generator)
    assert not caught.value.retryable
    assert "wrong-key" not in f"{caught.value!r} {vars(generator)!r}"
    assert not [record for record in caplog.records if "wrong-key" in record.getMessage()]
    await generator.close()


# Servers that misbehave, byte for byte.

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HEADERS = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
HELLO = 'data: {"choices": [{"delta": {"content": "hello"}}]}\n\n'
STOP = 'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'
DONE = "data: [DONE]\n\n"


class Scripted:
    """Answers each completion with the next of its scripts (the last one again and again)."""

    def __init__(self, *scripts: str | None) -> None:
        self._scripts = list(scripts)
        self.requests: list[str] = []
        self.left = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.requests.append(head.split("\r\n")[0])
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        if script is None:
            return
        writer.write(script.encode())
        await writer.drain()
        if script.endswith("…"):
            while await reader.read(4096):
                pass
            self.left.set()


@asynccontextmanager
async def serving(handler: Handler) -> AsyncGenerator[str, None]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/v1"


async def no_sleep(seconds: float) -> None:
    await asyncio.sleep(0)


@asynccontextmanager
async def connected(script: Scripted) -> AsyncGenerator[OpenAIGenerator, None]:
    async with serving(script) as base_url:
        generator = OpenAIGenerator(base_url, "m", context_tokens=100, sleep=no_sleep)
        yield generator
        await generator.close()


def status(code: int, body: str = "{}") -> str:
    return f"HTTP/1.1 {code} x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n{body}"


USAGE = 'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}\n\n'


@pytest.mark.parametrize(
    "script",
    [
        HEADERS + HELLO + STOP + USAGE + DONE,
        HEADERS + HELLO + STOP + USAGE,
        HEADERS + ": ping\n\n" + HELLO + STOP.replace("{}", "null") + USAGE + DONE,
    ],
)
async def test_streams_that_are_good(script: str):
    async with connected(Scripted(script)) as generator:
        text, pieces = await answer(generator)
    assert text == "hello"
    assert pieces[-1] == TextPiece("", "stop", prompt_tokens=3, generated_tokens=1)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (HEADERS + HELLO + "data: {broken\n\n" + DONE, EngineError),
        (HEADERS + HELLO + 'data: {"error": {"message": "x"}}\n\n', EngineError),
        (HEADERS + HELLO + DONE, EngineUnavailable),
        (HEADERS + HELLO, EngineUnavailable),
        (HEADERS + HELLO + STOP[:-10], EngineUnavailable),
        (
            HEADERS.replace("Connection", "Content-Length: 999\r\nConnection") + HELLO,
            EngineUnavailable,
        ),
        (HEADERS + "<html>not a stream</html>\n\n", EngineUnavailable),
        (HEADERS + "data: " + "x" * 1_100_000, EngineError),
    ],
)
async def test_streams_that_break_are_errors_and_not_repeated(
    script: str, error: type[EngineError]
):
    scripted = Scripted(script)
    async with connected(scripted) as generator:
        with pytest.raises(error) as caught:
            await answer(generator)
        assert type(caught.value) is error
    assert len(scripted.requests) == 1, "text may have been shown: the caller decides"


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (status(400), EngineError),
        (status(404), EngineError),
        (status(307).replace("\r\n", "\r\nLocation: http://10.0.0.1/\r\n", 1), EngineError),
        (status(400, '{"error": {"code": "context_length_exceeded"}}'), PromptTooLong),
        (status(504), EngineTimeout),
    ],
)
async def test_refusals_are_errors_at_once(script: str, error: type[EngineError]):
    scripted = Scripted(script)
    async with connected(scripted) as generator:
        with pytest.raises(error) as caught:
            await answer(generator)
        assert type(caught.value) is error
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("trouble", [status(503), status(429), None])
async def test_what_may_pass_is_tried_again_before_the_first_piece(trouble: str | None):
    scripted = Scripted(trouble, trouble, HEADERS + HELLO + STOP + DONE)
    async with connected(scripted) as generator:
        assert (await answer(generator))[0] == "hello"
    assert len(scripted.requests) == 3
    hopeless = Scripted(trouble)
    async with connected(hopeless) as generator:
        with pytest.raises(EngineUnavailable):
            await answer(generator)
    assert len(hopeless.requests) == 3


async def test_nothing_listens():
    async with serving(Scripted(None)) as base_url:
        pass
    generator = OpenAIGenerator(base_url, "m", sleep=no_sleep)
    for call in (answer(generator), generator.start(), generator.count_tokens("x")):
        with pytest.raises(EngineUnavailable):
            await call
    await generator.close()


@pytest.mark.parametrize("script", ["…", HEADERS + "…", HEADERS + HELLO + "…"])
async def test_a_slow_server_meets_the_deadline(script: str):
    scripted = Scripted(script)
    async with connected(scripted) as generator:
        with pytest.raises(EngineTimeout):
            await answer(generator, GenerationOptions(max_tokens=8, timeout_s=0.1))
        await scripted.left.wait()


async def test_leaving_hangs_up():
    scripted = Scripted(HEADERS + HELLO + "…")
    async with connected(scripted) as generator:
        async with generator.generate(PROMPT, SHORT) as stream:
            assert (await anext(stream)).text == "hello"
        await asyncio.wait_for(scripted.left.wait(), 30)


async def test_an_answer_that_ignores_the_schema_is_an_error():
    async with connected(Scripted(HEADERS + HELLO + STOP + DONE)) as generator:
        with pytest.raises(EngineError, match="schema"):
            await answer(generator, GenerationOptions(max_tokens=8, schema={"type": "object"}))


async def test_without_a_tokeniser_tokens_are_estimated_and_it_is_asked_once():
    scripted = Scripted(status(404))
    async with connected(scripted) as generator:
        assert await generator.count_tokens("bonjour") == 4
        assert await generator.count_tokens("1234") == 4
    assert scripted.requests == ["POST /tokenize HTTP/1.1"]


async def test_closed_is_closed():
    generator = OpenAIGenerator("http://127.0.0.1:9/v1", "m")
    await generator.close()
    for call in (answer(generator), generator.start(), generator.count_tokens("x")):
        with pytest.raises(EngineUnavailable):
            await call
    await generator.close()


async def test_other_hosts_are_refused_when_it_is_made():
    with pytest.raises(EngineError):
        connect_openai("https://api.example/v1", "m")
    assert connect_openai("https://api.example/v1", "m", allowed_hosts=["api.example"])
