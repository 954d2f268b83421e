"""The path of one peer's datagrams: bound to chosen addresses, and restarted without losing DTLS.

aiortc has neither; this file replaces what its `RTCIceTransport` reads from and writes to. The keys
and counters of DTLS and SRTP live above the path, so they outlast it (RFC 8842 §5.5).
"""
# pyright: reportPrivateUsage=false

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from greffier_server.transport.whip.sdp import Fragment

if TYPE_CHECKING:
    from aioice import Candidate, Connection
    from aiortc import RTCIceServer, RTCIceTransport

__all__ = ["IcePath"]

_log = logging.getLogger(__name__)


class IcePath:
    """Stands between DTLS and ICE.

    Args:
        transport: of the peer connection; nothing is gathered yet.
        addresses: of this machine; empty = all.
        servers: STUN and TURN.
    """

    def __init__(
        self,
        transport: "RTCIceTransport",
        *,
        addresses: Sequence[str],
        servers: "list[RTCIceServer]",
    ) -> None:
        self._addresses = tuple(addresses)
        self._servers = servers
        self._current = transport._connection
        self._next: Connection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._closed = False
        self.down = asyncio.Event()
        """Nothing can come until ICE is restarted."""
        self.up = asyncio.Event()
        self.up.set()
        self._bind(self._current)
        transport._recv = self._receive
        transport._send = self._send

    @property
    def local_candidates(self) -> "list[Candidate]":
        """Of the newest connection."""
        return (self._next or self._current).local_candidates

    async def add(self, fragment: Fragment) -> None:
        """Take more of the client's candidates."""
        connection = self._next or self._current
        for candidate in fragment.candidates:
            await connection.add_remote_candidate(_candidate(candidate))
        if fragment.complete and not connection._remote_candidates_end:
            await connection.add_remote_candidate(None)

    async def restart(self, fragment: Fragment) -> tuple[str, str]:
        """Begin a new ICE session beside the old one; return its user name and password.

        The old path is used until the new one is up.
        """
        from aioice import Connection
        from aiortc.rtcicetransport import connection_kwargs

        await self._give_up_next()
        fresh = Connection(ice_controlling=False, **connection_kwargs(self._servers))
        self._bind(fresh)
        await fresh.gather_candidates()
        fresh.remote_username, fresh.remote_password = fragment.username, fragment.password
        self._next = fresh
        await self.add(fragment)
        self._connecting = asyncio.create_task(self._move_to(fresh), name="ice-restart")
        return fresh.local_username, fresh.local_password

    async def close(self) -> None:
        """End: DTLS above sees the connection as lost."""
        self._closed = True
        self._changed.set()
        await self._give_up_next()
        await self._current.close()

    def _bind(self, connection: "Connection") -> None:
        """Gather on the chosen addresses: aioice leaves loopback out and takes all others."""
        gather = connection.get_component_candidates
        chosen = self._addresses

        async def on_chosen(
            component: int, addresses: list[str], timeout: int = 5
        ) -> "list[Candidate]":
            return await gather(component, list(chosen) or addresses, timeout)

        cast("Any", connection).get_component_candidates = on_chosen

    async def _move_to(self, fresh: "Connection") -> None:
        try:
            await fresh.connect()
        except ConnectionError:
            _log.info("an ICE restart did not come up")
            await fresh.close()
            return
        before, self._current, self._next = self._current, fresh, None
        self.down.clear()
        self.up.set()
        self._changed.set()
        self._changed = asyncio.Event()
        await before.close()

    async def _give_up_next(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
            self._connecting = None
        if self._next is not None:
            await self._next.close()
            self._next = None

    async def _receive(self) -> bytes:
        while True:
            connection, changed = self._current, self._changed
            try:
                return await connection.recv()
            except ConnectionError:
                if self._closed:
                    raise
                if connection is self._current:  # lost: wait for a restart
                    self.up.clear()
                    self.down.set()
                    await changed.wait()

    async def _send(self, data: bytes) -> None:
        try:
            await self._current.send(data)
        except ConnectionError:
            if self._closed:
                raise


def _candidate(text: str) -> "Candidate":
    from aioice import Candidate

    return Candidate.from_sdp(text)
