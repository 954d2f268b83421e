"""A bad network on real sockets: UDP goes through it, and is lost, delayed and put out of order."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

__all__ = ["Relay", "Weather", "relayed"]

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad it is, both ways."""

    loss: float = 0.0
    burst: float = 1.0
    """Lost in a row on average (Gilbert's model, 1960)."""
    jitter_s: float = 0.0
    """Each datagram is late by up to so much; the next one may overtake it."""
    seed: int = 1


class _Link:
    """One direction: what is lost, and by how much the rest is late."""

    def __init__(self, weather: Weather, *, seed: int) -> None:
        self._weather = weather
        self._chance = random.Random(seed)
        self._losing = False

    def loses(self) -> bool:
        weather, chance = self._weather, self._chance.random()
        begin = weather.loss / weather.burst / max(1 - weather.loss, 1e-9)
        self._losing = chance >= 1 / weather.burst if self._losing else chance < begin
        return self._losing

    def delay_s(self) -> float:
        return self._chance.random() * self._weather.jitter_s


@dataclass
class Relay:
    """Stands for a server: what comes to its port goes there, and back."""

    target: Address
    weather: Weather
    port: int = 0
    delivered: list[int] = field(default_factory=list)
    """Numbers of the RTP packets that went on to the server, in their order."""
    dropped: list[int] = field(default_factory=list)
    """And of those that did not."""

    def __post_init__(self) -> None:
        self._there = _Link(self.weather, seed=self.weather.seed)
        self._back = _Link(self.weather, seed=self.weather.seed + 1)
        self._front: asyncio.DatagramTransport | None = None
        self._behind: dict[Address, asyncio.DatagramTransport] = {}
        self._opening: dict[Address, list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, host: str) -> None:
        """Listen on a free port of an address."""
        loop = asyncio.get_running_loop()
        self._front, _ = await loop.create_datagram_endpoint(
            lambda: _Front(self), local_addr=(host, 0)
        )
        self.port = self._front.get_extra_info("sockname")[1]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for transport in [*self._behind.values(), *([self._front] if self._front else [])]:
            transport.close()
        await asyncio.sleep(0)

    def from_client(self, datagram: bytes, client: Address) -> None:
        number = _number(datagram)
        if self._there.loses():
            if number is not None:
                self.dropped.append(number)
            return
        if client not in self._behind and client not in self._opening:
            self._opening[client] = []
            task = asyncio.create_task(self._connect(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        loop = asyncio.get_running_loop()
        loop.call_later(self._there.delay_s(), self._forward, datagram, client, number)

    def from_server(self, datagram: bytes, client: Address) -> None:
        if not self._back.loses():
            loop = asyncio.get_running_loop()
            loop.call_later(self._back.delay_s(), self._return, datagram, client)

    def _forward(self, datagram: bytes, client: Address, number: int | None) -> None:
        if client in self._opening:
            self._opening[client].append(datagram)
            return
        transport = self._behind.get(client)
        if transport is not None and not transport.is_closing():
            if number is not None:
                self.delivered.append(number)
            transport.sendto(datagram)

    def _return(self, datagram: bytes, client: Address) -> None:
        if self._front is not None and not self._front.is_closing():
            self._front.sendto(datagram, client)

    async def _connect(self, client: Address) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Behind(self, client), remote_addr=self.target
        )
        self._behind[client] = transport
        for datagram in self._opening.pop(client):
            transport.sendto(datagram)


class _Front(asyncio.DatagramProtocol):
    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._relay.from_client(data, addr)


class _Behind(asyncio.DatagramProtocol):
    def __init__(self, relay: Relay, client: Address) -> None:
        self._relay = relay
        self._client = client

    def datagram_received(self, data: bytes, addr: Address) -> None:
        del addr
        self._relay.from_server(data, self._client)


def _number(datagram: bytes) -> int | None:
    """Number of an RTP packet, whose head SRTP leaves readable; None for all else (RFC 7983)."""
    if len(datagram) < 12 or datagram[0] >> 6 != 2 or 192 <= datagram[1] <= 223:
        return None
    return int.from_bytes(datagram[2:4])


@asynccontextmanager
async def relayed(
    target: Address, weather: Weather, *, host: str = "127.0.0.1"
) -> AsyncGenerator[Relay]:
    """Relay while the block lasts."""
    relay = Relay(target, weather)
    await relay.open(host)
    try:
        yield relay
    finally:
        await relay.close()
