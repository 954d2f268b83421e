"""Where the server sends to by itself: of the server's owner alone, never of its clients."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

__all__ = [
    "MqttSettings",
    "NoticeKind",
    "WebhookEndpoint",
    "WebhookSettings",
    "check_places",
]

NoticeKind = Literal["caption", "segment", "translation", "minutes", "finished"]

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
_PREFIX = re.compile(r"^[^+#/\x00]{1,64}(/[^+#/\x00]{1,64}){0,7}$")
_MIN_SECRET_CHARS = 24


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class WebhookEndpoint(_Section):
    """One place that is told of a tenant's sessions."""

    name: str
    """As deliveries are listed; what was delivered is remembered under it."""
    tenant: str = "default"
    """Whose sessions."""
    url: str
    """``https://host/path``; loopback, or a host in ``network.allowed_hosts``."""
    secret: SecretStr
    """Signs what is sent; at least 24 characters."""
    previous_secret: SecretStr | None = None
    """Signs as well, while receivers change over to `secret`."""
    events: tuple[NoticeKind, ...] = ("segment", "translation", "minutes", "finished")
    """What is told."""

    @model_validator(mode="after")
    def _is_usable(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
            raise ValueError("url must be https://HOST/PATH or http://HOST/PATH")
        if not _NAME.match(self.name) or not _NAME.match(self.tenant):
            raise ValueError("name and tenant are 1 to 64 letters, digits, dots, dashes or _")
        for secret in filter(None, (self.secret, self.previous_secret)):
            if len(secret.get_secret_value()) < _MIN_SECRET_CHARS:
                raise ValueError(f"a secret has at least {_MIN_SECRET_CHARS} characters")
        return self


class WebhookSettings(_Section):
    """Places that are told of sessions over HTTP."""

    endpoints: tuple[WebhookEndpoint, ...] = ()
    """Tables with ``name``, ``tenant``, ``url``, ``secret``, ``previous_secret``, ``events``."""
    timeout_s: float = Field(default=10.0, gt=0, le=120)
    """An endpoint that has not answered by then has failed."""
    attempts: int = Field(default=20, ge=1, le=100)
    """After so many failures in a row (20: about nine hours) a session's deliveries are halted."""

    @field_validator("endpoints")
    @classmethod
    def _names_differ(cls, value: tuple[WebhookEndpoint, ...]) -> tuple[WebhookEndpoint, ...]:
        if len({endpoint.name for endpoint in value}) < len(value):
            raise ValueError("each endpoint has a name of its own")
        return value


class MqttSettings(_Section):
    """A broker to which captions are published."""

    url: str | None = None
    """``mqtts://host:8883`` or ``mqtt://host:1883``; loopback, or a host in
    ``network.allowed_hosts``. None is used when absent."""
    username: str = ""
    """Of the broker; none when empty."""
    password: SecretStr = SecretStr("")
    """Of `username`."""
    tenants: tuple[str, ...] = ("default",)
    """Whose sessions are published."""
    prefix: str = "greffier"
    """Topics are ``prefix/tenant/session/language``."""

    @model_validator(mode="after")
    def _is_usable(self) -> Self:
        if not _PREFIX.match(self.prefix):
            raise ValueError("prefix is a topic without wildcards")
        if self.url is not None:
            parts = urlsplit(self.url)
            if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname or parts.username:
                raise ValueError("url must be mqtt://HOST:PORT or mqtts://HOST:PORT")
        return self


def check_places(
    webhooks: WebhookSettings, mqtt: MqttSettings, *, allowed_hosts: Iterable[str]
) -> None:
    """Check that everything sent out goes where the socket guard lets it.

    Raises:
        ValueError: a host is neither this machine nor on the list.
    """
    allowed = tuple(allowed_hosts)
    for endpoint in webhooks.endpoints:
        if not _allowed(endpoint.url, allowed):
            raise ValueError(
                f"webhooks.endpoints: {endpoint.name} names a host that is not in "
                "network.allowed_hosts"
            )
    if mqtt.url is not None and not _allowed(mqtt.url, allowed):
        raise ValueError("mqtt.url names a host that is not in network.allowed_hosts")


def _allowed(url: str, allowed: tuple[str, ...]) -> bool:
    host = (urlsplit(url).hostname or "").lower().rstrip(".")
    if host == "localhost" or host in {name.lower().rstrip(".").strip("[]") for name in allowed}:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or any(address in network for network in _networks(allowed))


def _networks(allowed: tuple[str, ...]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    found: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
    for entry in allowed:
        try:
            found.append(ipaddress.ip_network(entry.strip("[]"), strict=False))
        except ValueError:
            continue  # a name
    return found
