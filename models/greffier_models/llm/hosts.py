"""Which addresses may be spoken to: this machine, and what the owner lists."""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from greffier_models.errors import EngineError

__all__ = ["checked_base_url"]


def checked_base_url(base_url: str, *, allowed_hosts: Iterable[str] = ()) -> str:
    """Return `base_url` without its last slash, if its host may be spoken to.

    Args:
        base_url: ``http://127.0.0.1:8000/v1``.
        allowed_hosts: host names or addresses, with ``:port`` to allow that port only.

    Raises:
        EngineError: not an HTTP address, with a user name in it, or neither loopback nor listed.
    """
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise EngineError("The address of the language model server is not a URL.") from error
    if parts.scheme not in ("http", "https") or not host:
        raise EngineError("The language model server needs an http:// or https:// address.")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise EngineError(
            "Give the language model server's key as the API key, not inside its address."
        )
    port = port or (443 if parts.scheme == "https" else 80)
    listed = {entry.lower() for entry in allowed_hosts}
    bracketed = f"[{host}]" if ":" in host else host
    if not (_is_loopback(host) or {host, f"{bracketed}:{port}"} & listed):
        raise EngineError(
            f"{host} is not on this machine and not among the allowed hosts; add it there to let "
            "texts leave for it."
        )
    return base_url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
