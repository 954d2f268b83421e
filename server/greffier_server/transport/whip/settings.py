"""Settings of the way in by WebRTC."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

__all__ = ["WebRtcSettings", "own_addresses"]


class WebRtcSettings(BaseModel):
    """WebRTC (WHIP)."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    peers: int = Field(default=16, ge=0, le=1_000)
    """WebRTC connections at once; 0 = the way in is closed."""
    addresses: tuple[str, ...] = ()
    """Addresses of this machine for audio (UDP); when empty, the one the server listens on, or all
    of them where it listens on all."""
    public_address: str | None = None
    """The address that clients see instead, where a router or container translates one to one."""
    stun: str | None = None
    """A STUN server to ask for the own address, ``stun:HOST:PORT``; none is asked when absent."""
    turn: str | None = None
    """A TURN relay, ``turn:HOST:PORT``; none is used when absent."""
    turn_username: str = ""
    """Account at `turn`."""
    turn_password: SecretStr = SecretStr("")
    """Its password; not told to clients."""
    connect_timeout_s: float = Field(default=30.0, gt=0, le=600)
    """Time for the connection to come up after the offer."""
    lost_timeout_s: float = Field(default=60.0, ge=0, le=3_600)
    """A client whose network is gone may restart ICE for so long before its session is finished."""

    @model_validator(mode="after")
    def _servers_are_addresses(self) -> Self:
        for name, scheme in (("stun", "stun"), ("turn", "turn")):
            value: str | None = getattr(self, name)
            if value is not None and (urlsplit(value).scheme != scheme or not _host(value)):
                raise ValueError(f"{name} must be {scheme}:HOST or {scheme}:HOST:PORT")
        return self

    @property
    def hosts(self) -> tuple[str, ...]:
        """What the server must reach for it."""
        return tuple(_host(url) for url in (self.stun, self.turn) if url is not None)


def own_addresses() -> tuple[str, ...]:
    """Return this machine's addresses; none where WebRTC is not installed.

    What is sent to them stays here. A browser on the server's own machine is seen under one of them
    even when it has asked for loopback.
    """
    try:
        import ifaddr
    except ImportError:
        return ()
    found = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips]
    return tuple((ip if isinstance(ip, str) else ip[0]).partition("%")[0] for ip in found)


def _host(url: str) -> str:
    return urlsplit(f"//{url.partition(':')[2].partition('?')[0]}").hostname or ""
