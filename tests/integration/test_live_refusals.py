"""What the WebSocket refuses: each with a stable code, and the server goes on."""

import json
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from greffier_server.errors import StorageFailed
from greffier_server.settings import LimitSettings, NetworkSettings, Settings, TenantToken
from greffier_server.settings import hash_token as hashed
from tests.support.served import outcome, receive, served

pytestmark = pytest.mark.integration

TOKEN = "correct-horse-battery"
WITH_TOKENS = Settings(tokens=(TenantToken(tenant="mairie", digest=hashed(TOKEN)),))


def start(**fields: Any) -> str:
    return json.dumps({"type": "start", **fields})


@pytest.mark.parametrize("offered", [None, ["chat"], ["greffier.v2"]])
async def test_without_the_subprotocol_the_handshake_is_refused(offered: Any) -> None:
    async with served() as server:
        protocols = offered and [Subprotocol(name) for name in offered]
        with pytest.raises(InvalidStatus) as refused:
            await server.connect(subprotocols=protocols)
        answer = refused.value.response
        assert answer.status_code == 400
        assert json.loads(answer.body or b"")["code"] == "unsupported_subprotocol"


async def test_an_unknown_path_is_refused_in_json() -> None:
    async with served() as server:
        with pytest.raises(InvalidStatus) as refused:
            await server.connect(path="/v1/nothing")
        assert refused.value.response.status_code == 404
        assert json.loads(refused.value.response.body or b"")["code"] == "not_found"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("", "malformed_message"),
        ("{", "malformed_message"),
        ("[]", "malformed_message"),
        ('{"type":3}', "malformed_message"),
        ('{"type":"hello"}', "unknown_message"),
        ('{"type":"finish"}', "unexpected_message"),
        (b"\x00\x00", "unexpected_message"),
        (start(format={"rate": 0}), "unsupported_audio"),
        (start(format={"rate": 1_000_000}), "unsupported_audio"),
        (start(format={"channels": 9}), "unsupported_audio"),
        (start(format={"encoding": "opus"}), "unsupported_audio"),
        (start(format={"rate": "fast"}), "malformed_message"),
        (start(language="klingon"), "unknown_language"),
        (start(translate_to=["../en"]), "unknown_language"),
        (start(title="x" * 501), "malformed_message"),
        (start(glossary=[{"term": " "}]), "malformed_message"),
        (start(resume={"session": "../../etc", "token": "t"}), "malformed_message"),
    ],
)
async def test_a_bad_first_message_is_refused(frame: str | bytes, code: str) -> None:
    async with served() as server:
        async with server.connect() as client:
            await client.send(frame)
            assert await outcome(client) == (code, 4400)
        assert server.desk.sessions == {}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"type": "watch", "session": "none"}, ("session_not_found", 4404)),
        (
            {"type": "start", "resume": {"session": "none", "token": "t"}},
            ("session_not_found", 4404),
        ),
        ({"type": "watch", "session": "none", "after_seq": -1}, ("malformed_message", 4400)),
    ],
)
async def test_sessions_that_are_not_there(message: Any, expected: tuple[str, int]) -> None:
    async with served() as server, server.connect() as client:
        await client.send(json.dumps(message))
        assert await outcome(client) == expected


async def test_a_wrong_resume_token_is_refused() -> None:
    async with served() as server, server.speaking() as (_, started), server.connect() as client:
        await client.send(start(resume={"session": started["session"], "token": "guess"}))
        assert await outcome(client) == ("authentication_failed", 4403)


async def test_a_client_that_says_nothing_is_sent_away() -> None:
    settings = Settings(limits=LimitSettings(start_timeout_s=0.2))
    async with served(settings) as server, server.connect() as client:
        assert await outcome(client) == ("start_timeout", 4408)


async def test_a_speaker_that_falls_silent_is_detached() -> None:
    settings = Settings(limits=LimitSettings(idle_timeout_s=0.2))
    async with served(settings) as server, server.speaking() as (client, _):
        assert await outcome(client) == ("idle_timeout", 4408)
        assert server.desk.only().detached == ["idle_timeout"]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ('{"type":"start"}', "unexpected_message"),
        ('{"type":"watch","session":"x"}', "unexpected_message"),
        ("UklGRiQAAABXQVZF", "malformed_message"),  # audio in base64 where it is due in binary
    ],
)
async def test_text_that_ends_a_session_s_connection(frame: str, code: str) -> None:
    async with served() as server, server.speaking() as (client, _):
        await client.send(frame)
        assert await outcome(client) == (code, 4400)
        assert server.desk.only().detached == [code]


async def test_misaligned_audio_is_not_taken_and_the_socket_stays() -> None:
    async with served() as server, server.speaking() as (client, _):
        await client.send(b"\x01\x02\x03")
        assert (await receive(client, "error"))["code"] == "misaligned_audio"
        await client.send(b"\x01\x02")
        assert (await receive(client, "ack"))["samples"] == 1
        assert bytes(server.desk.only().audio) == b"\x01\x02"


async def test_an_unknown_message_is_reported_and_the_session_goes_on() -> None:
    async with served() as server, server.speaking() as (client, _):
        await client.send('{"type":"mute"}')
        assert (await receive(client, "error"))["code"] == "unknown_message"
        await client.send('{"type":"finish"}')
        await receive(client, "finished")


async def test_audio_after_finish_is_not_taken() -> None:
    async with served() as server, server.speaking() as (client, _):
        session = server.desk.only()
        session.finish_by_itself = False
        await client.send('{"type":"finish"}')
        await client.send('{"type":"finish"}')  # twice is once
        await client.send(b"\x00\x00")
        error = await receive(client, "error")
        assert error["code"] == "session_closed"
        await session.complete()
        assert (await receive(client))["type"] == "finished"
        assert session.audio == b""


async def test_endless_nonsense_ends_the_connection() -> None:
    async with served() as server, server.speaking() as (client, _):
        for _ in range(150):
            await client.send(b"\x00")
        assert await outcome(client) == ("too_many_errors", 4400)


async def test_a_frame_above_the_limit() -> None:
    settings = Settings(limits=LimitSettings(max_frame_bytes=4096))
    async with served(settings) as server, server.speaking() as (client, _):
        await client.send(bytes(4096))
        assert (await receive(client, "ack"))["samples"] == 2048
        await client.send(bytes(4098))
        assert await outcome(client) == ("frame_too_large", 1009)
        assert len(server.desk.only().audio) == 4096


async def test_a_frame_far_above_the_limit_is_not_even_read() -> None:
    settings = Settings(limits=LimitSettings(max_frame_bytes=4096))
    async with served(settings) as server, server.speaking() as (client, _):
        await client.send(bytes(100_000))
        assert await outcome(client) == ("frame_too_large", 1009)


async def test_a_viewer_may_not_speak() -> None:
    async with served() as server, server.speaking() as (_, started), server.connect() as viewer:
        await viewer.send(json.dumps({"type": "watch", "session": started["session"]}))
        await receive(viewer, "started")
        await viewer.send(b"\x00\x00")
        assert await outcome(viewer) == ("unexpected_message", 4400)
        assert server.desk.only().audio == b""


async def test_a_broken_journal_is_reported_as_retryable() -> None:
    async with served() as server, server.speaking() as (client, _):
        server.desk.only().fail_acks(StorageFailed("the disk is full; free some space"))
        error = await receive(client, "error")
        assert (error["code"], error["retryable"]) == ("storage_failed", True)


async def test_an_unforeseen_failure_says_nothing_of_its_cause() -> None:
    async with served() as server, server.speaking() as (client, _):
        server.desk.only().push_error = ValueError("secret words")
        await client.send(b"\x00\x00")
        error = await receive(client, "error")
        assert error["code"] == "internal_error"
        assert "secret" not in error["message"]
        assert await outcome(client) == ("", 1011)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("authentication_required", 4401)),
        ({"path": "/v1/live?token=wrong"}, ("authentication_failed", 4403)),
        (
            {"additional_headers": {"Authorization": "Bearer wrong"}},
            ("authentication_failed", 4403),
        ),
        (
            {
                "additional_headers": {"Authorization": "Bearer wrong"},
                "path": f"/v1/live?token={TOKEN}",
            },
            ("authentication_failed", 4403),
        ),
    ],
)
async def test_without_the_right_token(options: Any, expected: tuple[str, int]) -> None:
    async with served(WITH_TOKENS) as server, server.connect(**options) as client:
        assert await outcome(client) == expected
        assert server.desk.sessions == {}


@pytest.mark.parametrize(
    "options",
    [
        {"additional_headers": {"Authorization": f"Bearer {TOKEN}"}},
        {"path": f"/v1/live?token={TOKEN}"},
        {"subprotocols": [Subprotocol("greffier.v1"), Subprotocol(f"token.{TOKEN}")]},
    ],
)
async def test_three_ways_to_give_a_token(options: Any) -> None:
    async with served(WITH_TOKENS) as server, server.connect(**options) as client:
        assert client.subprotocol == "greffier.v1"
        await client.send('{"type":"start"}')
        assert (await receive(client))["type"] == "started"
        assert server.desk.only().tenant == "mairie"


async def test_pages_of_other_sites_may_not_connect() -> None:
    settings = Settings(network=NetworkSettings(allowed_origins=("https://meet.example.org",)))
    async with served(settings) as server:
        with pytest.raises(InvalidStatus) as refused:
            await server.connect(origin=Origin("https://evil.example"))
        assert refused.value.response.status_code == 403
        assert json.loads(refused.value.response.body or b"")["code"] == "origin_refused"
        for allowed in (f"http://127.0.0.1:{server.port}", "https://meet.example.org"):
            async with server.connect(origin=Origin(allowed)) as client:
                await client.send('{"type":"start"}')
                assert (await receive(client))["type"] == "started"


async def test_a_foreign_name_for_loopback_is_refused() -> None:
    async with served() as server, httpx.AsyncClient(base_url=server.http) as http:
        answer = await http.get("/v1/sessions", headers={"Host": "evil.example"})
        assert (answer.status_code, answer.json()["code"]) == (421, "host_refused")
