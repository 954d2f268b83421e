"""A language model for work that can wait: what live sessions ask of it goes first."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from greffier_models.protocols import TextGenerator
from greffier_models.types import GenerationOptions, GeneratorCapabilities, Prompt, TextPiece

__all__ = ["InBackground"]

_PRIORITY = 2
"""As final minutes."""


class InBackground:
    """A generator whose every prompt waits behind those of live sessions."""

    def __init__(self, generator: TextGenerator) -> None:
        self._generator = generator

    @property
    def capabilities(self) -> GeneratorCapabilities:
        """As the generator's own."""
        return self._generator.capabilities

    def generate(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AbstractAsyncContextManager[AsyncIterator[TextPiece]]:
        """Stream the continuation, at a low priority."""
        return self._generator.generate(prompt, replace(options, priority=_PRIORITY))

    async def count_tokens(self, text: str) -> int:
        """As the generator's own."""
        return await self._generator.count_tokens(text)

    async def close(self) -> None:
        """Leave the generator running: it is shared."""
