"""What a client must still be told over a socket when the server ends or pages something."""

from dataclasses import replace

import httpx
import pytest

from greffier_server.errors import SessionClosed
from tests.support.served import outcome, receive, served, until
from tests.support.sessions import NOW_MS, row

pytestmark = pytest.mark.integration


async def test_input_that_the_server_ends_still_brings_the_rest() -> None:
    """A session at its longest: the client goes on sending while the last words are written."""
    async with served() as server, server.speaking() as (client, _):
        session = server.desk.only()
        session.push_error = SessionClosed("the input has ended")
        for _ in range(300):
            await client.send(b"\0\0")
        assert (await receive(client, "error"))["code"] == "session_closed"
        await session.complete("limit")
        finished = await receive(client)
        assert (finished["type"], finished["reason"]) == ("finished", "limit")
        assert (await outcome(client))[1] == 1000
        await until(lambda: server.connections.count == 0)
        assert session.detached == []


async def test_pages_of_sessions_made_at_one_moment_lead_to_the_next() -> None:
    async with served() as server:
        store = server.store
        tied = [row(f"s{number}", "default", created_at_ms=NOW_MS) for number in range(3)]
        older = row("older", "default", created_at_ms=NOW_MS - 1)

        async def listed(
            tenant: str, *, limit: int = 50, before_ms: int | None = None
        ) -> list[object]:
            assert limit == 2  # and the page is longer: it ends with a whole millisecond
            return [replace(each) for each in tied] if before_ms is None else [older]

        store.list = listed  # type: ignore[method-assign, assignment]
        async with httpx.AsyncClient(base_url=server.http) as client:
            page = (await client.get("/v1/sessions", params={"limit": 2})).json()
            assert len(page["sessions"]) == 3
            assert page["next_before_ms"] == NOW_MS
            following = {"limit": 2, "before_ms": page["next_before_ms"]}
            rest = (await client.get("/v1/sessions", params=following)).json()
        assert [each["session"] for each in rest["sessions"]] == ["older"]
        assert rest["next_before_ms"] is None
