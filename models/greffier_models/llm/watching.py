"""A watch over answers that must be JSON, for engines that drop a schema without a word."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from greffier_models.errors import EngineError
from greffier_models.types import GenerationOptions, TextPiece

__all__ = ["watched"]

_JSON_STARTS = '{["-0123456789tfn'


async def watched(
    pieces: AsyncGenerator[TextPiece, None], options: GenerationOptions
) -> AsyncGenerator[TextPiece, None]:
    """Yield `pieces`; where a schema was asked for, only as long as they can be JSON.

    llama.cpp's grammar engine generates freely when it cannot compile a schema (unknown types,
    ``not``, a broken pattern), and servers may not know `response_format`: either shows at the
    first character, or at the latest at the end. Whether the JSON satisfies the schema is left to
    whoever reads it.

    Raises:
        EngineError: the answer is not JSON.
    """
    text = ""
    async with aclosing(pieces):
        async for piece in pieces:
            if options.schema is not None:
                text += piece.text
                _check(text.lstrip(), ended=piece.finish == "stop" and not options.stop)
            yield piece


def _check(text: str, *, ended: bool) -> None:
    failed = text[:1] not in _JSON_STARTS
    if ended and not failed:
        try:
            json.loads(text)
        except ValueError:
            failed = True
    if failed:
        raise EngineError(
            "The language model does not keep to the JSON schema: it may use a keyword that the "
            "engine does not know."
        )
