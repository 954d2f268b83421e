"""Where a server is: one address gives the WebSocket's and the HTTP interface's."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["DEFAULT_SERVER", "ServerAddress"]

DEFAULT_SERVER = "ws://127.0.0.1:8765"
_SECURE = {"ws": False, "http": False, "wss": True, "https": True}
_LIVE_PATH = "/v1/live"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A server, by authority and the path it is mounted on."""

    authority: str
    """Host and, where it is not the scheme's own, port."""
    host: str
    secure: bool
    path: str = ""
    """Prefix behind a reverse proxy, without a trailing slash."""

    @classmethod
    def parse(cls, text: str) -> "ServerAddress":
        """Read ``ws://host:port``, ``http://host:port/prefix``, their TLS forms, or ``host:port``.

        Raises:
            ValueError: it is not such an address.
        """
        parts = urlsplit(text if "://" in text else f"ws://{text}")
        if parts.scheme not in _SECURE or not parts.hostname:
            raise ValueError(f"not a server address: {text!r}; write ws://host:port")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError(
                "a server address has no user, query or fragment; pass the token apart"
            )
        _ = parts.port  # raises ValueError when it is not a port
        path = parts.path.rstrip("/").removesuffix(_LIVE_PATH)
        return cls(
            authority=parts.netloc,
            host=parts.hostname,
            secure=_SECURE[parts.scheme],
            path=path,
        )

    @property
    def live_url(self) -> str:
        """Address of the WebSocket."""
        return f"{'wss' if self.secure else 'ws'}://{self.authority}{self.path}{_LIVE_PATH}"

    @property
    def http_url(self) -> str:
        """Address that paths such as ``/v1/sessions`` are appended to."""
        return f"{'https' if self.secure else 'http'}://{self.authority}{self.path}"

    @property
    def is_loopback(self) -> bool:
        """The server runs on this machine, so that no proxy lies between."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False
