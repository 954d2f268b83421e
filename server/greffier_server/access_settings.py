"""Settings of who may reach the server and what it may reach: tokens, TLS, network."""

import hashlib
import ipaddress
import json
import re
from pathlib import Path
from typing import Self, cast

from pydantic import SecretStr, model_validator

from greffier_server.settings_section import SettingsSection

__all__ = [
    "NetworkSettings",
    "TenantToken",
    "TlsSettings",
    "hash_token",
    "is_loopback",
    "tenant_tokens",
]

_TENANT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
_HASHED = re.compile(r"^sha256:[0-9a-f]{64}$")
_MIN_TOKEN_CHARS = 16


def hash_token(token: str) -> str:
    """Return ``sha256:`` and the hexadecimal digest, the only form in which tokens are kept."""
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address) can only be reached from this machine."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class TenantToken(SettingsSection):
    """One accepted token and the tenant it speaks for."""

    tenant: str
    """Owner of the sessions opened with the token."""
    digest: str
    """``sha256:`` and the hexadecimal digest of the token."""


class TlsSettings(SettingsSection):
    """Encryption of the listening socket."""

    certificate: Path | None = None
    """PEM file with the certificate chain; needs `key`."""
    key: Path | None = None
    """PEM file with the private key; needs `certificate`."""

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("give both certificate and key, or neither")
        return self


class NetworkSettings(SettingsSection):
    """What the server may reach and who may reach it from a browser."""

    guard: bool = True
    """Refuse every outgoing connection except loopback, `allowed_hosts` and the configured
    database and language model."""
    allowed_hosts: tuple[str, ...] = ()
    """Names, addresses or networks (CIDR) that the guard lets through."""
    allowed_origins: tuple[str, ...] = ()
    """Origins of other sites' pages that may open a WebSocket, ``https://meet.example.org``."""
    hostnames: tuple[str, ...] = ()
    """Further names under which browsers reach a server without tokens (else: loopback names)."""


def tenant_tokens(value: object) -> list[TenantToken]:
    """Read tokens as `Settings.tokens` may be written. Raises ValueError."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            raise ValueError("not JSON") from None
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, dict):
        table = cast("dict[str, object]", value)
        pairs = [(tenant, token) for tenant, given in table.items() for token in _as_list(given)]
    else:
        pairs = [_split_pair(item) for item in _as_list(value)]
    return [_tenant_token(tenant, token) for tenant, token in pairs]


def _as_list(value: object) -> list[object]:
    return list(cast("list[object]", value)) if isinstance(value, (list, tuple)) else [value]


def _split_pair(item: object) -> tuple[str, object]:
    if isinstance(item, TenantToken):
        return item.tenant, item.digest
    if not isinstance(item, str) or ":" not in item:
        raise ValueError("write tokens as tenant:token")
    tenant, _, token = item.partition(":")
    return tenant, token


def _tenant_token(tenant: str, token: object) -> TenantToken:
    if not _TENANT.match(tenant):
        raise ValueError("a tenant is 1 to 64 letters, digits, dots, dashes or underscores")
    text = token.get_secret_value() if isinstance(token, SecretStr) else token
    if not isinstance(text, str) or len(text) < _MIN_TOKEN_CHARS:
        raise ValueError(f"a token has at least {_MIN_TOKEN_CHARS} characters")
    return TenantToken(tenant=tenant, digest=text if _HASHED.match(text) else hash_token(text))
