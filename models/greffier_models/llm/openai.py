"""Text generation by a server that speaks OpenAI's protocol: vLLM, SGLang, Mistral's, llama-server.

Protocol: ``POST /v1/chat/completions`` with ``stream``
(https://platform.openai.com/docs/api-reference/chat); structured output by ``response_format``.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from greffier_models.errors import EngineError, EngineTimeout, EngineUnavailable, PromptTooLong
from greffier_models.llm.answers import (
    context_tokens_of,
    counted_tokens,
    decode_chunk,
    estimated_tokens,
    refusal,
    request_body,
)
from greffier_models.llm.deadlines import Deadline
from greffier_models.llm.hosts import checked_base_url
from greffier_models.llm.slots import Slots
from greffier_models.llm.sse import DONE, payloads
from greffier_models.llm.watching import watched
from greffier_models.types import (
    EngineIdentity,
    GenerationOptions,
    GeneratorCapabilities,
    Prompt,
    TextPiece,
)

if TYPE_CHECKING:
    import httpx

__all__ = ["DEFAULT_CONTEXT_TOKENS", "DEFAULT_SILENCE_S", "ApiKey", "OpenAIGenerator"]

DEFAULT_CONTEXT_TOKENS = 8192
"""Assumed where neither the caller nor the server says."""
DEFAULT_SILENCE_S = 60.0

_OK = 200
_RETRY_PAUSES_S = (0.2, 1.0)
_PROBE_S = 10.0

Sleep = Callable[[float], Awaitable[None]]


class ApiKey:
    """A secret that does not show in logs and tracebacks."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "ApiKey('***')"

    def get_secret_value(self) -> str:
        """The key itself."""
        return self._value


class OpenAIGenerator:
    """A model behind an OpenAI-compatible server.

    Args:
        base_url: up to and with ``/v1``.
        model: name the server knows.
        api_key: sent as bearer token.
        allowed_hosts: hosts beside loopback that texts may go to, ``llm.example`` or with a port.
        context_tokens: prompt and answer; None = what the server says of its model.
        parallel: generations at once; from two on, one place is kept for priority 0.
        connect_timeout_s: for the connection alone; answers have `GenerationOptions.timeout_s`.
        silence_timeout_s: a server that accepts and then sends nothing for so long is given up;
            it covers the reading of the prompt, which is long on a processor.
        sleep: awaited between attempts; tests give their own.

    Raises:
        EngineError: the address is neither loopback nor allowed.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str | ApiKey | None = None,
        allowed_hosts: Iterable[str] = (),
        context_tokens: int | None = None,
        parallel: int = 8,
        connect_timeout_s: float = 5.0,
        silence_timeout_s: float = DEFAULT_SILENCE_S,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._base_url = checked_base_url(base_url, allowed_hosts=allowed_hosts)
        self._model = model
        self._key = ApiKey(api_key) if isinstance(api_key, str) else api_key
        self._connect_timeout_s = connect_timeout_s
        self._silence_timeout_s = silence_timeout_s
        self._sleep = sleep
        self._slots = Slots(parallel)
        self._counts = True
        self._probed = context_tokens is not None
        self._probing = asyncio.Lock()
        self._connecting: asyncio.Future[httpx.AsyncClient] | None = None
        self._closed = False
        self._capabilities = GeneratorCapabilities(
            context_tokens=context_tokens or DEFAULT_CONTEXT_TOKENS,
            identity=EngineIdentity("openai", model, digest="", settings=self._base_url),
            parallel=parallel,
            local=False,
        )

    @property
    def capabilities(self) -> GeneratorCapabilities:
        """Context length (the server's own, once it was asked) and identity."""
        return self._capabilities

    async def start(self) -> None:
        """Ask the server for its models, to find errors early and to learn the context length.

        Raises:
            EngineUnavailable: nothing answers.
            EngineError: the server refuses the key.
        """
        await self._probe(Deadline(_PROBE_S))

    def generate(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AbstractAsyncContextManager[AsyncIterator[TextPiece]]:
        """Stream the continuation of `prompt`; see `TextGenerator`.

        A refused connection and a server that is busy are tried again, before the first piece only.
        """
        return aclosing(watched(self._pieces(prompt, options), options))

    async def count_tokens(self, text: str) -> int:
        """Tokens of `text` by the server's tokeniser, or an upper estimate where it has none."""
        if not self._counts:
            return estimated_tokens(text)
        root = self._base_url.removesuffix("/v1")
        # One body for vLLM (`prompt`) and llama-server (`content`); each ignores the other's field.
        body = {"model": self._model, "prompt": text, "content": text}
        response = await self._ask("POST", f"{root}/tokenize", Deadline(_PROBE_S), json=body)
        count = counted_tokens(response)
        self._counts = count is not None
        return estimated_tokens(text) if count is None else count

    async def close(self) -> None:
        """Stop what runs and close the connections."""
        self._closed = True
        self._slots.close()
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            await (await connecting).aclose()

    async def _pieces(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AsyncGenerator[TextPiece, None]:
        deadline = Deadline(options.timeout_s)
        async with deadline.entered(self._slots.hold(priority=options.priority)):
            if not self._probed:
                await self._probe(deadline)
            if options.max_tokens >= self._capabilities.context_tokens:
                raise PromptTooLong(
                    f"{options.max_tokens} tokens of answer leave no room for a prompt: the model "
                    f"has {self._capabilities.context_tokens}."
                )
            body = request_body(self._model, prompt, options)
            response = await self._opened(body, deadline)
            async with aclosing(response), aclosing(_decoded(response, deadline)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _opened(self, body: dict[str, Any], deadline: Deadline) -> "httpx.Response":
        """Send the request; return the response whose stream has begun."""
        client = await self._connected()
        import httpx  # by now it is there

        pauses_s = iter(_RETRY_PAUSES_S)
        while True:
            request = client.build_request("POST", f"{self._base_url}/chat/completions", json=body)
            try:
                response = await deadline.run(client.send(request, stream=True))
                if response.status_code == _OK:
                    return response
                async with aclosing(response):
                    failure = refusal(response.status_code, await deadline.run(response.aread()))
            except httpx.HTTPError as error:
                failure = _translated(error)
            pause_s = next(pauses_s, None)
            if pause_s is None or not isinstance(failure, EngineUnavailable):
                raise failure
            await deadline.run(self._sleep(pause_s))

    async def _probe(self, deadline: Deadline) -> None:
        async with deadline.entered(self._probing):
            response = await self._ask("GET", f"{self._base_url}/models", deadline)
            if response.status_code in (401, 403):
                raise refusal(response.status_code, response.content)
            if self._probed:
                return
            self._probed = True
            tokens = context_tokens_of(response, self._model)
            if tokens is not None:
                self._capabilities = replace(self._capabilities, context_tokens=tokens)

    async def _ask(
        self, method: str, url: str, deadline: Deadline, *, json: dict[str, Any] | None = None
    ) -> "httpx.Response":
        client = await self._connected()
        import httpx  # by now it is there

        try:
            return await deadline.run(client.request(method, url, json=json))
        except httpx.HTTPError as error:
            raise _translated(error) from error

    async def _connected(self) -> "httpx.AsyncClient":
        if self._closed:
            raise EngineUnavailable("The language model was closed.")
        if self._connecting is None:
            self._connecting = asyncio.ensure_future(asyncio.to_thread(self._new_client))
        return await asyncio.shield(self._connecting)

    def _new_client(self) -> "httpx.AsyncClient":
        import httpx  # this and the certificates take a tenth of a second: not on the event loop

        headers: dict[str, str] = {}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
        return httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(
                None, connect=self._connect_timeout_s, read=self._silence_timeout_s
            ),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=8),
            follow_redirects=False,  # a redirect could lead to a host that is not allowed
            trust_env=False,  # and so could a proxy
        )


async def _decoded(
    response: "httpx.Response", deadline: Deadline
) -> AsyncGenerator[TextPiece, None]:
    """Yield the pieces of a streamed answer; the finishing one last, with the counts."""
    import httpx

    last: TextPiece | None = None
    try:
        async with aclosing(payloads(response, deadline)) as events:
            async for event in events:
                if event == DONE:
                    break
                piece = decode_chunk(event)
                if piece.finish is not None:
                    last = replace(piece, text=piece.text + (last.text if last else ""))
                elif last is not None:  # the counts come in a chunk of their own, after the end
                    last = replace(
                        last,
                        prompt_tokens=piece.prompt_tokens or last.prompt_tokens,
                        generated_tokens=piece.generated_tokens or last.generated_tokens,
                    )
                elif piece.text:
                    yield piece
    except httpx.HTTPError as error:
        raise _translated(error) from error
    if last is None:
        raise EngineUnavailable("The language model server broke off in the middle of its answer.")
    yield last


def _translated(error: "httpx.HTTPError") -> EngineError:
    import httpx

    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        return EngineUnavailable("The language model server cannot be reached.")
    if isinstance(error, httpx.TimeoutException):
        return EngineTimeout("The language model server does not answer.")
    return EngineUnavailable("The connection to the language model server was lost.")
