"""The client and a server without trouble: audio out, events back, back-pressure, sources."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

import greffier
from greffier import sync
from greffier.address import ServerAddress
from greffier.exchange import exchange
from greffier.live import LiveSession
from greffier.protocol import (
    Ack,
    AudioFormat,
    Error,
    Finish,
    Finished,
    ServerMessage,
    Start,
    Started,
    Watch,
)
from greffier.wire import Wire
from tests.support.peer import Peer, PeerConnection
from tests.support.peer_messages import SECOND, SOON, caption, events_of, numbered_audio

pytestmark = pytest.mark.integration


async def test_audio_goes_out_and_events_come_back_to_the_end() -> None:
    audio = numbered_audio(1.3)
    starts: list[Start] = []
    tokens: list[str | None] = []

    async def script(peer: PeerConnection) -> None:
        tokens.append(peer.authorization)
        starts.append(await peer.begin())
        assert await peer.audio_to_finish() == audio
        await peer.send(Ack(len(audio) // 2), caption(1), Finished(seq=2, reason="finish"))

    async with (
        Peer(script) as peer,
        greffier.connect(
            peer.url.replace("ws:", "http:"),
            token="secret",
            language="fr",
            translate_to=["en"],
            title="Point",
        ) as session,
    ):
        assert session.id == "s1"
        await session.send(audio[:1000])
        await session.send(audio[1000:])
        await session.finish()
        assert await events_of(session) == [caption(1), Finished(seq=2, reason="finish")]
        assert session.acknowledged_ms == 1300
    assert starts == [Start(language="fr", translate_to=("en",), title="Point")]
    assert tokens == ["Bearer secret"]


async def test_messages_of_a_newer_server_are_skipped() -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.send_raw('{"type":"applause","seq":1}')
        await peer.send_raw('{"type":"finished","seq":2,"reason":"limit","new":[1]}')

    async with Peer(script) as peer, greffier.connect(peer.url) as session:
        assert await events_of(session) == [Finished(seq=2, reason="limit")]


async def test_audio_in_half_frames_or_after_the_end_is_refused() -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.begin()
        assert await peer.audio_to_finish() == b"ab"
        await peer.send(Finished(seq=1, reason="finish"))

    async with Peer(script) as peer, greffier.connect(peer.url) as session:
        with pytest.raises(greffier.MisalignedAudio):
            await session.send(b"odd")
        await session.send(b"ab")
        await session.finish()
        with pytest.raises(greffier.InputClosed):
            await session.send(b"cd")
        assert len(await events_of(session)) == 1


async def test_the_server_may_end_the_session_first() -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.send(Finished(seq=1, reason="limit"))

    async with Peer(script) as peer, greffier.connect(peer.url) as session:
        await events_of(session)
        with pytest.raises(greffier.InputClosed):
            await session.send(b"ab")
        await session.finish()


async def test_an_error_is_an_event_while_the_session_goes_on() -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.send(Error("translation_failed", "no"), Finished(seq=1, reason="finish"))

    async with Peer(script) as peer, greffier.connect(peer.url) as session:
        assert [type(event) for event in await events_of(session)] == [Error, Finished]


async def test_send_waits_while_too_much_is_unacknowledged() -> None:
    go_on = asyncio.Event()

    async def script(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.audio(2 * SECOND)
        await go_on.wait()
        await peer.send(Ack(16_000))
        await peer.audio(SECOND)
        await peer.send(Finished(seq=1, reason="finish"))

    async with (
        Peer(script) as peer,
        greffier.connect(peer.url, max_unacknowledged_s=2) as session,
    ):
        await session.send(numbered_audio(2))
        third = asyncio.create_task(session.send(numbered_audio(1)))
        _, pending = await asyncio.wait({third}, timeout=0.1)
        assert pending, "more than two seconds were taken"
        go_on.set()
        await third
        assert session.sent_ms == 3000
        await events_of(session)


async def test_who_never_reads_the_events_is_told_so() -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.begin()
        for seq in range(1, 20):
            await peer.send(caption(seq))
        await peer.until_gone()

    async with Peer(script) as peer:
        address = ServerAddress.parse(peer.url)
        session = LiveSession(
            Start(),
            dial=lambda: Wire.open(address),
            retry=SOON,
            max_unacknowledged_s=1,
            inbox_limit=5,
        )
        await session.open()
        with pytest.raises(greffier.EventsUnread):
            await session.send(numbered_audio(10))
        await session.close()


async def test_watching_goes_on_where_it_broke() -> None:
    async def first(peer: PeerConnection) -> None:
        assert await peer.watched() == Watch("s9", after_seq=3, languages=("en",))
        await peer.send(Started("s9", "", 4), caption(4))
        await peer.close(1012)

    async def second(peer: PeerConnection) -> None:
        assert (await peer.watched()).after_seq == 4
        await peer.send(caption(5), Finished(seq=6, reason="finish"))

    async with Peer(first, second) as peer:
        events = [
            event
            async for event in greffier.watch(
                peer.url, "s9", after_seq=3, languages=["en"], reconnect=SOON
            )
        ]
    assert events == [caption(4), caption(5), Finished(seq=6, reason="finish")]


async def test_watching_what_is_not_there_is_refused() -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.watched()
        await peer.send(Error("session_not_found", "no such session"))
        await peer.close(4404)

    async with Peer(script) as peer:
        events = greffier.watch(peer.url, "nope", reconnect=SOON)
        assert isinstance(await anext(events), Error)
        with pytest.raises(greffier.ServerRefused) as caught:
            await anext(events)
    assert caught.value.code == "session_not_found"


async def test_a_source_that_fails_closes_the_session_and_tells_why() -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.until_gone()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"ab"
        raise greffier.FileUnreadable("damaged")

    async with Peer(script) as peer, greffier.connect(peer.url) as session:
        with pytest.raises(greffier.FileUnreadable):
            async for _ in exchange(session, chunks()):
                pass


async def test_an_endless_source_ends_with_the_session() -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.audio(2)
        await peer.send(Finished(seq=1, reason="limit"))
        await peer.until_gone()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"ab"
        await asyncio.Event().wait()

    async with Peer(script) as peer, greffier.connect(peer.url) as session:
        messages = [message async for message in exchange(session, chunks())]
    assert messages == [Finished(seq=1, reason="limit")]


async def test_the_blocking_client_does_the_same() -> None:
    audio = numbered_audio(0.4)

    async def live(peer: PeerConnection) -> None:
        start = await peer.expect(Start)
        assert start.format == AudioFormat(rate=8_000)
        await peer.send(Started("s1", "t1", 0))
        assert await peer.audio_to_finish() == audio
        await peer.send(caption(1), Finished(seq=2, reason="finish"))

    async def watched(peer: PeerConnection) -> None:
        await peer.watched()
        await peer.send(caption(1), Finished(seq=2, reason="finish"))

    async def refused(peer: PeerConnection) -> None:
        await peer.expect(Start)
        await peer.send(Error("server_busy", "no room", retryable=True))
        await peer.close(1013)

    async with Peer(live, watched, refused) as peer:
        url = peer.url

        def speak() -> list[ServerMessage]:
            with sync.connect(url, format=AudioFormat(rate=8_000)) as session:
                assert (session.id, session.format.rate) == ("s1", 8_000)
                session.send(audio)
                session.finish()
                return list(session)

        expected = [caption(1), Finished(seq=2, reason="finish")]
        assert await asyncio.to_thread(speak) == expected
        assert await asyncio.to_thread(lambda: list(sync.watch(url, "s1"))) == expected

        def be_refused() -> None:
            with pytest.raises(greffier.ServerRefused, match="no room"), sync.connect(url):
                pass

        await asyncio.to_thread(be_refused)
    assert not [thread for thread in threading.enumerate() if thread.name == "greffier"]


async def test_a_blocking_reader_may_stop_early() -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.watched()
        await peer.send(caption(1), caption(2))
        await peer.until_gone()

    async with Peer(script) as peer:
        url = peer.url

        def read_one() -> ServerMessage:
            events = sync.watch(url, "s1")
            first = next(events)
            events.close()
            return first

        assert await asyncio.to_thread(read_one) == caption(1)


async def test_finish_is_a_message_of_its_own() -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.begin()
        assert await peer.expect(Finish) == Finish()
        await peer.send(Finished(seq=1, reason="finish"))

    async with Peer(script) as peer, greffier.connect(peer.url) as session:
        await session.finish()
        await events_of(session)
