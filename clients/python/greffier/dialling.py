"""Connecting to a server by one of several addresses, each tried in turn."""

import ssl as tls
import time
from collections.abc import Callable, Sequence
from typing import Final

from greffier.address import ServerAddress
from greffier.errors import ConnectionFailed, ServerRefused
from greffier.wire import Wire

__all__ = ["Dialler", "Token"]

Token = str | Callable[[], str | None] | None
"""An API token, or what gives the one of the moment: it is asked at each connection."""

_SETTLED_S: Final = 15.0
"""An address at which a connection lasted for so long is tried first again."""


class Dialler:
    """Opens connections to whichever of a service's servers answers.

    It stays with a server that works. When that does not answer, or a connection to it ends soon
    after it was made, the next address comes first.

    Args:
        urls: one address, or those of servers that share their sessions, in order of preference.
        token: API token, the same at all of them.
        ssl: TLS settings.
        clock: seconds, monotonic.

    Raises:
        ValueError: one is not a server address, or there is none.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        token: Token = None,
        ssl: tls.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        given = [urls] if isinstance(urls, str) else list(urls)
        self._addresses = [ServerAddress.parse(url) for url in given]
        if not self._addresses:
            raise ValueError("no server address was given")
        self._token = token
        self._ssl = ssl
        self._clock = clock
        self._at = 0
        self._connected_at: float | None = None

    @property
    def address(self) -> ServerAddress:
        """The server that is tried first."""
        return self._addresses[self._at]

    async def dial(self) -> Wire:
        """Connect to the first address that answers.

        Raises:
            ConnectionFailed: nobody answers at any of them.
            AuthenticationFailed, ServerRefused, ProtocolViolation: as `Wire.open`.
        """
        connected_at, self._connected_at = self._connected_at, None
        if connected_at is not None and self._clock() - connected_at < _SETTLED_S:
            self._turn()
        for _ in self._addresses[1:]:
            try:
                return await self._open()
            except ConnectionFailed:
                self._turn()
        try:
            return await self._open()
        except ConnectionFailed:
            self._turn()
            raise

    async def _open(self) -> Wire:
        token = self._token() if callable(self._token) else self._token
        try:
            wire = await Wire.open(self.address, token=token, ssl=self._ssl)
        except ServerRefused as error:
            if error.retryable and len(self._addresses) > 1:
                self._turn()
                error.retry_after_s = None  # another server may take it at once
            raise
        wire.alone = len(self._addresses) == 1
        self._connected_at = self._clock()
        return wire

    def _turn(self) -> None:
        self._at = (self._at + 1) % len(self._addresses)
