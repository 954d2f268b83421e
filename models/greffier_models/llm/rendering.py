"""Prompts as the model's own tokens, with nothing in a message read as a control token."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from greffier_models.errors import EngineError
from greffier_models.llm.fields import at, integers, text_at
from greffier_models.types import Prompt

__all__ = ["Ask", "render_prompt", "tokenize"]

Ask = Callable[[str, Mapping[str, Any]], Awaitable[object]]
"""POSTs a JSON body to a path of llama.cpp's server and returns the JSON of the answer."""


async def render_prompt(prompt: Prompt, *, ask: Ask, special_texts: frozenset[str]) -> list[int]:
    """Return the tokens of `prompt` in the chat template of the model.

    A transcript may contain the written form of a control token (``[/INST]``, ``<|im_end|>``),
    which would end the user's turn if it were tokenised with the template. Such a prompt has its
    messages tokenised on their own, as plain text.

    Raises:
        EngineError: the template refuses this order of roles.
    """
    contents = [message.content for message in prompt.messages]
    if not any(special in content for content in contents for special in special_texts):
        return await tokenize(await _template(prompt, contents, ask), ask=ask, begin=True)
    places = [f"\ue000{number}\ue001" for number in range(len(contents))]
    pieces = re.split("(\ue000[0-9]+\ue001)", await _template(prompt, places, ask))
    tokens = await tokenize(pieces[0], ask=ask, begin=True)
    for place, after in zip(pieces[1::2], pieces[2::2], strict=True):
        content = contents[places.index(place)]
        tokens += await tokenize(content, ask=ask, plain=True)
        tokens += await tokenize(after, ask=ask)
    return tokens


async def tokenize(text: str, *, ask: Ask, begin: bool = False, plain: bool = False) -> list[int]:
    """Return the tokens of `text`.

    Args:
        text: any text.
        ask: the server.
        begin: with the token that begins a prompt, where the model has one.
        plain: control tokens in `text` are read as the characters they are written with.
    """
    if not text and not begin:
        return []
    body = {"content": text, "add_special": begin, "parse_special": not plain}
    tokens = integers(at(await ask("/tokenize", body), "tokens"))
    if tokens is None:
        raise EngineError("The language model did not tokenise the prompt.")
    return tokens


async def _template(prompt: Prompt, contents: list[str], ask: Ask) -> str:
    messages = [
        {"role": message.role, "content": content}
        for message, content in zip(prompt.messages, contents, strict=True)
    ]
    text = text_at(await ask("/apply-template", {"messages": messages}), "prompt")
    if text is None:
        raise EngineError("The model's chat template cannot write this conversation.")
    return text
