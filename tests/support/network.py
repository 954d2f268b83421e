"""A guard that lets tests reach this machine and nothing else."""

import ipaddress
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import cast

import pytest

__all__ = ["LoopbackOnly", "is_loopback"]

LOCAL_NAMES = frozenset({"", "localhost", "ip6-localhost"})


def is_loopback(host: object) -> bool:
    """True for addresses and names of this machine; None and "" mean its wildcard address."""
    if host is None:
        return True
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if name in LOCAL_NAMES:
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


class LoopbackOnly:
    """An audit hook, so that no library can go around it; it cannot be removed, only switched.

    A refusal is `pytest.fail`, which code under test cannot swallow with ``except Exception``.
    """

    def __init__(self) -> None:
        self.active = False

    def install(self) -> None:
        """Add the hook to the interpreter and switch it on."""
        self.active = True
        sys.addaudithook(self._audit)

    @contextmanager
    def off(self) -> Generator[None]:
        """For tests of the product's own guard: outside addresses reach it in this block."""
        self.active = False
        try:
            yield
        finally:
            self.active = True

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.active or not event.startswith("socket."):
            return
        if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
            address = arguments[1]
            # Unix sockets have a path; an unconnected datagram has None.
            if isinstance(address, tuple):
                self._refuse_unless_loopback(event, cast("tuple[object, ...]", address)[0])
        elif event in {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}:
            self._refuse_unless_loopback(event, arguments[0])

    def _refuse_unless_loopback(self, event: str, host: object) -> None:
        if not is_loopback(host):
            pytest.fail(f"{event} to {host!r}: tests may only reach this machine")
