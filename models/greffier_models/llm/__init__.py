"""Language models: llama.cpp on this machine, or any server that speaks OpenAI's protocol."""

from collections.abc import Iterable
from pathlib import Path

from greffier_models.llm.llama import LlamaGenerator
from greffier_models.llm.openai import DEFAULT_SILENCE_S, ApiKey, OpenAIGenerator
from greffier_models.types import EngineIdentity

__all__ = ["ApiKey", "LlamaGenerator", "OpenAIGenerator", "connect_openai", "load_llama"]


def load_llama(
    path: Path,
    *,
    context_tokens: int = 8192,
    parallel: int = 2,
    threads: int | None = None,
    gpu_layers: int = -1,
    identity: EngineIdentity | None = None,
) -> LlamaGenerator:
    """Return a generator over a GGUF file; nothing is read before `start` or the first use."""
    return LlamaGenerator(
        path,
        context_tokens=context_tokens,
        parallel=parallel,
        threads=threads,
        gpu_layers=gpu_layers,
        identity=identity,
    )


def connect_openai(
    base_url: str,
    model: str,
    *,
    api_key: str | ApiKey | None = None,
    allowed_hosts: Iterable[str] = (),
    context_tokens: int | None = None,
    parallel: int = 8,
    silence_timeout_s: float = DEFAULT_SILENCE_S,
) -> OpenAIGenerator:
    """Return a generator over an OpenAI-compatible server; nothing is asked before the first use.

    Raises:
        EngineError: the address is neither loopback nor among `allowed_hosts`.
    """
    return OpenAIGenerator(
        base_url,
        model,
        api_key=api_key,
        allowed_hosts=allowed_hosts,
        context_tokens=context_tokens,
        parallel=parallel,
        silence_timeout_s=silence_timeout_s,
    )
