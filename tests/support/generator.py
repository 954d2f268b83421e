"""A text generator whose answers a test writes."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from greffier_models.types import (
    EngineIdentity,
    GenerationOptions,
    GeneratorCapabilities,
    Prompt,
    TextPiece,
)

__all__ = ["ScriptedGenerator"]

Answer = str | Exception


class ScriptedGenerator:
    """Answers from a list, in order, or from a function of the prompt; remembers what was asked.

    An exception in the place of an answer is raised. Answers stream word by word.
    """

    def __init__(self, answers: Iterable[Answer] | Callable[[Prompt], Answer]) -> None:
        self._answers = answers if callable(answers) else iter(list(answers))
        self.asked: list[tuple[Prompt, GenerationOptions]] = []
        self.running = 0
        self.most_running = 0

    @property
    def capabilities(self) -> GeneratorCapabilities:
        return GeneratorCapabilities(
            context_tokens=4096, identity=EngineIdentity("scripted", "script", "")
        )

    @property
    def prompts(self) -> Sequence[Prompt]:
        return [prompt for prompt, _ in self.asked]

    def generate(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AbstractAsyncContextManager[AsyncIterator[TextPiece]]:
        return self._generation(prompt, options)

    @asynccontextmanager
    async def _generation(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AsyncGenerator[AsyncIterator[TextPiece]]:
        self.asked.append((prompt, options))
        answer = self._answers(prompt) if callable(self._answers) else next(self._answers)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            yield self._pieces(answer)
        finally:
            self.running -= 1

    async def _pieces(self, answer: Answer) -> AsyncIterator[TextPiece]:
        if isinstance(answer, Exception):
            raise answer
        first, *rest = answer.split(" ")
        yield TextPiece(first)
        for word in rest:
            await asyncio.sleep(0)  # readers of the log get their turn, as with a real model
            yield TextPiece(" " + word)
        yield TextPiece("", finish="stop")

    async def count_tokens(self, text: str) -> int:
        return len(text) // 3

    async def close(self) -> None:
        return None
