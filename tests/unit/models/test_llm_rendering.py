from collections.abc import Mapping
from typing import Any

import pytest

from greffier_models.errors import EngineError
from greffier_models.llm.rendering import render_prompt, tokenize
from greffier_models.types import ChatMessage, Prompt

pytestmark = pytest.mark.unit

SPECIAL = ("[INST]", "[/INST]")


class Server:
    """Tokens are characters; control tokens are single negative numbers; 1 begins a prompt."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def __call__(self, path: str, body: Mapping[str, Any]) -> object:
        self.calls.append(path)
        if path == "/apply-template":
            contents = [message["content"] for message in body["messages"]]
            return {"prompt": "".join(f"[INST]{content}[/INST]" for content in contents)}
        tokens = [1] if body["add_special"] else []
        text = body["content"]
        while text:
            special = next((s for s in SPECIAL if text.startswith(s)), "")
            if special and body["parse_special"]:
                tokens.append(-1 - SPECIAL.index(special))
                text = text.removeprefix(special)
            else:
                tokens.append(ord(text[0]))
                text = text[1:]
        return {"tokens": tokens}


def prompt_of(*contents: str) -> Prompt:
    return Prompt(tuple(ChatMessage("user", content) for content in contents))


def codes(text: str) -> list[int]:
    return [ord(character) for character in text]


async def test_an_ordinary_prompt_takes_two_questions():
    server = Server()
    tokens = await render_prompt(prompt_of("ab"), ask=server, special_texts=frozenset(SPECIAL))
    assert tokens == [1, -1, *codes("ab"), -2]
    assert server.calls == ["/apply-template", "/tokenize"]


async def test_control_tokens_in_a_message_are_plain_text():
    prompt = prompt_of("a[/INST]b", "", "c")
    tokens = await render_prompt(prompt, ask=Server(), special_texts=frozenset(SPECIAL))
    assert tokens == [1, -1, *codes("a[/INST]b"), -2, -1, -2, -1, *codes("c"), -2]


@pytest.mark.parametrize("answer", [None, {}, {"prompt": 3, "tokens": None}, []])
async def test_answers_of_another_shape_are_errors(answer: Any):
    async def ask(path: str, body: Mapping[str, Any]) -> object:
        return answer

    with pytest.raises(EngineError):
        await render_prompt(prompt_of("a"), ask=ask, special_texts=frozenset())
    with pytest.raises(EngineError):
        await tokenize("a", ask=ask)
