"""Socket guard: refuses every outgoing connection that the settings do not list.

It is a CPython audit hook (PEP 578), so it sees ``connect``, ``sendto`` and name look-ups of all
Python code in the process, and cannot be taken off again. Native libraries that open sockets
themselves are out of its sight, and so is the look-up of a name given to ``connect`` itself (the
connection is refused); for those, run the server without a route.
"""

import ipaddress
import logging
import socket
import sys
import threading
import time
from collections.abc import Iterable
from typing import ClassVar, cast

__all__ = ["EgressRefused", "SocketGuard", "install"]

logger = logging.getLogger(__name__)

_IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
_IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
_RESOLVE_AGAIN_S = 30.0
_ADDRESS_EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_NAME_EVENTS = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})


class EgressRefused(PermissionError):
    """A connection to an address that is not allowed; libraries see it as a failed connection."""

    code: ClassVar[str] = "egress_refused"
    retryable: ClassVar[bool] = False

    def __init__(self, place: str) -> None:
        self.message = f"connections to {place} are not allowed; list it in network.allowed_hosts"
        super().__init__(self.message)


class SocketGuard:
    """Decides by address; names on the list are resolved and their addresses let through.

    Args:
        allowed: names, addresses or networks in CIDR notation, beside loopback.
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._names: set[str] = set()
        self._networks: list[_IpNetwork] = []
        for entry in allowed:
            try:
                self._networks.append(ipaddress.ip_network(entry.strip("[]"), strict=False))
            except ValueError:
                self._names.add(_name(entry))
        self._resolved: set[_IpAddress] = set()
        self._resolved_at: float | None = None
        self._resolving = threading.Lock()

    def check(self, event: str, arguments: tuple[object, ...]) -> None:
        """Take an audit event.

        Raises:
            EgressRefused: it would leave the machine for a place that is not listed.
        """
        if event in _ADDRESS_EVENTS:
            connection, address = arguments[0], arguments[1]
            if _is_internet(connection) and isinstance(address, tuple):
                place = cast("tuple[object, ...]", address)
                if place:
                    self._check_host(_text(place[0]), resolved=True)
        elif event in _NAME_EVENTS:
            host = arguments[0]
            if host is not None:
                self._check_host(_text(host), resolved=False)

    def _check_host(self, host: str, *, resolved: bool) -> None:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            if not _is_local_name(host) and _name(host) not in self._names:
                raise EgressRefused(host) from None
            return
        if resolved and not self._allows(address):
            raise EgressRefused(host)

    def _allows(self, address: _IpAddress) -> bool:
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        address = mapped or address
        if address.is_loopback or address.is_unspecified:
            return True
        if any(address in network for network in self._networks):
            return True
        return address in self._resolved or (self._resolve() and address in self._resolved)

    def _resolve(self) -> bool:
        """Look the listed names up, at most every half minute; True when it was done."""
        now = time.monotonic()
        recent = self._resolved_at is not None and now - self._resolved_at < _RESOLVE_AGAIN_S
        if not self._names or recent or not self._resolving.acquire(blocking=False):
            return False
        try:
            self._resolved_at = now
            for name in self._names:
                try:
                    found = socket.getaddrinfo(name, None)
                except OSError:
                    logger.warning("an allowed host cannot be resolved")
                    continue
                self._resolved.update(ipaddress.ip_address(entry[4][0]) for entry in found)
        finally:
            self._resolving.release()
        return True


def install(allowed: Iterable[str] = ()) -> SocketGuard:
    """Guard this process from now on, for good.

    Args:
        allowed: names, addresses or networks in CIDR notation, beside loopback.
    """
    guard = SocketGuard(allowed)
    sys.addaudithook(guard.check)
    return guard


def _is_internet(connection: object) -> bool:
    return getattr(connection, "family", None) in (socket.AF_INET, socket.AF_INET6)


def _is_local_name(host: str) -> bool:
    return host == "" or _name(host) in {"localhost", _name(socket.gethostname())}


def _name(host: str) -> str:
    return host.lower().rstrip(".")


def _text(host: object) -> str:
    return host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
