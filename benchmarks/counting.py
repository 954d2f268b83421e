"""A language model whose prompts and answers are counted, and one that needs no weights."""

import json
import re
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from greffier_models.protocols import TextGenerator
from greffier_models.types import (
    EngineIdentity,
    GenerationOptions,
    GeneratorCapabilities,
    Prompt,
    TextPiece,
)

__all__ = ["CountedGenerator", "PatientGenerator", "QuotingGenerator"]

_PATIENCE_S = 3_600.0


class CountedGenerator:
    """Passes everything on, and counts.

    Args:
        inner: the model; whoever opened it closes it.
    """

    def __init__(self, inner: TextGenerator) -> None:
        self._inner = inner
        self.running = 0
        self.prompts = 0
        self.prompt_tokens = 0
        self.longest_prompt = 0
        self.answer_tokens = 0
        self.answers: deque[str] = deque(maxlen=8)
        """The last ones."""

    @property
    def capabilities(self) -> GeneratorCapabilities:
        """Those of the model."""
        return self._inner.capabilities

    def generate(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AbstractAsyncContextManager[AsyncIterator[TextPiece]]:
        """Generate as the model does."""
        return self._generation(prompt, options)

    async def count_tokens(self, text: str) -> int:
        """As the model counts."""
        return await self._inner.count_tokens(text)

    async def close(self) -> None:
        """The model is somebody else's to close."""

    @asynccontextmanager
    async def _generation(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AsyncGenerator[AsyncIterator[TextPiece]]:
        said: list[str] = []

        async def counted(pieces: AsyncIterator[TextPiece]) -> AsyncIterator[TextPiece]:
            async for piece in pieces:
                said.append(piece.text)
                yield piece

        self.running += 1
        try:
            async with self._inner.generate(prompt, options) as pieces:
                yield counted(pieces)
            asked = "\n".join(message.content for message in prompt.messages)
            tokens = await self._inner.count_tokens(asked)
            answer = "".join(said)
            self.answers.append(answer)
            self.prompts += 1
            self.prompt_tokens += tokens
            self.longest_prompt = max(self.longest_prompt, tokens)
            self.answer_tokens += await self._inner.count_tokens(answer)
        finally:
            self.running -= 1


class PatientGenerator:
    """Lets answers take their time: on a busy machine a good model must not look like a bad one.

    Args:
        inner: the model; whoever opened it closes it.
    """

    def __init__(self, inner: TextGenerator) -> None:
        self._inner = inner

    @property
    def capabilities(self) -> GeneratorCapabilities:
        """Those of the model."""
        return self._inner.capabilities

    def generate(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AbstractAsyncContextManager[AsyncIterator[TextPiece]]:
        """Generate as the model does, with an hour for each answer."""
        return self._inner.generate(prompt, replace(options, timeout_s=_PATIENCE_S))

    async def count_tokens(self, text: str) -> int:
        """As the model counts."""
        return await self._inner.count_tokens(text)

    async def close(self) -> None:
        """The model is somebody else's to close."""


class QuotingGenerator:
    """Notes every third sentence word for word: what minutes cost beside the model's own work."""

    @property
    def capabilities(self) -> GeneratorCapabilities:
        """A small context, as small models have."""
        return GeneratorCapabilities(
            context_tokens=4096, identity=EngineIdentity("quoting", "rule", "")
        )

    def generate(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AbstractAsyncContextManager[AsyncIterator[TextPiece]]:
        """Answer at once."""
        return self._answer(prompt, options)

    async def count_tokens(self, text: str) -> int:
        """About as many as a tokenizer finds."""
        return len(text) // 4

    async def close(self) -> None:
        """There is nothing to close."""

    @asynccontextmanager
    async def _answer(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AsyncGenerator[AsyncIterator[TextPiece]]:
        lines = re.findall(
            r"^\[(\d+)\] (?:[^:\n]{1,40}: )?(.+)$", prompt.messages[-1].content, re.M
        )
        given = (options.schema or {}).get("properties", {})
        if "items" in given:
            chosen = lines[::3]
            items = [
                {"cites": [int(number)], "kind": "point", "text": text[:180]}
                for number, text in chosen
            ]
            answer = json.dumps({"items": items})
        elif "summary" in given:
            sentences = [{"cites": [int(number)], "text": text[:280]} for number, text in lines[:3]]
            answer = json.dumps({"title": "Talk", "summary": sentences})
        else:
            numbers = [int(number) for number in re.findall(r"^\[(\d+)\]", _asked(prompt), re.M)]
            answer = json.dumps({"readings": [{"n": n, "holds": True} for n in numbers]})

        async def pieces() -> AsyncIterator[TextPiece]:
            yield TextPiece(answer, finish="stop")

        yield pieces()


def _asked(prompt: Prompt) -> str:
    return prompt.messages[-1].content
