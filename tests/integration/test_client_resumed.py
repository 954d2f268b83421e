"""The client when its connection is lost, or its server restarts or miscounts."""

import asyncio

import pytest

import greffier
from greffier.backoff import Reconnection, RetryPolicy
from greffier.protocol import (
    Ack,
    Caption,
    Error,
    Finished,
    Start,
    Started,
)
from tests.support.peer import Peer, PeerConnection
from tests.support.peer_messages import SECOND, SOON, caption, events_of, numbered_audio

pytestmark = pytest.mark.integration


async def test_a_lost_connection_is_resumed_with_the_gap_alone() -> None:
    audio = numbered_audio(3)
    told: list[Reconnection] = []

    async def first(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.audio(2 * SECOND)
        await peer.send(Ack(8_000), caption(1), caption(1, "", tail="may"))
        peer.drop()

    async def second(peer: PeerConnection) -> None:
        start = await peer.begin(samples=24_000)  # more was durable than acknowledged
        assert start.resume is not None
        assert (start.resume.session, start.resume.token) == ("s1", "t1")
        assert start.resume.after_seq in (0, 1)
        assert start.resume.from_sample in (0, 8_000)
        await peer.send(caption(1), caption(2))
        assert await peer.audio_to_finish() == audio[48_000:]
        await peer.send(Finished(seq=3, reason="finish"))

    async with (
        Peer(first, second) as peer,
        greffier.connect(peer.url, reconnect=SOON, on_reconnect=told.append) as session,
    ):
        await session.send(audio)
        await session.finish()
        events = await events_of(session)
    durable = [event for event in events if not (isinstance(event, Caption) and event.tail)]
    assert durable == [caption(1), caption(2), Finished(seq=3, reason="finish")]
    assert [notice.resumed for notice in told] == [False, True]


async def test_finish_survives_a_lost_connection() -> None:
    audio = numbered_audio(0.2)

    async def first(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.audio_to_finish()
        peer.drop()

    async def second(peer: PeerConnection) -> None:
        await peer.begin(samples=0)
        assert await peer.audio_to_finish() == audio
        await peer.send(Finished(seq=1, reason="finish"))

    async with Peer(first, second) as peer, greffier.connect(peer.url, reconnect=SOON) as session:
        await session.send(audio)
        await session.finish()
        assert await events_of(session) == [Finished(seq=1, reason="finish")]


async def test_when_all_audio_had_arrived_the_rest_is_watched() -> None:
    async def first(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.audio_to_finish()
        await peer.send(caption(1))
        peer.drop()

    async def second(peer: PeerConnection) -> None:
        await peer.expect(Start)
        await peer.send(Error("session_closed", "ended"))
        await peer.close(4410)

    async def third(peer: PeerConnection) -> None:
        watch = await peer.watched()
        assert watch.session == "s1"
        await peer.send(Started("s1", "", 1))
        if watch.after_seq == 0:
            await peer.send(caption(1))
        await peer.send(Finished(seq=2, reason="finish"))

    async with (
        Peer(first, second, third) as peer,
        greffier.connect(peer.url, reconnect=SOON) as session,
    ):
        await session.send(b"ab")
        await session.finish()
        assert await events_of(session) == [caption(1), Finished(seq=2, reason="finish")]


async def test_a_server_that_restarts_is_waited_for() -> None:
    async def first(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.send(Error("server_stopping", "resume later", retryable=True))
        await peer.close(1012)

    async def busy(peer: PeerConnection) -> None:
        await peer.expect(Start)
        await peer.send(Error("session_busy", "a moment", retryable=True))
        await peer.close(4409)

    async def third(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.send(Finished(seq=1, reason="finish"))

    async with (
        Peer(first, busy, third) as peer,
        greffier.connect(peer.url, reconnect=SOON) as session,
    ):
        assert [type(event) for event in await events_of(session)] == [Error, Finished]


async def test_a_server_that_tells_when_it_is_back_is_waited_for() -> None:
    async def first(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.send(Error("server_stopping", "later", retryable=True, retry_after_ms=200))
        await peer.close(1012)

    async def second(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.send(Finished(seq=1, reason="finish"))

    told: list[greffier.Reconnection] = []
    async with (
        Peer(first, second) as peer,
        greffier.connect(peer.url, reconnect=SOON, on_reconnect=told.append) as session,
    ):
        assert [type(event) for event in await events_of(session)] == [Error, Finished]
    assert 0.2 <= told[0].delay_s <= 0.3


@pytest.mark.parametrize("reconnect", [False, RetryPolicy(attempts=2, first_s=0.001)])
async def test_a_server_that_stays_away_is_given_up(reconnect: bool | RetryPolicy) -> None:
    gone = asyncio.Event()

    async def script(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.audio(2)
        await gone.wait()
        await peer.send(caption(1))
        peer.drop()

    async with Peer(script) as peer, greffier.connect(peer.url, reconnect=reconnect) as session:
        await session.send(b"ab")
        await peer.stop_listening()
        gone.set()
        assert await anext(session) == caption(1)
        with pytest.raises(greffier.ConnectionLost) as caught:
            await anext(session)
        assert caught.value.retryable
        with pytest.raises(greffier.ConnectionLost):
            await session.send(b"ab")
        with pytest.raises(greffier.ConnectionLost):
            await session.finish()


async def test_another_client_that_took_the_session_ends_this_one() -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.send(Error("session_busy", "another client speaks", retryable=True))
        await peer.close(4409)

    async with Peer(script) as peer, greffier.connect(peer.url, reconnect=SOON) as session:
        assert isinstance(await anext(session), Error)
        with pytest.raises(greffier.ServerRefused) as caught:
            await anext(session)
        assert caught.value.code == "session_busy"


@pytest.mark.parametrize("samples", [0, 99_999])
async def test_a_server_that_miscounts_is_not_trusted(samples: int) -> None:
    async def first(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.audio(SECOND)
        await peer.send(Ack(16_000), caption(1))
        await peer.close(1012)

    async def second(peer: PeerConnection) -> None:
        await peer.begin(samples=samples)
        await peer.until_gone()

    async with Peer(first, second) as peer, greffier.connect(peer.url, reconnect=SOON) as session:
        await session.send(numbered_audio(1))
        with pytest.raises(greffier.ProtocolViolation):
            await events_of(session)
