"""Settings of the listener for Home Assistant."""

import ipaddress
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = ["WyomingSettings"]


class WyomingSettings(BaseModel):
    """The Wyoming protocol, as Home Assistant speaks it: plain TCP, without tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    port: int | None = Field(default=None, ge=0, le=65_535)
    """Port to listen on, usually 10300; not spoken when absent."""
    host: str = "127.0.0.1"
    """Address to listen on. The protocol knows no token: for any but a loopback address, name in
    `allowed_clients` who may come."""
    allowed_clients: tuple[str, ...] = ()
    """Addresses or networks (CIDR) that may speak, besides this machine itself."""
    tenant: str = "default"
    """Owner of the sessions."""
    language: str = "auto"
    """Language of the speech where the client names none."""
    idle_timeout_s: float = Field(default=60.0, gt=0)
    """A client that sends nothing for so long is disconnected."""
    connections: int = Field(default=16, ge=1, le=10_000)
    """Clients at once."""

    @field_validator("allowed_clients")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            try:
                ipaddress.ip_network(entry, strict=False)
            except ValueError:
                raise ValueError(
                    "allowed_clients are addresses, or networks as 10.0.0.0/8"
                ) from None
        return value

    @model_validator(mode="after")
    def _strangers_are_named(self) -> Self:
        if self.port is not None and not self.allowed_clients and not _loopback(self.host):
            raise ValueError(
                f"listening on {self.host} lets other machines in, and the protocol has no tokens: "
                "name them in allowed_clients, or listen on 127.0.0.1"
            )
        return self

    def lets_in(self, address: str) -> bool:
        """Whether a client of this address may speak."""
        try:
            given = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(given, "ipv4_mapped", None)
        client = given if mapped is None else mapped
        if client.is_loopback:
            return True
        networks = (ipaddress.ip_network(entry, strict=False) for entry in self.allowed_clients)
        return any(client in network for network in networks)


def _loopback(host: str) -> bool:
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
