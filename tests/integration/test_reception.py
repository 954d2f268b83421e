"""What every WebSocket of other protocols shares: tokens, limits, the server's stop."""

import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from greffier_server.settings import LimitSettings, Settings, TenantToken, hash_token
from tests.support.conversations import encoded
from tests.support.served import Served, receive, served, until

pytestmark = pytest.mark.integration

TOKEN = "sixteen-characters"
SETTINGS = Settings(tokens=(TenantToken(tenant="a", digest=hash_token(TOKEN)),))
OPENAI = "/v1/realtime?intent=transcription"
MISTRAL = "/v1/audio/transcriptions/realtime?model=x"


def connected(server: Served, path: str, **options: Any) -> Any:
    return server.connect(path=path, subprotocols=options.pop("subprotocols", None), **options)


@pytest.mark.parametrize("path", [OPENAI, MISTRAL])
async def test_a_wrong_token_ends_the_handshake(path: str) -> None:
    async with served(SETTINGS) as server:
        for token in ("", "sk-of-somebody-else"):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            with pytest.raises(InvalidStatus) as refused:
                async with connected(server, path, additional_headers=headers):
                    pytest.fail("it was let in")
            answer = refused.value.response
            assert answer.status_code == (401 if path == OPENAI or not token else 403)
            assert b"message" in answer.body
            assert b"somebody" not in answer.body


@pytest.mark.parametrize(
    "options",
    [
        {"additional_headers": {"Authorization": f"Bearer {TOKEN}"}},
        {"additional_headers": {"api-key": TOKEN}},
        {"query": f"&api_key={TOKEN}"},
        {"subprotocols": ["realtime", f"openai-insecure-api-key.{TOKEN}"]},
    ],
)
async def test_every_way_to_give_a_token(options: dict[str, Any]) -> None:
    path = OPENAI + options.pop("query", "")
    names = options.pop("subprotocols", None)
    options["subprotocols"] = [Subprotocol(name) for name in names] if names else None
    async with served(SETTINGS) as server, connected(server, path, **options) as client:
        assert (await receive(client))["type"] == "session.created"
        assert client.subprotocol == ("realtime" if names else None)


async def test_a_page_of_another_site_is_refused() -> None:
    async with served() as server:
        with pytest.raises(InvalidStatus) as refused:
            async with connected(server, OPENAI, origin="https://evil.example"):
                pytest.fail("it was let in")
        assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("path", "kind"), [(OPENAI, "input_audio_buffer.append"), (MISTRAL, "input_audio.append")]
)
async def test_when_the_server_stops_the_session_is_kept(path: str, kind: str) -> None:
    async with served() as server, connected(server, path) as client:
        await receive(client, "session.created")
        await client.send(json.dumps({"type": kind, "audio": encoded(bytes(3_200))}))
        await until(lambda: server.desk.sessions)
        server.connections.stop()
        message = await receive(client, "error")
        assert "shutting down" in message["error"]["message"]
        assert await outcome_code(client) == 1012
        session = server.desk.only()
        assert session.detached == ["server stopping"]
        assert not session.finished


async def outcome_code(client: Any) -> int:
    await client.wait_closed()
    return int(client.close_code)


async def test_a_frame_beyond_the_limit_and_silence_end_the_connection() -> None:
    limits = LimitSettings(max_frame_bytes=4_096, idle_timeout_s=0.3)
    async with served(Settings(limits=limits)) as server:
        async with connected(server, OPENAI) as client:
            await receive(client, "session.created")
            await client.send("x" * 5_000)
            _, code = await outcome_of(client)
            assert code == 1009
        async with connected(server, OPENAI) as client:
            code_and_error = await outcome_of(client)
            assert code_and_error == ("idle_timeout", 4408)


async def closing_by_any_code(client: Any) -> AsyncGenerator[str, None]:
    with suppress(ConnectionClosed):
        while True:
            yield await client.recv()


async def outcome_of(client: Any) -> tuple[str, int]:
    code = ""
    async for frame in closing_by_any_code(client):
        message = json.loads(frame)
        if message["type"] == "error":
            code = message["error"]["code"]
    return code, int(client.close_code)
