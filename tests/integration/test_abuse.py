"""Hostile peers against a real server process, beside a healthy session that must not notice.

Bounded: a few seconds each. The healthy session's acknowledgements are measured in each test, and
so is the memory of the server's process.
"""

import asyncio
import json
import os
import random
import socket
import struct
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import psutil
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from benchmarks.beside import Healthy, healthy_session
from benchmarks.connects import flood, untyped
from benchmarks.lag import percentile
from greffier_server.child import ChildServer

pytestmark = pytest.mark.integration

HEAD_TIMEOUT_S = 1.5
MEMORY_MB = 96
"""Growth of the server during one attack."""
LEAST_CONNECTS_PER_S = 800
"""Of the thousand that are due; a machine with other work gives the generator its turn late."""
ACK_MS = 1_500
"""The 95th percentile beside an attack, on a machine that others use too."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildServer]:
    settings = {
        "GREFFIER_RECOGNITION__ENGINE": "fake",
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        "GREFFIER_LIMITS__START_TIMEOUT_S": str(HEAD_TIMEOUT_S),
        "GREFFIER_LIMITS__CONNECTIONS": "128",
        "GREFFIER_LIMITS__SEND_TIMEOUT_S": "2",
        "GREFFIER_LIMITS__GRACE_S": "1",
        "GREFFIER_LIMITS__MAX_SESSIONS": "64",
        "GREFFIER_LOG__LEVEL": "warning",
    }
    data_dir = tmp_path_factory.mktemp("abused")
    with ChildServer(data_dir=data_dir, settings=settings) as running:
        yield running


@pytest_asyncio.fixture
async def healthy(server: ChildServer) -> AsyncIterator[Healthy]:
    """It runs through the whole test; afterwards its latency and the memory are judged."""
    process = psutil.Process(server.pid)
    before_mb = process.memory_info().rss / 1e6
    async with healthy_session(server.url) as beside:
        yield beside
        await asyncio.sleep(0.3)
    assert len(beside.latencies_ms) >= 3
    assert percentile(beside.latencies_ms, 95) <= ACK_MS
    assert beside.reconnections == 0
    assert process.memory_info().rss / 1e6 - before_mb <= MEMORY_MB


def dial(server: ChildServer, **options: object) -> connect:
    return connect(
        f"{server.url}/v1/live",
        subprotocols=[Subprotocol("greffier.v1")],
        compression=None,
        proxy=None,
        ping_interval=None,
        **options,  # type: ignore[arg-type]
    )


@asynccontextmanager
async def raw(
    server: ChildServer,
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter], None]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def answer(reader: asyncio.StreamReader, *, timeout_s: float = 30) -> bytes:
    """Everything until the server closes."""
    async with asyncio.timeout(timeout_s):
        with suppress(ConnectionResetError, BrokenPipeError):
            return await reader.read()
    return b""


async def started(server: ChildServer, socket: ClientConnection) -> str:
    await socket.send(json.dumps({"type": "start", "language": "fr", "minutes": False}))
    return json.loads(await socket.recv())["session"]


async def ending(socket: ClientConnection) -> tuple[str, int]:
    """Code of the last error, and of the close."""
    code = ""
    try:
        async with asyncio.timeout(30):
            while True:
                message = json.loads(await socket.recv())
                code = message["code"] if message["type"] == "error" else code
    except ConnectionClosed as ended:
        return code, ended.rcvd.code if ended.rcvd is not None else 1006


async def repeat(act: Callable[[], Awaitable[object]], *, for_s: float = 1.5) -> None:
    """Do it as fast as it goes, until the peer ends it or the time is over."""
    end = time.monotonic() + for_s
    with suppress(OSError, WebSocketException):
        while time.monotonic() < end:
            await act()


HANDSHAKE = (
    b"GET /v1/live HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: greffier.v1\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@pytest.mark.parametrize("head", [b"GET /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\n", HANDSHAKE])
async def test_slowloris(server: ChildServer, healthy: Healthy, head: bytes) -> None:
    async def drip() -> bytes:
        async with raw(server) as (reader, writer):
            reading = asyncio.create_task(answer(reader))
            for index in range(len(head)):
                if reading.done():
                    break
                with suppress(OSError):
                    writer.write(head[index : index + 1])
                    await writer.drain()
                await asyncio.wait({reading}, timeout=0.25)
            return await reading

    answers = await asyncio.gather(*(drip() for _ in range(30)))
    told = [text for text in answers if text]
    assert told
    assert all(b" 408 " in text and b"request_timeout" in text for text in told)


async def test_connections_that_say_nothing_are_closed(
    server: ChildServer, healthy: Healthy
) -> None:
    async def wait() -> bytes:
        async with raw(server) as (reader, _):
            return await answer(reader)

    answers = await asyncio.gather(*(wait() for _ in range(50)))
    assert all(b"request_timeout" in text for text in answers)


@pytest.mark.parametrize(
    "begin", [b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n", HANDSHAKE]
)
async def test_header_floods(server: ChildServer, healthy: Healthy, begin: bytes) -> None:
    one_long = begin + b"X: " + b"x" * 5_000_000
    for head in (one_long, begin + b"".join(b"X%d: y\r\n" % n for n in range(400)) + b"\r\n"):
        async with raw(server) as (reader, writer):
            with suppress(OSError):
                writer.write(head)
                await writer.drain()
            text = await answer(reader)
        assert not text or text.startswith((b"HTTP/1.1 400", b"HTTP/1.1 200"))


def masked(opcode: int, payload: bytes, *, fin: bool = True, rsv1: bool = False) -> bytes:
    """A client's frame with a mask of zeros (RFC 6455 §5.2)."""
    head = (0x80 if fin else 0) | (0x40 if rsv1 else 0) | opcode
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65_536:
        length = bytes([0x80 | 126]) + struct.pack(">H", size)
    else:
        length = bytes([0x80 | 127]) + struct.pack(">Q", size)
    return bytes([head]) + length + bytes(4) + payload


@asynccontextmanager
async def raw_socket(
    server: ChildServer,
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter], None]:
    """After the handshake and ``started``."""
    async with raw(server) as (reader, writer):
        writer.write(HANDSHAKE + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.write(masked(1, b'{"type":"start","language":"fr","minutes":false}'))
        await reader.read(1)
        yield reader, writer


@pytest.mark.parametrize(
    "frames",
    [
        masked(9, b"") * 20_000,  # pings
        masked(10, b"") * 20_000,  # pongs that nobody asked for
        masked(2, b"x" * 100, fin=False) + masked(0, b"", fin=False) * 20_000,
        masked(2, b"") * 20_000,
        masked(2, b"x") * 20_000,
    ],
    ids=["pings", "pongs", "empty-fragments", "empty-messages", "one-byte-messages"],
)
async def test_floods_in_one_piece(server: ChildServer, healthy: Healthy, frames: bytes) -> None:
    async with raw_socket(server) as (reader, writer):
        reading = asyncio.create_task(answer(reader))

        async def send() -> None:
            writer.write(frames)
            await writer.drain()
            if reading.done():
                raise ConnectionResetError

        await repeat(send)
        text = await reading
    assert b"too_many_frames" in text or b"too_many_errors" in text or text == b""


async def test_a_message_that_never_ends(server: ChildServer, healthy: Healthy) -> None:
    async with raw_socket(server) as (reader, writer):
        reading = asyncio.create_task(answer(reader))
        fragment = masked(0, b"x" * 60_000, fin=False)
        writer.write(masked(2, b"x", fin=False))

        async def send() -> None:
            writer.write(fragment)
            await writer.drain()
            if reading.done():
                raise ConnectionResetError

        await repeat(send)
        await reading  # closed: 1009


async def test_a_frame_of_100_megabytes(server: ChildServer, healthy: Healthy) -> None:
    async with raw_socket(server) as (reader, writer):
        reading = asyncio.create_task(answer(reader))
        writer.write(masked(2, b"")[:1] + bytes([0x80 | 127]) + struct.pack(">Q", 100 << 20))
        piece = bytes(1 << 20)
        with suppress(OSError):
            for _ in range(100):
                if reading.done():
                    break
                writer.write(piece)
                await writer.drain()
        text = await reading
        assert text == b"" or struct.pack(">H", 1009) in text


async def test_a_compression_bomb(server: ChildServer, healthy: Healthy) -> None:
    """The server offers no compression: a compressed frame is a violation, and never inflated."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = squeeze.compress(bytes(50 << 20)) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    async with raw(server) as (reader, writer):
        writer.write(HANDSHAKE + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"permessage-deflate" not in head
        writer.write(masked(1, bomb, rsv1=True))
        assert struct.pack(">H", 1002) in await answer(reader)


async def test_viewers_that_never_read(server: ChildServer, healthy: Healthy) -> None:
    async with dial(server) as speaker:
        session = await started(server, speaker)
        viewers: list[socket.socket] = []
        loop = asyncio.get_running_loop()
        for _ in range(20):
            viewer = socket.socket()
            viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            viewer.setblocking(False)
            viewers.append(viewer)
            await loop.sock_connect(viewer, ("127.0.0.1", server.port))
            watch = json.dumps({"type": "watch", "session": session}).encode()
            await loop.sock_sendall(viewer, HANDSHAKE + b"\r\n" + masked(1, watch))
        for _ in range(20):
            await speaker.send(random.randbytes(32_000))
            await asyncio.sleep(0.05)
        await speaker.send('{"type": "finish"}')
        assert (await ending(speaker))[1] == 1000
        for viewer in viewers:
            viewer.close()


async def test_half_open_sockets(server: ChildServer, healthy: Healthy) -> None:
    """They never answer; the server's pings find them, and meanwhile they cost next to nothing."""
    process = psutil.Process(server.pid)
    before_s = sum(process.cpu_times()[:2])
    held = [await _started_and_silent(server) for _ in range(20)]
    await asyncio.sleep(2)
    spent_s = sum(process.cpu_times()[:2]) - before_s
    for writer in held:
        writer.transport.abort()
    assert spent_s < 2.0


async def _started_and_silent(server: ChildServer) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(HANDSHAKE + b"\r\n" + masked(1, b'{"type":"start","minutes":false}'))
    await reader.readuntil(b"\r\n\r\n")
    return writer


@pytest.mark.parametrize("hold", [False, True], ids=["leaving", "staying"])
async def test_a_thousand_connects_a_second(
    server: ChildServer, healthy: Healthy, hold: bool
) -> None:
    found = await flood(server.port, per_s=1_000, seconds=2, hold=hold, patience_s=15)
    assert found["offered"] == 2_000
    assert found["offered_per_s"] >= LEAST_CONNECTS_PER_S
    assert untyped(found) == 0, found["answers"]
    assert found["answers"]["101"] >= (128 if hold else 500), found["answers"]
    if hold:
        assert found["answers"]["503 server_busy"] >= 1_000, found["answers"]
    async with asyncio.timeout(30):  # and it still takes others
        while True:
            async with dial(server) as client:
                with suppress(ConnectionClosed, KeyError):
                    assert await started(server, client)
                    break


@pytest.mark.parametrize(
    "frame",
    [
        "[" * 100_000,
        '{"type":' * 50_000,
        '{"type":"start","title":' + "9" * 100_000 + "}",
        '{"type":"start","format":{"rate":1e999}}',
        '{"type":"start","format":{"rate":NaN}}',
        '{"type":"watch","session":"a","type":"start"}',
        '{"type":"start","title":"\\ud800"}',
        '{"type":"start","glossary":[' + ",".join(['{"term":"a"}'] * 50_000) + "]}",
        "\x00" * 1_000,
        "",
    ],
    ids=["deep", "deeper", "digits", "huge", "nan", "twice", "surrogate", "many", "nul", "empty"],
)
async def test_hostile_json(server: ChildServer, frame: str) -> None:
    async with dial(server) as client:
        await client.send(frame)
        assert await ending(client) == ("malformed_message", 4400)


async def test_guessed_tokens(server: ChildServer, healthy: Healthy) -> None:
    async with dial(server) as owner:
        session = await started(server, owner)

        async def guess() -> str:
            async with dial(server) as thief:
                resume = {"session": session, "token": os.urandom(18).hex()}
                await thief.send(json.dumps({"type": "start", "resume": resume}))
                return (await ending(thief))[0]

        codes = [await guess() for _ in range(12)]
        assert set(codes) == {"authentication_failed", "too_many_guesses"}
        assert codes.count("authentication_failed") <= 5
