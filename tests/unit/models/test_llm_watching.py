from collections.abc import AsyncGenerator

import pytest

from greffier_models.errors import EngineError
from greffier_models.llm.watching import watched
from greffier_models.types import GenerationOptions, TextPiece

pytestmark = pytest.mark.unit

JSON = GenerationOptions(schema={})


async def stream(*texts: str, finish: str = "stop") -> AsyncGenerator[TextPiece, None]:
    for text in texts:
        yield TextPiece(text)
    yield TextPiece("", finish="length" if finish == "length" else "stop")


async def read(pieces: AsyncGenerator[TextPiece, None], options: GenerationOptions) -> str:
    return "".join([piece.text async for piece in watched(pieces, options)])


@pytest.mark.parametrize("texts", [('{"a"', ": 1}"), ("", "\n", " [1]"), ("true",), ("-3",)])
async def test_json_passes(texts: tuple[str, ...]):
    assert await read(stream(*texts), JSON) == "".join(texts)


@pytest.mark.parametrize("texts", [("Sure! {}",), (" ", "</s>"), ("{", "oops"), ("{} {}",), ("",)])
async def test_other_text_is_an_error_where_a_schema_was_asked_for(texts: tuple[str, ...]):
    with pytest.raises(EngineError, match="schema"):
        await read(stream(*texts), JSON)
    assert await read(stream(*texts), GenerationOptions()) == "".join(texts)


async def test_json_cut_off_by_the_limit_is_the_readers_matter():
    assert await read(stream('{"a', finish="length"), JSON) == '{"a'
    stopped = GenerationOptions(schema={}, stop=("x",))
    assert await read(stream('{"a'), stopped) == '{"a'


async def test_the_source_is_closed_when_the_reader_leaves():
    source = stream("[", "1", "]")
    pieces = watched(source, JSON)
    await anext(pieces)
    await pieces.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(source)
