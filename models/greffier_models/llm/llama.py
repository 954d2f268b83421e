"""Text generation by llama.cpp on this machine, in a process that gives way to everything else."""

import asyncio
import json
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from greffier_models.errors import EngineError, EngineUnavailable, PromptTooLong
from greffier_models.llm.deadlines import Deadline
from greffier_models.llm.fields import at, integer_at, text_at
from greffier_models.llm.gguf import GgufHeader, read_gguf_header
from greffier_models.llm.process import WorkerProcess, WorkerSettings
from greffier_models.llm.pulse import Pulse
from greffier_models.llm.rendering import Ask, render_prompt, tokenize
from greffier_models.llm.slots import Slots
from greffier_models.llm.sse import payloads
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

__all__ = ["URGENT_TOKENS", "LlamaGenerator"]

_logger = logging.getLogger(__name__)

_PULSE_S = 5.0
_PULSE_ANSWERS = 2
"""Times as long for an answer: the process has the lowest priority, and others may have work."""
_COUNT_S = 120.0
"""For counting tokens, with the loading of the model before the first."""

URGENT_TOKENS = 1024
"""Room in the key-value cache that only priority 0 may use, for each slot beyond the first."""


@dataclass(frozen=True, slots=True)
class _Running:
    process: WorkerProcess
    client: "httpx.AsyncClient"
    header: GgufHeader


class LlamaGenerator:
    """A GGUF model run by llama.cpp; loaded at the first use, or by `start`.

    The model lives in a child process: loading never holds this process up, a failed assertion in
    native code ends no session, and the whole of it runs at the lowest priority the system has.
    A child that died is started again by the next generation; one that lives and does not answer
    is ended first.

    Args:
        path: the GGUF file.
        context_tokens: prompt and answer of one generation; less where the model has less.
        parallel: generations at once; from two on, one slot is kept for priority 0.
        threads: of llama.cpp; None = as many as there are processors.
        gpu_layers: layers on a GPU, where xllamacpp was built for one; -1 = all.
        reuse_prompts: keep the state of prompts, so that a common beginning is read once. Sums are
            then made in another order, which can tip near-ties even at temperature 0; for the very
            same text each time set it to False, with `parallel=1`.
        identity: what is written into events; None = the file's name without a digest, and the
            engine's version once it is loaded.
        show_slots: let `slot_states` work, which shows prompts; for tests.
        pulse_s: between two looks whether the process answers, while somebody waits for it.
    """

    def __init__(
        self,
        path: Path,
        *,
        context_tokens: int = 8192,
        parallel: int = 2,
        threads: int | None = None,
        gpu_layers: int = -1,
        reuse_prompts: bool = True,
        identity: EngineIdentity | None = None,
        show_slots: bool = False,
        pulse_s: float = _PULSE_S,
    ) -> None:
        if context_tokens < 1:
            raise ValueError("context_tokens must be positive")
        self._path = path
        self._reuse_prompts = reuse_prompts
        self._identified = identity is not None
        self._settings = WorkerSettings(
            path=str(path),
            cache_tokens=context_tokens + URGENT_TOKENS * (parallel - 1),
            parallel=parallel,
            threads=threads or os.cpu_count() or 1,
            gpu_layers=gpu_layers,
            show_slots=show_slots,
        )
        self._slots = Slots(
            parallel,
            total_tokens=self._settings.cache_tokens,
            background_tokens=context_tokens,
        )
        self._capabilities = GeneratorCapabilities(
            context_tokens=context_tokens,
            identity=identity or EngineIdentity("llama-cpp", path.stem, digest=""),
            parallel=parallel,
        )
        self._pulse = Pulse(
            self._look, self._give_up, every_s=pulse_s, answer_s=_PULSE_ANSWERS * pulse_s
        )
        self._starting: asyncio.Task[_Running] | None = None
        self._process: WorkerProcess | None = None
        self._closed = False

    @property
    def capabilities(self) -> GeneratorCapabilities:
        """Context length (the model's own limit is known once it is loaded) and identity."""
        return self._capabilities

    @property
    def pid(self) -> int | None:
        """Of the process that runs the model, while it runs."""
        process = self._process
        return process.pid if process is not None and process.alive else None

    @property
    def running(self) -> int:
        """Generations that hold a slot."""
        return self._slots.running

    async def start(self) -> None:
        """Load the model now instead of at the first use.

        Raises:
            WeightsMissing: no such file.
            WeightsCorrupt: not a GGUF file.
            EngineError: llama.cpp cannot load it.
            EngineUnavailable: the engine was closed.
        """
        await self._ready()

    def generate(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AbstractAsyncContextManager[AsyncIterator[TextPiece]]:
        """Stream the continuation of `prompt`; see `TextGenerator`.

        `options.timeout_s` counts from the first piece asked for, with the time in the queue.
        """
        return aclosing(watched(self._pieces(prompt, options), options))

    async def count_tokens(self, text: str) -> int:
        """Tokens of `text` in this model's vocabulary."""
        deadline = Deadline(_COUNT_S)
        running = await deadline.run(self._ready())
        async with self._pulse.watched():
            return len(await deadline.run(tokenize(text, ask=_asker(running), plain=True)))

    async def prompt_tokens(self, prompt: Prompt) -> list[int]:
        """The tokens that `generate` would show the model."""
        running = await self._ready()
        specials = running.header.special_texts
        return await render_prompt(prompt, ask=_asker(running), special_texts=specials)

    async def slot_states(self) -> list[dict[str, Any]]:
        """What llama.cpp says of its slots (only with `show_slots`)."""
        running = await self._ready()
        response = await running.client.get("/slots")
        states: list[dict[str, Any]] = response.json()
        return states

    async def close(self) -> None:
        """Stop what runs, end the process and free the model."""
        self._closed = True
        self._slots.close()
        process, starting = self._process, self._starting
        if process is not None:
            await asyncio.to_thread(process.stop)
        if starting is not None:
            results = await asyncio.gather(starting, return_exceptions=True)
            for running in results:
                if isinstance(running, _Running):
                    await running.client.aclose()
        self._starting = None

    async def _pieces(
        self, prompt: Prompt, options: GenerationOptions
    ) -> AsyncGenerator[TextPiece, None]:
        deadline = Deadline(options.timeout_s)
        await deadline.run(self._ready())
        asked = self._asked(prompt, options, deadline)
        async with self._pulse.watched(), aclosing(asked) as pieces:
            async for piece in pieces:
                yield piece

    async def _asked(
        self, prompt: Prompt, options: GenerationOptions, deadline: Deadline
    ) -> AsyncGenerator[TextPiece, None]:
        tokens = await deadline.run(self.prompt_tokens(prompt))
        needed = len(tokens) + options.max_tokens
        limit = self._capabilities.context_tokens
        if needed > limit:
            raise PromptTooLong(
                f"The prompt and its answer need {needed} tokens; the model has {limit}."
            )
        async with deadline.entered(self._slots.hold(priority=options.priority, tokens=needed)):
            running = await deadline.run(self._ready())
            body = _request_body(tokens, options) | {"cache_prompt": self._reuse_prompts}
            async with aclosing(_stream(running, body, deadline)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _look(self) -> None:
        """Ask the process that runs for a sign of life."""
        import httpx

        starting = self._starting
        if starting is None or not starting.done() or starting.cancelled():
            return  # it is loading, or nothing runs
        if starting.exception() is None:
            try:
                await starting.result().client.get("/health")
            except httpx.HTTPError as error:
                raise OSError from error

    async def _give_up(self) -> None:
        process = self._process
        if process is not None and process.alive:
            _logger.warning("the language model's process does not answer; it is ended")
            await asyncio.to_thread(process.kill)

    async def _ready(self) -> _Running:
        if self._closed:
            raise EngineUnavailable("The language model was closed.")
        starting, left = self._starting, None
        if starting is not None and starting.done():
            if starting.cancelled() or starting.exception() is not None:
                starting = None
            elif not starting.result().process.alive:
                _logger.warning("the language model's process died; it is started again")
                left, starting = starting.result().client, None
        if starting is None:
            starting = asyncio.create_task(self._start(left), name="llm-start")
            starting.add_done_callback(_retrieve)
            self._starting = starting
        return await asyncio.shield(starting)

    async def _start(self, left: "httpx.AsyncClient | None") -> _Running:
        """Start a process; `left` is the connection to one that died."""
        if left is not None:
            await left.aclose()
        before = self._process
        process = self._process = WorkerProcess(self._settings)
        if before is not None:
            await asyncio.to_thread(before.stop)
        header = await asyncio.to_thread(read_gguf_header, self._path)
        await asyncio.to_thread(process.start)
        await self._describe(header)
        client = await asyncio.to_thread(_connect, process)
        return _Running(process, client, header)

    async def _describe(self, header: GgufHeader) -> None:
        """Complete what can be known only now."""
        capabilities = self._capabilities
        trained = header.context_tokens or capabilities.context_tokens
        tokens = min(capabilities.context_tokens, trained)
        identity = capabilities.identity
        if not self._identified:
            engine = await asyncio.to_thread(_engine_name)
            identity = replace(identity, engine=engine, settings=f"ctx{tokens}")
        self._capabilities = replace(capabilities, context_tokens=tokens, identity=identity)


def _engine_name() -> str:
    try:
        return f"llama-cpp/{version('xllamacpp')}"
    except PackageNotFoundError:
        return "llama-cpp"


def _connect(process: WorkerProcess) -> "httpx.AsyncClient":
    import httpx  # for a tenth of a second: not on the event loop

    socket_path = process.address.removeprefix("unix://")
    on_socket = socket_path != process.address
    return httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(verify=False, uds=socket_path if on_socket else None),
        base_url="http://llama" if on_socket else process.address,
        headers={"Authorization": f"Bearer {process.key}"},
        timeout=None,  # noqa: S113 - every wait has the deadline of its generation
        # An idle kept-alive connection would hold one of the server's threads.
        limits=httpx.Limits(max_keepalive_connections=0),
        trust_env=False,
    )


def _retrieve(task: "asyncio.Task[_Running]") -> None:
    if not task.cancelled():
        task.exception()  # whoever waits gets it; nobody may


def _asker(running: _Running) -> Ask:
    import httpx

    async def ask(path: str, body: Mapping[str, Any]) -> object:
        try:
            response = await running.client.post(path, json=body)
        except httpx.HTTPError as error:
            raise _gone() from error
        answer: object = response.json() if response.is_success else None
        return answer

    return ask


def _request_body(tokens: list[int], options: GenerationOptions) -> dict[str, Any]:
    body: dict[str, Any] = {
        "prompt": tokens,
        "n_predict": options.max_tokens,
        "temperature": options.temperature,
        "seed": options.seed,
        "stop": list(options.stop),
        "stream": True,
    }
    if options.schema is not None:
        # White space is the one thing a schema leaves open without end.
        body["json_schema"] = {**options.schema, "x-guidance": {"whitespace_flexible": False}}
    return body


async def _stream(
    running: _Running, body: dict[str, Any], deadline: Deadline
) -> AsyncGenerator[TextPiece, None]:
    import httpx

    request = running.client.build_request("POST", "/completion", json=body)
    try:
        response = await deadline.run(running.client.send(request, stream=True))
        async with aclosing(response):
            if not response.is_success:
                raise await _refusal(response, deadline)
            async with aclosing(payloads(response, deadline)) as events:
                async for event in events:
                    piece = _piece(event)
                    yield piece
                    if piece.finish is not None:
                        return
    except httpx.HTTPError as error:
        raise _gone() from error
    raise _gone()


async def _refusal(response: "httpx.Response", deadline: Deadline) -> EngineError:
    await deadline.run(response.aread())
    if b"exceed_context_size_error" in response.content:
        return PromptTooLong("The prompt is longer than the model's context.")
    return EngineError("llama.cpp refused the request: its schema or its options are not usable.")


def _piece(payload: str) -> TextPiece:
    try:
        event: object = json.loads(payload)
    except ValueError as error:
        raise EngineError("llama.cpp sent an event that is malformed.") from error
    text = text_at(event, "content")
    if text is None:
        raise EngineError("llama.cpp failed while it generated.")
    if at(event, "stop") is not True:
        return TextPiece(text)
    return TextPiece(
        text,
        finish="length" if at(event, "stop_type") == "limit" else "stop",
        prompt_tokens=integer_at(event, "tokens_evaluated") or 0,
        generated_tokens=integer_at(event, "tokens_predicted") or 0,
    )


def _gone() -> EngineUnavailable:
    return EngineUnavailable("The language model's process ended; try again.")
