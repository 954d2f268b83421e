"""Runs one prompt to its end, trying again what may pass."""

from collections.abc import Awaitable, Callable, Sequence

from greffier_models.errors import EngineError, EngineTimeout
from greffier_models.protocols import TextGenerator
from greffier_models.types import GenerationOptions, Prompt

__all__ = ["RETRY_DELAYS_S", "Sleep", "complete"]

RETRY_DELAYS_S = (0.5, 2.0, 8.0)
"""Waits before a retryable engine error other than a timeout is tried again."""

Sleep = Callable[[float], Awaitable[None]]


async def complete(
    generator: TextGenerator,
    prompt: Prompt,
    options: GenerationOptions,
    *,
    sleep: Sleep,
    delays_s: Sequence[float] = RETRY_DELAYS_S,
    grown: Callable[[str], Awaitable[None]] | None = None,
) -> str:
    """Return the whole answer to `prompt`.

    Args:
        generator: the language model.
        prompt: what is asked.
        options: limits and priority.
        sleep: waits between attempts.
        delays_s: one wait for each further attempt after a retryable error but a timeout.
        grown: is given the text so far whenever it has grown.

    Raises:
        EngineError: not retryable, a timeout, or still there after the last attempt.
    """
    for delay_s in (*delays_s, None):
        try:
            return await _stream(generator, prompt, options, grown)
        except EngineError as error:
            # A timeout has used up the patience there is: four of them would hold a session up
            # for minutes.
            if delay_s is None or not error.retryable or isinstance(error, EngineTimeout):
                raise
            await sleep(delay_s)
    raise AssertionError  # the last attempt returns or raises


async def _stream(
    generator: TextGenerator,
    prompt: Prompt,
    options: GenerationOptions,
    grown: Callable[[str], Awaitable[None]] | None,
) -> str:
    answer = ""
    async with generator.generate(prompt, options) as pieces:
        async for piece in pieces:
            answer += piece.text
            if grown is not None and piece.text:
                await grown(answer)
    return answer
