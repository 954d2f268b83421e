"""Viewer links grant what they say, for as long as they say, and nothing else."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from greffier.protocol import Minutes
from greffier_models.types import Word
from greffier_server.core.events import (
    MinutesWritten,
    SegmentOpened,
    SegmentTranslated,
    WordsCommitted,
)
from greffier_server.settings import Settings, TenantToken, hash_token
from tests.support.served import Served, outcome, receive, served

pytestmark = pytest.mark.integration

TOKEN, OTHER = "a-token-of-the-tests", "a-token-of-another-tenant"
TOKENS = tuple(
    TenantToken(tenant=tenant, digest=hash_token(token))
    for tenant, token in (("ministry", TOKEN), ("other", OTHER))
)


class Office:
    """A server with tokens and a live session in two languages."""

    def __init__(self, server: Served, http: httpx.AsyncClient, session: str) -> None:
        self.server, self.http, self.session = server, http, session

    async def link(self, **wanted: Any) -> dict[str, Any]:
        answer = await self.http.post(f"/v1/sessions/{self.session}/links", json=wanted)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        return {**made, "secret": made["url"].rpartition("/")[2]}

    async def revoke(self, link: dict[str, Any]) -> int:
        path = f"/v1/sessions/{self.session}/links/{link['id']}"
        return (await self.http.delete(path)).status_code

    def viewer(self, secret: str) -> connect:
        offered = [Subprotocol("greffier.v1"), Subprotocol(f"link.{secret}")]
        return self.server.connect(subprotocols=offered)

    async def watch(self, client: Any, **options: Any) -> None:
        await client.send(json.dumps({"type": "watch", "session": self.session, **options}))


@asynccontextmanager
async def office() -> AsyncGenerator[Office, None]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        served(Settings(tokens=TOKENS)) as server,
        httpx.AsyncClient(base_url=server.http, trust_env=False, headers=headers) as http,
        server.connect(additional_headers=headers) as speaker,
    ):
        start = {"type": "start", "title": "Conseil", "translate_to": ["en", "de"]}
        await speaker.send(json.dumps(start))
        yield Office(server, http, (await receive(speaker))["session"])


async def say(here: Office, text: str) -> None:
    log = here.server.desk.only().log
    await log.append(SegmentOpened(1, 0, "fr"))
    await log.append(WordsCommitted(1, (Word(text, 0, 500, 0.9),), lag_ms=0))
    await log.append(SegmentTranslated(1, "de", "auf Deutsch"))
    await log.append(SegmentTranslated(1, "en", "in English"))


async def test_a_link_shows_its_session_in_its_languages() -> None:
    async with office() as here:
        link = await here.link(languages=["en"], origin="https://captions.example.org")
        assert link["url"].startswith("https://captions.example.org/w/")
        assert link["qr"]["size"] >= 21 + 8
        view = await here.http.get("/v1/view", headers={"Authorization": f"Link {link['secret']}"})
        assert view.json()["session"] == here.session
        assert view.json()["translate_to"] == ["en"]
        async with here.viewer(link["secret"]) as viewer:
            await here.watch(viewer, languages=["de", "en"])
            await receive(viewer, "started")
            await say(here, " bonjour")
            assert (await receive(viewer, "caption"))["committed"] == " bonjour"
            assert (await receive(viewer, "translation"))["language"] == "en"


async def test_a_link_shows_no_minutes() -> None:
    async with office() as here:
        link = await here.link()
        async with here.viewer(link["secret"]) as viewer:
            await here.watch(viewer)
            await receive(viewer, "started")
            session = here.server.desk.only()
            await session.log.append(MinutesWritten(Minutes(0, "fr", "À huis clos")))
            await session.finish()
            assert (await receive(viewer))["type"] == "finished"


async def test_a_revoked_link_cuts_its_viewers_and_no_others() -> None:
    async with office() as here:
        first, second = await here.link(), await here.link()
        async with here.viewer(first["secret"]) as cut, here.viewer(second["secret"]) as kept:
            for viewer in (cut, kept):
                await here.watch(viewer)
                await receive(viewer, "started")
            assert await here.revoke(first) == 204
            assert await outcome(cut) == ("link_invalid", 4403)
            await say(here, " encore")
            assert (await receive(kept, "caption"))["committed"] == " encore"
        async with here.viewer(first["secret"]) as late:
            assert await outcome(late) == ("link_invalid", 4403)
        listed = (await here.http.get(f"/v1/sessions/{here.session}/links")).json()["links"]
        assert {link["id"]: link["revoked_at_ms"] is not None for link in listed} == {
            first["id"]: True,
            second["id"]: False,
        }
        assert "secret" not in json.dumps(listed)
        assert "url" not in listed[0]


async def test_a_link_that_runs_out_ends_its_viewers() -> None:
    async with office() as here:
        link = await here.link(hours=0.4 / 3600)
        async with here.viewer(link["secret"]) as viewer:
            await here.watch(viewer)
            assert await outcome(viewer) == ("link_invalid", 4403)


@pytest.mark.parametrize("path", ["", "/captions", "/minutes", "/events", "/links", "/audio"])
async def test_a_link_opens_nothing_else(path: str) -> None:
    async with office() as here:
        link = await here.link()
        for value in (f"Link {link['secret']}", f"Bearer {link['secret']}"):
            answer = await here.http.get(
                f"/v1/sessions/{here.session}{path}", headers={"Authorization": value}
            )
            assert answer.status_code in {401, 403}


async def test_a_link_neither_speaks_nor_watches_another_session() -> None:
    async with office() as here:
        link = await here.link()
        async with here.viewer(link["secret"]) as speaker:
            await speaker.send(json.dumps({"type": "start"}))
            assert await outcome(speaker) == ("link_invalid", 4403)
        async with here.viewer(link["secret"]) as viewer:
            await viewer.send(json.dumps({"type": "watch", "session": "another"}))
            assert await outcome(viewer) == ("session_not_found", 4404)
        for secret in ("x" * 32, "y" * 4000):
            answer = await here.http.get("/v1/view", headers={"Authorization": f"Link {secret}"})
            assert answer.json()["code"] == "link_invalid"


async def test_links_are_their_tenants_own() -> None:
    async with office() as here:
        link = await here.link()
        here.http.headers["Authorization"] = f"Bearer {OTHER}"
        path = f"/v1/sessions/{here.session}/links"
        assert (await here.http.get(path)).status_code == 404
        assert (await here.http.post(path, json={})).status_code == 404
        assert await here.revoke(link) == 404


@pytest.mark.parametrize(
    "wanted",
    [
        {"hours": 0},
        {"hours": 1e9},
        {"languages": ["<b>"]},
        {"languages": ["en"] * 33},
        {"origin": "javascript:alert(1)"},
        {"origin": "https://a/path"},
        {"session": "another"},
    ],
)
async def test_what_cannot_be_granted_is_refused(wanted: dict[str, Any]) -> None:
    async with office() as here:
        answer = await here.http.post(f"/v1/sessions/{here.session}/links", json=wanted)
    assert answer.json()["code"] == "invalid_request"
