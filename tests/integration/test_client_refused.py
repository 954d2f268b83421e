"""The client when it is refused, or told nonsense."""

import asyncio
import contextlib
from http import HTTPStatus

import pytest

import greffier
from greffier.codec import MAX_TEXT_BYTES
from greffier.protocol import (
    Error,
    Start,
)
from tests.support.peer import Peer, PeerConnection
from tests.support.peer_messages import SOON, events_of

pytestmark = pytest.mark.integration


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
            await events_of(session)
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
        await asyncio.wait_for(left.wait(), 30)
    assert asyncio.all_tasks() == before
