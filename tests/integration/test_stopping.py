"""A real server that is told to stop: what its clients hear, and when they come back."""

import asyncio
import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

import greffier
from benchmarks.crashes.verdict import fetch_record
from greffier_models.encoded import encode_speech, spoken
from greffier_server.child import ChildServer

pytestmark = pytest.mark.integration

RETRY_AFTER_S = 1
SAID = " ".join(f"w{place}" for place in range(20))
SPEECH = encode_speech(spoken(SAID), duration_ms=7_000).astype("<i2").tobytes()
UNFINISHED_UPLOAD = (
    b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
)


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildServer]:
    settings = {
        "GREFFIER_RECOGNITION__ENGINE": "fake",
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        "GREFFIER_LIMITS__RETRY_AFTER_S": str(RETRY_AFTER_S),
        "GREFFIER_LIMITS__DRAIN_S": "20",
    }
    with ChildServer(data_dir=tmp_path_factory.mktemp("stopped"), settings=settings) as running:
        yield running


def asked(server: ChildServer, method: str, path: str) -> tuple[int, str, dict[str, Any]]:
    """Status, ``Retry-After`` and body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        headers = {"Content-Type": "multipart/form-data; boundary=x"} if method == "POST" else {}
        connection.request(method, path, body=b"" if method == "POST" else None, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Retry-After", ""), json.loads(answer.read())
    finally:
        connection.close()


async def told(server: ChildServer) -> tuple[dict[str, Any], int]:
    """Open a session and say nothing: the last message, and the close code."""
    protocol = [Subprotocol("greffier.v1")]
    async with connect(
        f"{server.url}/v1/live", subprotocols=protocol, proxy=None, compression=None
    ) as socket:
        await socket.send(json.dumps({"type": "start", "language": "fr", "minutes": False}))
        message: dict[str, Any] = {}
        try:
            while True:
                message = json.loads(await socket.recv())
        except ConnectionClosed as ended:
            return message, ended.rcvd.code if ended.rcvd is not None else 1006


async def until_stopping(server: ChildServer) -> None:
    async with asyncio.timeout(30):
        while (await asyncio.to_thread(asked, server, "GET", "/readyz"))[0] != 503:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.05)


async def test_clients_are_told_when_to_come_back_and_do(server: ChildServer) -> None:
    notices: list[greffier.Reconnection] = []
    async with greffier.connect(
        server.url, language="fr", minutes=False, on_reconnect=notices.append
    ) as session:
        await session.send(SPEECH[: len(SPEECH) // 2])
        strict = asyncio.create_task(told(server))
        # A recording on its way holds the server up, so that newcomers meet it while it stops.
        _, upload = await asyncio.open_connection("127.0.0.1", server.port)
        upload.write(UNFINISHED_UPLOAD)
        await upload.drain()
        await asyncio.sleep(0.5)
        stopping = asyncio.create_task(asyncio.to_thread(server.stop))
        await until_stopping(server)
        message, close_code = await strict
        newcomers = await _turned_away(server)
        upload.transport.abort()
        assert await stopping == 0
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(server.wait_until_ready)
        await session.send(SPEECH[len(SPEECH) // 2 :])
        await session.finish()
        last = [message async for message in session][-1]
    assert (message["code"], message["retryable"], close_code) == ("server_stopping", True, 1012)
    assert message["retry_after_ms"] == RETRY_AFTER_S * 1_000
    assert newcomers == {"server_stopping"}
    assert RETRY_AFTER_S <= notices[0].delay_s <= 1.5 * RETRY_AFTER_S
    assert notices[-1].resumed
    assert isinstance(last, greffier.Finished)
    record = await asyncio.to_thread(fetch_record, server.url, session.id)
    assert record.audio == SPEECH
    assert record.text == SAID


async def _turned_away(server: ChildServer) -> set[str]:
    """Every way in refuses with 503 and says when; return the codes."""
    codes: set[str] = set()
    for method, path in (("GET", "/readyz"), ("POST", "/v1/audio/transcriptions")):
        status, after, body = await asyncio.to_thread(asked, server, method, path)
        assert (status, after) == (503, str(RETRY_AFTER_S)), path
        codes.add(body.get("error", body)["code"])  # the second in the shape of its protocol
    for path in ("/v1/live", "/v1/realtime?intent=transcription", "/v1/listen", "/vosk"):
        protocols = [Subprotocol("greffier.v1")] if path == "/v1/live" else None
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"{server.url}{path}", subprotocols=protocols, proxy=None)
        response = caught.value.response
        assert response.status_code == 503, path
        assert response.headers["Retry-After"] == str(RETRY_AFTER_S), path
    with pytest.raises(greffier.ServerRefused) as refused:
        async with greffier.connect(server.url, reconnect=False):
            pass
    assert refused.value.retryable
    assert refused.value.retry_after_s == RETRY_AFTER_S
    codes.add(refused.value.code)
    return codes
