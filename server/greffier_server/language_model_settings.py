"""Settings of the language model that translates and writes minutes."""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from greffier_server.access_settings import is_loopback
from greffier_server.settings_section import SettingsSection

__all__ = ["LanguageModelSettings"]


class LanguageModelSettings(SettingsSection):
    """The language model that translates and writes minutes."""

    engine: Literal["llama", "openai", "fake", "none"] = "llama"
    """``llama``: in this process; ``openai``: a server that speaks its API; ``fake``: fixed
    answers without weights; ``none``: captions only."""
    model: str = "qwen2.5-coder-1.5b-instruct-q4_k_m"
    """Catalogue name or GGUF file for ``llama``; the server's model name for ``openai``."""
    url: str | None = None
    """Address of the ``openai`` engine, ``http://127.0.0.1:8000/v1``."""
    api_key: SecretStr | None = None
    """Key sent to `url`."""
    allowed_hosts: tuple[str, ...] = ()
    """Hosts other than loopback that `url` may name."""
    context_tokens: int = Field(default=8192, ge=512, le=1_048_576)
    """Prompt and answer together."""
    silence_timeout_s: float = Field(default=60.0, gt=0, le=3_600)
    """A server of the ``openai`` engine that sends nothing for so long is given up."""

    @model_validator(mode="after")
    def _url_is_allowed(self) -> Self:
        if self.engine != "openai":
            return self
        if self.url is None:
            raise ValueError("engine openai needs url")
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("url must be http://HOST or https://HOST")
        if not is_loopback(parts.hostname) and parts.hostname not in self.allowed_hosts:
            raise ValueError("url names a host that is neither loopback nor in allowed_hosts")
        return self
