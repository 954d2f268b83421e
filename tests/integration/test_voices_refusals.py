"""Who is refused by the adapters of other protocols, and how it is told, in its own protocol."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from greffier_server.errors import ServerBusy, SessionClosed
from greffier_server.services import Services
from greffier_server.settings import LimitSettings, Settings
from greffier_server.telemetry import Metrics
from greffier_server.transport.auth import Gate
from greffier_server.transport.guest import Doorway
from greffier_server.transport.wyoming.listener import WyomingAddressTaken, open_wyoming
from greffier_server.transport.wyoming.wire import WyomingEvent, encode_event
from greffier_server.wyoming_settings import WyomingSettings
from tests.support.served import Served, served, until

pytestmark = pytest.mark.integration

TOKEN = "a-token-long-enough"
LISTEN = "/v1/listen?encoding=linear16&sample_rate=16000"
GREETING = json.dumps({"uid": "u-1", "language": "fr", "unknown": {"field": [1]}})


def guarded(**limits: float) -> Settings:
    """A server that wants a token."""
    kept = LimitSettings(drain_s=1.0, start_timeout_s=5.0, **limits)  # type: ignore[arg-type]
    return Settings(tokens=f"mairie:{TOKEN}", limits=kept)  # type: ignore[arg-type]


def open_at(server: Served, path: str, **options: Any) -> connect:
    return connect(f"ws://127.0.0.1:{server.port}{path}", proxy=None, **options)


async def end_of(client: ClientConnection) -> tuple[list[Any], int, str]:
    """Every message to the end, and how it ended."""
    messages: list[Any] = []
    try:
        async with asyncio.timeout(30):
            while True:
                messages.append(json.loads(await client.recv()))
    except ConnectionClosed as ended:
        assert ended.rcvd is not None  # noqa: PT017 - the end is awaited, not an error
        return messages, ended.rcvd.code, ended.rcvd.reason


@pytest.mark.parametrize("path", [LISTEN, "/", "/vosk", "/whisperlive"])
async def test_without_a_token_nobody_is_let_in(path: str) -> None:
    async with served(guarded()) as server:
        for headers in ({}, {"Authorization": "Token a-wrong-token-of-length"}):
            with pytest.raises(InvalidStatus) as refused:
                async with open_at(server, path, additional_headers=headers):
                    pytest.fail("it was let in")
            knows_one_status = path == LISTEN  # Deepgram: 401, whatever is wrong with the key
            wrong = 403 if headers and not knows_one_status else 401
            assert refused.value.response.status_code == wrong
            body = json.loads(refused.value.response.body or b"")
            assert body.get("err_code") == "INVALID_AUTH" or body["code"].startswith("auth")
            assert "wrong-token" not in str(body)
        assert server.desk.sessions == {}


WAYS = {
    "token": {"additional_headers": {"Authorization": f"Token {TOKEN}"}},
    "bearer": {"additional_headers": {"Authorization": f"Bearer {TOKEN}"}},
    "subprotocol": {"subprotocols": [Subprotocol("token"), Subprotocol(TOKEN)]},
    "bearer subprotocol": {"subprotocols": [Subprotocol("bearer"), Subprotocol(TOKEN)]},
}


@pytest.mark.parametrize("way", [*WAYS, "query"])
async def test_each_way_of_giving_a_token(way: str) -> None:
    async with served(guarded()) as server:
        for path in (LISTEN, "/vosk", "/whisperlive"):
            query = f"{'&' if '?' in path else '?'}token={TOKEN}" if way == "query" else ""
            async with open_at(server, path + query, **WAYS.get(way, {})) as client:
                assert client.subprotocol != TOKEN
                first: str | bytes = GREETING if path == "/whisperlive" else bytes(640)
                await client.send(first)
                if path != LISTEN:
                    await client.recv()
                await until(lambda: server.desk.sessions)
        rows = list(server.store.rows)
        assert {tenant for tenant, _ in rows} == {"mairie"}
        assert len(rows) == 3


async def test_a_page_of_another_site_is_refused() -> None:
    async with served() as server:
        for path in (LISTEN, "/"):
            with pytest.raises(InvalidStatus) as refused:
                async with open_at(server, path, origin="https://elsewhere.example"):
                    pytest.fail("it was let in")
            assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("encoding=opus&sample_rate=48000", "unsupported_audio"),
        ("encoding=linear16", "malformed_message"),
        ("encoding=linear16&sample_rate=-1", "malformed_message"),
        ("encoding=linear16&sample_rate=1", "unsupported_audio"),
        ("encoding=linear16&sample_rate=16000&channels=99", "unsupported_audio"),
        ("encoding=linear16&sample_rate=16000&language=%00", "unknown_language"),
        ("encoding=linear16&sample_rate=16000&callback=http://evil.example", "egress_refused"),
        ("encoding=linear16&sample_rate=16000&redact=pci", "redaction_unsupported"),
        ("encoding=linear16&sample_rate=16000&keyterm=" + "x" * 300, "malformed_message"),
        ("encoding=mulaw&utterance_end_ms=soon", "malformed_message"),
        ("encoding=mulaw&profile=submarine", "malformed_message"),
        ("encoding=mulaw&translate_to=en,elvish!", "unknown_language"),
    ],
)
async def test_deepgram_refuses_what_it_cannot_do(query: str, code: str) -> None:
    async with served() as server:
        with pytest.raises(InvalidStatus) as refused:
            async with open_at(server, f"/v1/listen?{query}"):
                pytest.fail("it was let in")
        assert refused.value.response.status_code == 400
        body = json.loads(refused.value.response.body or b"")
        assert body["err_code"] == code
        assert body["err_msg"]
        assert body["request_id"]


async def test_deepgram_says_what_it_could_not_read_and_goes_on() -> None:
    async with served() as server, open_at(server, LISTEN) as client:
        for text in ("{", "[]", '{"type":7}', '{"type":"Dance"}', "[" * 50_000):
            await client.send(text)
            error = json.loads(await client.recv())
            assert error["type"] == "Error"
            assert error["variant"] == "SchemaError"
            assert "Dance" not in error["description"]
        await client.send('{"type":"Configure","keyterms":["x"]}')
        assert json.loads(await client.recv())["type"] == "ConfigureFailure"
        await client.send(bytes(3_201))  # half a sample waits for its other half
        await client.send(bytes(3_199))
        await client.send(b"")  # how streams were closed before CloseStream
        messages, code, _ = await end_of(client)
        assert code == 1000
        assert messages[-1]["type"] == "Metadata"
        assert messages[-1]["duration"] == 0.2


async def test_deepgram_wants_audio_that_it_can_decode() -> None:
    async with served() as server:
        for sound in (b"no container at all", b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + bytes(16)):
            async with open_at(server, "/v1/listen") as client:
                await client.send(sound)
                messages, code, reason = await end_of(client)
                assert messages[-1]["type"] == "Error"
                assert code == 1008
                assert reason.startswith("DATA-0000")
        async with open_at(server, "/v1/listen") as client:
            await client.send('{"type":"CloseStream"}')
            assert (await end_of(client))[1] == 1000
        assert server.desk.sessions == {}


async def test_deepgram_fetches_nothing() -> None:
    async with served() as server, httpx.AsyncClient(trust_env=False) as http:
        address = f"{server.http}/v1/listen"
        answer = await http.post(address, json={"url": "https://elsewhere.example/a.wav"})
        assert answer.status_code == 400
        assert answer.json()["err_code"] == "egress_refused"
        assert answer.json()["request_id"] == answer.headers["dg-request-id"]
        empty = await http.post(address, content=b"")
        assert empty.json()["err_code"] == "malformed_message"


async def test_a_stream_that_falls_silent_is_ended_and_what_it_said_is_kept() -> None:
    async with served(Settings(limits=LimitSettings(drain_s=1.0, idle_timeout_s=0.3))) as server:
        async with open_at(server, LISTEN) as client:
            await client.send(bytes(640))
            messages, code, reason = await end_of(client)
            assert messages[-1]["variant"] == "idle_timeout"
            assert code == 1011
            assert reason.startswith("NET-0001")
        (session,) = server.desk.sessions.values()
        await until(lambda: session.finished)
        assert session.audio == bytes(640)


@pytest.mark.parametrize(
    ("path", "end"), [(LISTEN, '{"type":"CloseStream"}'), ("/vosk", '{"eof":1}')]
)
async def test_who_waits_for_the_last_words_is_not_idle(path: str, end: str) -> None:
    limits = LimitSettings(drain_s=1.0, idle_timeout_s=0.2)
    async with served(Settings(limits=limits)) as server, open_at(server, path) as client:
        await client.send(bytes(640))
        await until(lambda: server.desk.sessions)
        (session,) = server.desk.sessions.values()
        session.finish_by_itself = False
        await client.send(end)
        await asyncio.sleep(0.5)
        await session.complete()
        messages, code, _ = await end_of(client)
        assert code == 1000
        assert messages[-1].get("type") == "Metadata" or messages[-1] == {"text": ""}


async def test_each_protocol_says_that_there_is_no_room() -> None:
    async with served() as server:
        server.desk.open_error = ServerBusy("no room for another session")
        with pytest.raises(InvalidStatus) as refused:
            async with open_at(server, LISTEN):
                pytest.fail("it was let in")
        assert refused.value.response.status_code == 503
        async with open_at(server, "/") as client:
            await client.send(GREETING)
            messages, code, _ = await end_of(client)
            assert messages == [{"uid": "u-1", "status": "WAIT", "message": 1.0}]
            assert code == 1013
        async with open_at(server, "/") as client:
            await client.send(bytes(640))
            assert await end_of(client) == ([], 1013, "server_busy: no room for another session")


async def test_whisperlive_says_what_is_wrong() -> None:
    bad: list[Any] = [
        {"uid": 7},
        {"uid": "u", "language": 7},
        {"uid": "u", "send_last_n_segments": 0},
        {"uid": "u", "audio_format": "mp3"},
        {"uid": "u", "language": "not a language"},
    ]
    async with served() as server:
        for greeting in bad:
            async with open_at(server, "/") as client:
                await client.send(json.dumps(greeting))
                messages, code, _ = await end_of(client)
                assert messages[-1]["status"] == "ERROR"
                assert code == 1008
        async with open_at(server, "/") as client:
            await client.send(GREETING)
            assert json.loads(await client.recv())["message"] == "SERVER_READY"
            await client.send(bytes(3))  # no whole sample
            assert json.loads(await client.recv())["status"] == "WARNING"
            await client.send("text is ignored")
            await client.send(bytes(64))
            await client.send(b"END_OF_AUDIO")
            assert (await end_of(client))[1] == 1000
        (session,) = server.desk.sessions.values()
        assert session.audio == bytes(64)


async def test_whisperlive_is_told_that_nothing_will_be_translated() -> None:
    async with served() as server:
        async with open_at(server, "/") as client:
            await client.send(json.dumps({"uid": "u", "task": "translate"}))
            ((message,), code, reason) = await end_of(client)
            assert (message["status"], code, reason) == ("ERROR", 1011, "no_translator")
        asked = {"uid": "u", "enable_translation": True, "target_language": "de"}
        async with open_at(server, "/") as client:
            await client.send(json.dumps(asked))
            assert json.loads(await client.recv())["message"] == "SERVER_READY"
            assert json.loads(await client.recv())["status"] == "WARNING"


async def test_whisperlive_hears_that_the_server_ended_it() -> None:
    async with served() as server, open_at(server, "/") as client:
        await client.send(GREETING)
        await client.recv()
        (session,) = server.desk.sessions.values()
        session.push_error = SessionClosed("the longest time is over")
        session.finish_by_itself = False  # its end comes from elsewhere
        await client.send(bytes(64))
        await session.complete("limit")
        messages, code, _ = await end_of(client)
        assert messages == [{"uid": "u-1", "message": "DISCONNECT"}]
        assert code == 1000


async def test_vosk_ends_with_a_reason() -> None:
    async with served() as server:
        async with open_at(
            server, "/vosk?profile=radio&minutes=0&title=T&translate_to=en"
        ) as client:
            await client.send('{"reset" : 1}')
            assert json.loads(await client.recv()) == {"text": ""}
            await client.send(bytes(640))
            assert json.loads(await client.recv()) == {"partial": ""}
        (row,) = server.store.rows.values()
        assert (row.title, row.translate_to) == ("T", ("en",))
        server.desk.sessions.clear()
        for text in ("{", "[]", "{}", '{"config":{"sample_rate":"fast"}}', '{"config":7}'):
            async with open_at(server, "/vosk") as client:
                await client.send(text)
                messages, code, reason = await end_of(client)
                assert (messages, code) == ([], 1008)
                assert reason.startswith("malformed_message")
        async with open_at(server, "/") as client:
            await client.send('{"config":{"sample_rate":16000,"phrase_list":["oui","[unk]"]}}')
            await client.send('{"eof" : 1}')
            assert (await end_of(client))[:2] == ([{"text": ""}], 1000)
        assert server.desk.sessions == {}


async def test_the_native_protocol_is_not_at_the_root() -> None:
    async with served() as server:
        with pytest.raises(InvalidStatus):
            async with open_at(server, "/", subprotocols=[Subprotocol("greffier.v1")]):
                pytest.fail("it was let in")


async def test_a_stopping_server_keeps_the_sessions_of_its_guests() -> None:
    async with served(Settings(limits=LimitSettings(drain_s=2.0))) as server:
        async with open_at(server, "/") as client, open_at(server, LISTEN) as other:
            await client.send(GREETING)
            await client.recv()
            await other.send(bytes(640))
            await until(lambda: len(server.desk.sessions) == 2)
            server.connections.stop()
            messages, code, _ = await end_of(client)
            assert messages[-1] == {"uid": "u-1", "message": "DISCONNECT"}
            assert code == 1012
            assert (await end_of(other))[0][-1]["variant"] == "server_stopping"
        for session in server.desk.sessions.values():
            assert session.detached == ["server stopping"]


# --- Wyoming ----------------------------------------------------------------------------------


class Tcp:
    """A client that writes what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, content: bytes) -> None:
        self._writer.write(content)
        await self._writer.drain()

    async def rest(self) -> bytes:
        """Everything up to the end."""
        async with asyncio.timeout(30):
            return await self._reader.read()


@asynccontextmanager
async def tcp(server: Served, settings: WyomingSettings) -> AsyncGenerator[Tcp, None]:
    services = Services(
        desk=server.desk,
        store=server.store,
        metrics=Metrics(),
        readiness=lambda: server.readiness[-1],
    )
    door = Doorway(services, Gate(Settings()), LimitSettings(), server.connections)
    async with open_wyoming(settings, door) as listener:
        assert listener is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        try:
            yield Tcp(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"hello\n", "malformed_message"),
        (b"[]\n", "malformed_message"),
        (b"{}\n", "malformed_message"),
        (b'{"type":"describe","data_length":-1}\n', "malformed_message"),
        (b'{"type":"describe","data_length":99999999}\n', "frame_too_large"),
        (b'{"type":"audio-chunk","payload_length":99999999999}\n', "frame_too_large"),
        (b'{"type":"describe","data_length":2}\n{{', "malformed_message"),
        (b"x" * 70_000, "frame_too_large"),
        (b'{"type":"audio-start"}\n', "malformed_message"),
        (
            encode_event(WyomingEvent("audio-start", {"rate": 16000, "width": 4, "channels": 1})),
            "unsupported_audio",
        ),
        (
            encode_event(WyomingEvent("audio-start", {"rate": 16000, "width": 2, "channels": 1}))
            + encode_event(
                WyomingEvent("audio-chunk", {"rate": 8000, "width": 2, "channels": 1}, bytes(4))
            ),
            "unsupported_audio",
        ),
    ],
)
async def test_wyoming_answers_nonsense(sent: bytes, code: str) -> None:
    async with served() as server, tcp(server, WyomingSettings(port=0)) as client:
        await client.send(sent)
        head, _, data = (await client.rest()).partition(b"\n")
        assert json.loads(head)["type"] == "error"
        assert json.loads(data)["code"] == code


async def test_wyoming_ends_who_is_idle_and_who_comes_too_many() -> None:
    async with served() as server:
        async with tcp(server, WyomingSettings(port=0, idle_timeout_s=0.2)) as client:
            await client.send(b'{"type":"something-new"}\n')  # dropped
            assert b"idle_timeout" in await client.rest()
        server.connections.stop()
        async with tcp(server, WyomingSettings(port=0)) as client:
            assert b"server_stopping" in await client.rest()


async def test_wyoming_keeps_what_a_client_said_before_it_left() -> None:
    async with served() as server:
        start = WyomingEvent("audio-start", {"rate": 16000, "width": 2, "channels": 1})
        chunk = WyomingEvent("audio-chunk", {"rate": 16000, "width": 2, "channels": 1}, bytes(640))
        async with tcp(server, WyomingSettings(port=0)) as client:
            await client.send(encode_event(start) + encode_event(chunk))
            await until(lambda: server.desk.sessions)
            (session,) = server.desk.sessions.values()
            await until(lambda: session.audio)
        await until(lambda: session.finished)
        assert session.audio == bytes(640)


async def test_wyoming_says_that_its_port_is_taken() -> None:
    async with served() as server:
        with pytest.raises(WyomingAddressTaken, match=r"wyoming\.port"):
            async with tcp(server, WyomingSettings(port=server.port)):
                pytest.fail("it listens")
