"""Bundles over a real socket: who gets one, when, and that it is streamed."""

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from greffier.protocol import AudioFormat, Start
from greffier_server.bundle.verify import check_bundle
from greffier_server.settings import Settings, TenantToken, hash_token
from tests.support.bundles import KEY
from tests.support.desk import disk_journal
from tests.support.served import Served, served

pytestmark = pytest.mark.integration

AUDIO = bytes(range(256)) * 8_192
"""2 MiB."""


def client(server: Served, token: str = "") -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(base_url=server.http, trust_env=False, headers=headers)


async def opened(server: Served, tenant: str = "default", *, finished: bool = True) -> str:
    session, _ = await server.desk.open(tenant, Start(AudioFormat("mulaw", 8_000), "fr"))
    if finished:
        await server.desk.sessions[session.id].complete()
    return session.id


async def test_a_bundle_comes_in_pieces_and_is_intact(tmp_path: Path) -> None:
    async with (
        disk_journal(tmp_path / "audio") as journal,
        served(journal=journal, signing_key=KEY) as server,
    ):
        session = await opened(server)
        kept = await journal.open("default", session)
        await kept.append(AUDIO)
        await kept.seal()
        async with (
            client(server) as http,
            http.stream("GET", f"/v1/sessions/{session}/bundle") as answer,
        ):
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/zip"
            assert answer.headers["cache-control"] == "no-store"
            assert f'filename="{session}.greffier.zip"' in answer.headers["content-disposition"]
            assert "content-length" not in answer.headers
            archive = b"".join([piece async for piece in answer.aiter_bytes()])
        assert len(archive) > len(AUDIO)
        assert await journal.open("default", session) is not kept  # let go
    await asyncio.to_thread(_check, tmp_path / "bundle.zip", archive)


def _check(path: Path, archive: bytes) -> None:
    path.write_bytes(archive)
    report = check_bundle(path, key=KEY.fingerprint)
    assert report.exit_code == 0, report.text()
    assert report.audio_bytes == len(AUDIO)


async def test_a_session_that_goes_on_has_none_yet() -> None:
    async with served(signing_key=KEY) as server, client(server) as http:
        session = await opened(server, finished=False)
        answer = await http.get(f"/v1/sessions/{session}/bundle")
        assert (answer.status_code, answer.json()["code"]) == (409, "session_unfinished")


async def test_a_server_without_a_key_says_so() -> None:
    async with served() as server, client(server) as http:
        session = await opened(server)
        for path in (f"/v1/sessions/{session}/bundle", "/v1/signing-key"):
            answer = await http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (501, "no_signing_key")


async def test_only_the_owner_gets_a_bundle() -> None:
    one, two = "token-of-one-tenant", "token-of-two-tenant"
    tokens = (
        TenantToken(tenant="one", digest=hash_token(one)),
        TenantToken(tenant="two", digest=hash_token(two)),
    )
    async with served(Settings(tokens=tokens), signing_key=KEY) as server:
        path = f"/v1/sessions/{await opened(server, 'one')}/bundle"
        for token, status in ((one, 200), (two, 404), ("", 401)):
            async with client(server, token) as http:
                assert (await http.get(path)).status_code == status
        async with client(server) as http:
            assert (await http.get("/v1/signing-key")).status_code == 401


async def test_a_log_with_a_hole_is_not_exported_as_if_it_were_whole() -> None:
    async with served(signing_key=KEY) as server, client(server) as http:
        session = await opened(server)
        rows = server.store.rows
        key = ("default", session)
        rows[key] = replace(rows[key], last_seq=99)
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(f"/v1/sessions/{session}/bundle")
