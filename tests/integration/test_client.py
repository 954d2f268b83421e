import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest

import greffier
from greffier import sync
from greffier.address import ServerAddress
from greffier.backoff import Reconnection, RetryPolicy
from greffier.codec import MAX_TEXT_BYTES
from greffier.exchange import exchange
from greffier.live import LiveSession
from greffier.protocol import (
    Ack,
    AudioFormat,
    Caption,
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

pytestmark = pytest.mark.integration

SECOND = 32_000
SOON = RetryPolicy(attempts=5, first_s=0.001)


def caption(seq: int, text: str = "word", **others: object) -> Caption:
    fields: dict[str, object] = {"segment": seq, "start_ms": 0, "end_ms": 10, "tail": ""}
    return Caption(**{"seq": seq, "committed": text, **fields, **others})  # type: ignore[arg-type]


def recording(seconds: float) -> bytes:
    size = int(seconds * SECOND)
    return b"".join(index.to_bytes(4, "big") for index in range(size // 4))


async def _events(session: LiveSession) -> list[ServerMessage]:
    return [message async for message in session]


# --- a session without trouble --------------------------------------------------------------------


async def test_audio_goes_out_and_events_come_back_to_the_end() -> None:
    audio = recording(1.3)
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
        assert await _events(session) == [caption(1), Finished(seq=2, reason="finish")]
        assert session.acknowledged_ms == 1300
    assert starts == [Start(language="fr", translate_to=("en",), title="Point")]
    assert tokens == ["Bearer secret"]


async def test_messages_of_a_newer_server_are_skipped() -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.send_raw('{"type":"applause","seq":1}')
        await peer.send_raw('{"type":"finished","seq":2,"reason":"limit","new":[1]}')

    async with Peer(script) as peer, greffier.connect(peer.url) as session:
        assert await _events(session) == [Finished(seq=2, reason="limit")]


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
        assert len(await _events(session)) == 1


async def test_the_server_may_end_the_session_first() -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.send(Finished(seq=1, reason="limit"))

    async with Peer(script) as peer, greffier.connect(peer.url) as session:
        await _events(session)
        with pytest.raises(greffier.InputClosed):
            await session.send(b"ab")
        await session.finish()


async def test_an_error_is_an_event_while_the_session_goes_on() -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.send(Error("translation_failed", "no"), Finished(seq=1, reason="finish"))

    async with Peer(script) as peer, greffier.connect(peer.url) as session:
        assert [type(event) for event in await _events(session)] == [Error, Finished]


# --- back-pressure --------------------------------------------------------------------------------


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
        await session.send(recording(2))
        third = asyncio.create_task(session.send(recording(1)))
        _, pending = await asyncio.wait({third}, timeout=0.1)
        assert pending, "more than two seconds were taken"
        go_on.set()
        await third
        assert session.sent_ms == 3000
        await _events(session)


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
            await session.send(recording(10))
        await session.close()


# --- lost connections -----------------------------------------------------------------------------


async def test_a_lost_connection_is_resumed_with_the_gap_alone() -> None:
    audio = recording(3)
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
        events = await _events(session)
    durable = [event for event in events if not (isinstance(event, Caption) and event.tail)]
    assert durable == [caption(1), caption(2), Finished(seq=3, reason="finish")]
    assert [notice.resumed for notice in told] == [False, True]


async def test_finish_survives_a_lost_connection() -> None:
    audio = recording(0.2)

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
        assert await _events(session) == [Finished(seq=1, reason="finish")]


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
        assert await _events(session) == [caption(1), Finished(seq=2, reason="finish")]


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
        assert [type(event) for event in await _events(session)] == [Error, Finished]


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
        await session.send(recording(1))
        with pytest.raises(greffier.ProtocolViolation):
            await _events(session)


# --- refusals and nonsense ------------------------------------------------------------------------


async def test_nobody_there() -> None:
    async with Peer() as peer:
        url = peer.url
    with pytest.raises(greffier.ConnectionFailed, match="is the server running"):
        async with greffier.connect(url):
            pass


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (HTTPStatus.UNAUTHORIZED, greffier.AuthenticationFailed, "authentication_failed"),
        (HTTPStatus.FORBIDDEN, greffier.AuthenticationFailed, "authentication_failed"),
        (HTTPStatus.SERVICE_UNAVAILABLE, greffier.ServerRefused, "http_503"),
        (HTTPStatus.NOT_FOUND, greffier.ProtocolViolation, "protocol_violation"),
    ],
)
async def test_http_answers_become_errors(
    status: HTTPStatus, kind: type[greffier.GreffierError], code: str
) -> None:
    async with Peer(status=status) as peer:
        with pytest.raises(kind) as caught:
            async with greffier.connect(peer.url):
                pass
    assert caught.value.code == code
    assert caught.value.retryable is (status == HTTPStatus.SERVICE_UNAVAILABLE)


async def test_redirects_are_not_followed() -> None:
    async with Peer() as other:
        async with Peer(status=HTTPStatus.FOUND, location=f"{other.url}/v1/live") as peer:
            with pytest.raises(greffier.ProtocolViolation):
                async with greffier.connect(peer.url, token="secret"):
                    pass
        assert other.connections == 0


async def test_another_protocol_is_refused() -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.until_gone()

    async with Peer(script, subprotocol=None) as peer:
        with pytest.raises(greffier.ProtocolViolation, match=r"greffier\.v1"):
            async with greffier.connect(peer.url):
                pass


async def test_the_server_refuses_the_start() -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.expect(Start)
        await peer.send(Error("unknown_language", "write a language as its code"))
        await peer.close(4400)

    async with Peer(script) as peer:
        with pytest.raises(greffier.ServerRefused) as caught:
            async with greffier.connect(peer.url, language="xx"):
                pass
    assert (caught.value.code, caught.value.retryable) == ("unknown_language", False)


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        ("{nonsense", greffier.MalformedFrame),
        (b"\x00\x01", greffier.MalformedFrame),
        ('{"type":"ack","samples":-1e3}', greffier.MalformedFrame),
        ('{"type":"ack","samples":1}', greffier.ProtocolViolation),
        ("x" * (MAX_TEXT_BYTES + 1), greffier.ProtocolViolation),
    ],
    ids=["text", "binary", "fraction", "never-sent", "long"],
)
async def test_nonsense_is_an_error_and_never_the_end(
    frame: str | bytes, kind: type[greffier.GreffierError]
) -> None:
    async def script(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.send_raw(frame)
        await peer.until_gone()

    async with Peer(script) as peer, greffier.connect(peer.url, reconnect=SOON) as session:
        with pytest.raises(kind):
            await _events(session)
    assert peer.connections == 1


async def test_a_silent_close_before_started_is_a_failed_connection() -> None:
    async def script(peer: PeerConnection) -> None:
        peer.drop()

    async with Peer(script) as peer:
        with pytest.raises(greffier.ConnectionFailed):
            async with greffier.connect(peer.url):
                pass


async def test_leaving_the_block_closes_the_socket_and_leaves_no_task() -> None:
    left = asyncio.Event()

    async def script(peer: PeerConnection) -> None:
        await peer.begin()
        await peer.until_gone()
        left.set()

    before = asyncio.all_tasks()
    async with Peer(script) as peer:
        with contextlib.suppress(ZeroDivisionError):
            async with greffier.connect(peer.url):
                raise ZeroDivisionError
        await asyncio.wait_for(left.wait(), 5)
    assert asyncio.all_tasks() == before


# --- watching -------------------------------------------------------------------------------------


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


# --- feeding from a source ------------------------------------------------------------------------


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


# --- without async --------------------------------------------------------------------------------


async def test_the_blocking_client_does_the_same() -> None:
    audio = recording(0.4)

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
        await _events(session)
