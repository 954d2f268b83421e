"""Server-sent events over real sockets: what an EventSource is told, and when it is not."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection

from greffier.protocol import Start
from greffier_models.types import Word
from greffier_server.core.events import (
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    TailRevised,
    WordsCommitted,
)
from greffier_server.settings import NetworkSettings, Settings
from tests.support.served import Served, served, until

pytestmark = pytest.mark.integration

WORDS = (Word(" one", 0, 300, 0.9), Word(" two", 300, 700, 0.8))
TOKEN = "a-token-long-enough"


class Reader:
    """Reads one stream, event by event."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self) -> tuple[str, Any]:
        """Return id and data of the next event."""
        seen, text = "", ""
        async with asyncio.timeout(30):
            async for line in self._lines:
                if line.startswith("id: "):
                    seen = line[4:]
                elif line.startswith("data: "):
                    text = line[6:]
                elif line == "" and text:
                    return seen, json.loads(text)
        return "", None


@asynccontextmanager
async def reading(
    server: Served, session: str, query: str = "", **headers: str
) -> AsyncGenerator[Reader, None]:
    async with httpx.AsyncClient(trust_env=False) as client:
        address = f"{server.http}/v1/sessions/{session}/live{query}"
        async with client.stream("GET", address, headers=headers) as response:
            yield Reader(response)


async def test_a_session_is_told_to_its_end_and_resumed() -> None:
    async with served() as server:
        session, _ = await server.desk.open("default", Start(language="fr"))
        async with reading(server, session.id) as reader:
            assert reader.response.headers["content-type"].startswith("text/event-stream")
            assert reader.response.headers["cache-control"] == "no-store"
            await session.log.append(SegmentOpened(1, 0, "fr"), TailRevised(1, " on", 0, 300, "fr"))
            assert (await reader.next())[1]["tail"] == " on"
            await session.log.append(WordsCommitted(1, WORDS), SegmentTranslated(1, "en", "A"))
            seen, caption = await reader.next()
            assert (caption["type"], caption["committed"]) == ("caption", " one two")
            assert seen == str(caption["seq"])
            assert (await reader.next())[1]["language"] == "en"
        await until(lambda: server.connections.count == 0)
        async with reading(server, session.id, **{"Last-Event-ID": seen}) as reader:
            assert (await reader.next())[1]["type"] == "translation"
            await session.log.append(SegmentClosed(1, 0, 700))
            assert (await reader.next())[1]["closed"] is True
            await session.finish()
            last, finished = await reader.next()
            assert finished["type"] == "finished"
            assert await reader.next() == ("", None)
        # A browser comes back after the end, and is told to stay away.
        async with reading(server, session.id, **{"Last-Event-ID": last}) as reader:
            assert reader.response.status_code == 204
        async with reading(server, session.id, f"?after_seq={seen}") as reader:
            kinds = [(await reader.next())[1]["type"] for _ in range(3)]
            assert kinds == ["translation", "caption", "finished"]


async def test_only_wanted_languages_are_told() -> None:
    async with served() as server:
        session, _ = await server.desk.open("default", Start(language="fr"))
        await session.log.append(
            SegmentOpened(1, 0, "fr"),
            WordsCommitted(1, WORDS),
            SegmentTranslated(1, "en", "A"),
            SegmentTranslated(1, "de", "B"),
        )
        await session.finish()
        told: dict[str, list[str]] = {}
        for query in ("", "?languages=de", "?languages="):
            async with reading(server, session.id, query) as reader:
                told[query] = []
                while (message := (await reader.next())[1]) is not None:
                    told[query].append(message.get("language", ""))
        assert told == {
            "": ["fr", "en", "de", ""],
            "?languages=de": ["fr", "de", ""],
            "?languages=": ["fr", ""],
        }


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("nothing/live", {}, 404, "session_not_found"),
        ("{id}/live?after_seq=-1", {}, 422, "invalid_request"),
        ("{id}/live?languages=Klingonese!", {}, 400, "unknown_language"),
        ("{id}/live", {"Last-Event-ID": "1e9"}, 400, "malformed_message"),
        ("{id}/live", {"Last-Event-ID": "9" * 400}, 400, "malformed_message"),
        ("{id}/live", {"Origin": "https://other.example"}, 403, "origin_refused"),
    ],
)
async def test_refusals_come_before_the_stream(
    path: str, headers: dict[str, str], status: int, code: str
) -> None:
    async with served() as server, httpx.AsyncClient(trust_env=False) as client:
        session, _ = await server.desk.open("default", Start())
        address = f"{server.http}/v1/sessions/{path.format(id=session.id)}"
        answer = await client.get(address, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert server.connections.count == 0


async def test_a_page_of_an_allowed_site_reads_with_a_token_in_the_address() -> None:
    site = "https://meet.example"
    settings = Settings.model_validate(
        {"tokens": f"ville:{TOKEN}", "network": NetworkSettings(allowed_origins=(site,))}
    )
    async with served(settings) as server:
        session, _ = await server.desk.open("ville", Start())
        async with reading(server, session.id, Origin=site) as reader:
            assert reader.response.status_code == 401
            assert reader.response.headers["access-control-allow-origin"] == site
        async with reading(server, session.id, f"?token={TOKEN}", Origin=site) as reader:
            assert reader.response.status_code == 200
            assert reader.response.headers["access-control-allow-origin"] == site
            await session.finish()
            assert (await reader.next())[1]["type"] == "finished"


async def test_a_stopping_server_tells_its_readers() -> None:
    async with served() as server:
        session, _ = await server.desk.open("default", Start())
        async with reading(server, session.id) as reader:
            server.connections.stop()
            message = (await reader.next())[1]
            assert (message["code"], message["retryable"]) == ("server_stopping", True)
            assert await reader.next() == ("", None)


async def test_a_reader_that_does_not_read_does_not_keep_a_server_from_stopping() -> None:
    async with served() as server:
        session, _ = await server.desk.open("default", Start(language="fr"))
        head = f"GET /v1/sessions/{session.id}/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1_024)
        writer.write(head.encode())
        viewer = await server.connect(max_queue=1)
        await viewer.send(json.dumps({"type": "watch", "session": session.id}))
        await until(lambda: server.connections.count == 2)
        for _ in range(100):
            await session.log.append(WordsCommitted(1, (Word("x" * 50_000, 0, 1, 0.9),)))
        server.connections.stop()
        assert await server.connections.wait_empty(timeout_s=20)
        assert not reader.at_eof()
        writer.transport.abort()
        viewer.transport.abort()


async def test_one_that_does_not_read_holds_up_nobody_of_many() -> None:
    """Over WebSocket and over events; `benchmarks.viewers` measures three hundred."""
    async with served() as server, asyncio.timeout(60), AsyncExitStack() as stack:
        session, _ = await server.desk.open("default", Start(language="fr"))
        request = f"GET /v1/sessions/{session.id}/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        readers: list[asyncio.StreamReader] = []
        for _ in range(61):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            stack.callback(writer.close)
            writer.write(request.encode())
            readers.append(reader)
        readers.pop()  # that one is never read
        sockets: list[ClientConnection] = []
        for _ in range(20):
            socket = await stack.enter_async_context(server.connect())
            await socket.send(json.dumps({"type": "watch", "session": session.id}))
            sockets.append(socket)
        await until(lambda: server.connections.count == 81)
        for number in range(20):
            text = f" word-{number}-" + "x" * 1_000
            await session.log.append(WordsCommitted(1, (Word(text, 0, 1, 0.9),)))
        await session.finish()
        heard = [[json.loads(frame) async for frame in socket] for socket in sockets]
        kinds = ["started", *["caption"] * 20, "finished"]
        assert all([message["type"] for message in one] == kinds for one in heard)
        assert all(one == heard[0] for one in heard)
        for reader in readers:
            body = await reader.readuntil(b'"finished"')
            assert body.count(b"data: ") == 21
