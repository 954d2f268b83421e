"""Ways in which a link dies beyond what a relay can play: names, TLS, sleep, expired tokens."""

import asyncio
import socket
import time
from types import SimpleNamespace
from typing import Any

import pytest

import greffier
from greffier.address import ServerAddress
from greffier.backoff import RetryPolicy
from greffier.errors import AuthenticationFailed, ConnectionFailed
from greffier.protocol import Ack, Error, Finished, Start
from greffier.wire import Dropped, Wire
from tests.support.peer import Peer, PeerConnection

pytestmark = pytest.mark.integration

QUICK = RetryPolicy(attempts=3, first_s=0.01)


async def test_a_name_that_no_longer_resolves(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", gone)
    with pytest.raises(ConnectionFailed) as failed:
        await Wire.open(ServerAddress.parse("ws://captions.example.org"))
    assert failed.value.retryable


async def test_tls_that_fails() -> None:
    async with Peer() as peer:
        address = ServerAddress.parse(peer.url.replace("ws://", "wss://"))
        with pytest.raises(ConnectionFailed) as failed:
            await Wire.open(address)
    assert failed.value.retryable


async def test_a_machine_that_slept_does_not_wait_for_the_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept = [0.0]
    clock = SimpleNamespace(time=lambda: time.time() + slept[0], monotonic=time.monotonic)
    monkeypatch.setattr("greffier.wire.time", clock)
    monkeypatch.setattr("greffier.wire._LOOK_S", 0.05)

    async def silent(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.until_gone()

    async with Peer(silent) as peer, asyncio.timeout(30):
        wire = await Wire.open(ServerAddress.parse(peer.url))
        await wire.greet(Start())
        reading = asyncio.create_task(wire.receive())
        await asyncio.sleep(0.2)
        assert not reading.done()
        slept[0] = 3_600.0
        with pytest.raises(Dropped):
            await reading
        await wire.close()


async def _drops(peer: PeerConnection) -> None:
    await peer.begin()
    peer.drop()


async def _refuses(peer: PeerConnection) -> None:
    await peer.expect(Start)
    await peer.send(Error("authentication_failed", "no longer"))
    await peer.close(4403)


async def test_an_expired_token_is_replaced_where_the_program_can() -> None:
    seen: list[str | None] = []

    async def takes(peer: PeerConnection) -> None:
        seen.append(peer.authorization)
        await peer.begin()
        audio = await peer.audio_to_finish()
        await peer.send(Ack(len(audio) // 2), Finished(1, "finish"))

    tokens = iter(["old", "old", "new"])
    async with (
        Peer(_drops, _refuses, takes) as peer,
        asyncio.timeout(30),
        greffier.connect(peer.url, token=lambda: next(tokens), reconnect=QUICK) as session,
    ):
        await session.send(bytes(3_200))
        await session.finish()
        assert isinstance([m async for m in session][-1], Finished)
    assert seen == ["Bearer new"]


async def test_a_fixed_token_that_expired_ends_the_session() -> None:
    async with (
        Peer(_drops, _refuses) as peer,
        asyncio.timeout(30),
        greffier.connect(peer.url, token="old", reconnect=QUICK) as session,
    ):
        with pytest.raises(AuthenticationFailed):
            assert [m async for m in session]
