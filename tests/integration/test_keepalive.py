"""Pings under backpressure: who is made to wait stays connected, and who is dead is found."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from greffier.address import ServerAddress
from greffier.backoff import Reconnection, RetryPolicy
from greffier.live import LiveSession
from greffier.protocol import Ack, Finished, Start
from greffier.wire import Dropped, Wire
from tests.support.peer import Peer, PeerConnection
from tests.support.served import Served, receive, served, until

pytestmark = pytest.mark.integration

PING_S = 0.3
HELD_UP_S = 6 * PING_S
CHUNK = bytes(32_000)


@asynccontextmanager
async def _live(
    url: str, told: list[Reconnection], *, silence_s: float
) -> AsyncGenerator[LiveSession, None]:
    """The Python client, with short times."""
    address = ServerAddress.parse(url)
    session = LiveSession(
        Start(),
        dial=lambda: Wire.open(address, ping_s=PING_S, silence_s=silence_s),
        retry=RetryPolicy(first_s=0.01, attempts=3),
        on_reconnect=told.append,
        max_unacknowledged_s=3_600.0,
    )
    await session.open()
    try:
        yield session
    finally:
        await session.close()


async def _still_there(server: Served) -> None:
    """The buffer stays full for several times the ping timeout."""
    await asyncio.sleep(HELD_UP_S)
    assert server.desk.only().detached == []
    assert server.connections.count == 1


async def test_a_client_that_feeds_as_fast_as_it_can_is_not_cut_off() -> None:
    async with served(ping_s=PING_S) as server:
        told: list[Reconnection] = []
        async with _live(server.http, told, silence_s=4 * PING_S) as client:
            session = server.desk.only()
            session.full.clear()
            for _ in range(300):  # ten megabytes: more than the sockets hold
                await client.send(CHUNK)
            await _still_there(server)
            session.full.set()
            async with asyncio.timeout(30):
                await client.finish()
                kinds = [type(message) async for message in client]
        assert kinds[-1] is Finished
        assert bytes(session.audio) == CHUNK * 300
        assert (told, session.detached) == ([], [])


async def test_a_client_without_pings_of_its_own_is_not_cut_off_either() -> None:
    async with served(ping_s=PING_S) as server, server.connect(ping_interval=None) as client:
        await client.send('{"type": "start"}')
        await receive(client, "started")
        session = server.desk.only()
        session.full.clear()
        sending = asyncio.gather(*(client.send(CHUNK) for _ in range(300)))
        await _still_there(server)
        session.full.set()
        async with asyncio.timeout(30):
            await sending
            await until(lambda: len(session.audio) == 300 * len(CHUNK))
        assert session.detached == []
        await asyncio.sleep(HELD_UP_S)  # the pings went on, and are answered
        assert session.detached == []


async def test_a_dead_client_is_found() -> None:
    async with served(ping_s=PING_S) as server, server.connect(ping_interval=None) as client:
        await client.send('{"type": "start"}')
        await receive(client, "started")
        client.transport.pause_reading()
        session = server.desk.only()
        await until(lambda: session.detached)
        client.transport.abort()


async def test_a_client_that_died_while_it_was_made_to_wait_is_found_afterwards() -> None:
    async with served(ping_s=PING_S) as server, server.connect(ping_interval=None) as client:
        await client.send('{"type": "start"}')
        await receive(client, "started")
        session = server.desk.only()
        session.full.clear()
        for _ in range(3):
            await client.send(CHUNK)
        client.transport.pause_reading()
        await _still_there(server)
        session.full.set()
        await until(lambda: session.detached)
        assert bytes(session.audio) == CHUNK * 3
        client.transport.abort()


async def test_a_dead_server_is_found_while_the_client_sends() -> None:
    """It takes bytes for as long as there is room for them, and never says anything."""
    over = asyncio.Event()

    async def dies(peer: PeerConnection) -> None:
        await peer.begin()
        peer.freeze()
        await over.wait()
        peer.drop()

    async def lives(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.audio_to_finish()
        await peer.send(Ack(300 * len(CHUNK) // 2), Finished(1, "finish"))

    told: list[Reconnection] = []
    async with Peer(dies, lives) as peer, asyncio.timeout(20):
        async with _live(peer.url, told, silence_s=3 * PING_S) as client:
            for _ in range(300):
                await client.send(CHUNK)
            await client.finish()
            kinds = [type(message) async for message in client]
        over.set()
        assert peer.connections == 2
    assert kinds[-1] is Finished
    assert told


async def test_a_silent_server_that_pings_is_alive() -> None:
    """It reads nothing, so that it answers no ping, and pings by itself."""

    async def busy(peer: PeerConnection) -> None:
        await peer.begin()
        peer.freeze()
        for _ in range(8):
            await asyncio.sleep(PING_S)
            await peer.ping()
        peer.drop()

    async with Peer(busy) as peer:
        wire = await Wire.open(ServerAddress.parse(peer.url), ping_s=PING_S, silence_s=3 * PING_S)
        begun = asyncio.get_running_loop().time()
        await wire.greet(Start())
        with pytest.raises(Dropped):
            await wire.receive()
        assert asyncio.get_running_loop().time() - begun >= 7 * PING_S
        await wire.close()
