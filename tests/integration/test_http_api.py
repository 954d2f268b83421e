"""The HTTP interface over a real socket."""

import json
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from greffier.protocol import AudioFormat, Minutes, MinutesItem, Start
from greffier_models.types import Word
from greffier_server.core.events import (
    MinutesWritten,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    SessionFinished,
    WordsCommitted,
)
from greffier_server.core.records import decode_record
from greffier_server.services import Readiness
from greffier_server.settings import Settings, TenantToken, hash_token
from tests.support.served import Served, served

pytestmark = pytest.mark.integration

WORDS = (Word(" Bonjour", 0, 600, 0.9), Word(" à tous.", 600, 1200, 0.9))
MINUTES = Minutes(0, "fr", "Point du jour", summary=(MinutesItem("On se salue.", (1,), True),))


def client(server: Served, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.http, trust_env=False, **options)


async def recorded(server: Served, tenant: str = "default", *, minutes: bool = True) -> str:
    session, _ = await server.desk.open(
        tenant, Start(AudioFormat(), "fr", ("en",), title="Réunion")
    )
    await session.log.append(
        SegmentOpened(1, 0, "fr"),
        WordsCommitted(1, WORDS),
        SegmentClosed(1, 0, 1200),
        SegmentTranslated(1, "en", "Hello everyone."),
    )
    if minutes:
        await session.log.append(MinutesWritten(MINUTES), SessionFinished("finish"))
    return session.id


async def test_sessions_are_paged_newest_first() -> None:
    async with served() as server, client(server) as http:
        made = [await recorded(server) for _ in range(3)]
        first = (await http.get("/v1/sessions", params={"limit": 2})).json()
        assert [entry["session"] for entry in first["sessions"]] == [made[2], made[1]]
        assert "token_hash" not in first["sessions"][0]
        rest = await http.get(
            "/v1/sessions", params={"limit": 2, "before_ms": first["next_before_ms"]}
        )
        assert [entry["session"] for entry in rest.json()["sessions"]] == [made[0]]
        assert rest.json()["next_before_ms"] is None


@pytest.mark.parametrize(
    ("kind", "media", "part"),
    [
        ("srt", "application/x-subrip", "00:00:00,000 --> "),
        ("vtt", "text/vtt", "WEBVTT"),
        ("txt", "text/plain", "Bonjour à tous."),
        ("json", "application/json", "Bonjour à tous."),
    ],
)
async def test_captions_in_every_format(kind: str, media: str, part: str) -> None:
    async with served() as server, client(server) as http:
        session = await recorded(server)
        answer = await http.get(f"/v1/sessions/{session}/captions", params={"format": kind})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(media)
        assert part in answer.text


@pytest.mark.parametrize("kind", ["srt", "vtt", "txt", "json"])
async def test_translations(kind: str) -> None:
    async with served() as server, client(server) as http:
        session = await recorded(server)
        answer = await http.get(f"/v1/sessions/{session}/translations/en?format={kind}")
        assert "Hello everyone." in answer.text
        assert "Bonjour" not in answer.text
        missing = await http.get(f"/v1/sessions/{session}/translations/de?format={kind}")
        assert (missing.status_code, missing.json()["code"]) == (404, "not_translated")


async def test_minutes() -> None:
    async with served() as server, client(server) as http:
        session = await recorded(server)
        answer = await http.get(f"/v1/sessions/{session}/minutes")
        assert answer.json()["summary"][0]["cites"] == [1]
        text = await http.get(f"/v1/sessions/{session}/minutes?format=md")
        assert "Point du jour" in text.text
        assert text.headers["content-type"].startswith("text/markdown")
        unwritten = await recorded(server, minutes=False)
        missing = await http.get(f"/v1/sessions/{unwritten}/minutes")
        assert (missing.status_code, missing.json()["code"]) == (404, "no_minutes")


async def test_events_are_the_canonical_log() -> None:
    async with served() as server, client(server) as http:
        session = await recorded(server)
        answer = await http.get(f"/v1/sessions/{session}/events", params={"after": 2, "limit": 3})
        records = [decode_record(line) for line in answer.text.splitlines()]
        assert [record.seq for record in records] == [3, 4, 5]
        assert records == server.store.records["default", session][2:5]


async def test_a_deleted_session_is_gone() -> None:
    async with served() as server, client(server) as http:
        session = await recorded(server)
        assert (await http.delete(f"/v1/sessions/{session}")).status_code == 204
        for answer in (
            await http.get(f"/v1/sessions/{session}"),
            await http.delete(f"/v1/sessions/{session}"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")


async def test_a_tenant_sees_nothing_of_another() -> None:
    tokens = ("token-of-the-first", "token-of-the-second")
    settings = Settings(
        tokens=tuple(
            TenantToken(tenant=f"t{i}", digest=hash_token(token)) for i, token in enumerate(tokens)
        )
    )
    async with served(settings) as server:
        session = await recorded(server, "t0")
        paths = ("", "/captions", "/translations/en", "/minutes", "/events")
        async with client(server, headers={"Authorization": f"Bearer {tokens[0]}"}) as own:
            for path in paths:
                assert (await own.get(f"/v1/sessions/{session}{path}")).status_code == 200
        async with client(server, headers={"Authorization": f"Bearer {tokens[1]}"}) as other:
            for path in paths:
                assert (await other.get(f"/v1/sessions/{session}{path}")).status_code == 404
            assert (await other.delete(f"/v1/sessions/{session}")).status_code == 404
            assert (await other.get("/v1/sessions")).json()["sessions"] == []
        async with client(server) as nobody:
            answer = await nobody.get("/v1/sessions")
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert (await nobody.get("/metrics")).status_code == 401
            assert (await nobody.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/v1/sessions/", 404, "not_found"),
        ("POST", "/v1/sessions", 405, "method_not_allowed"),
        ("GET", "/v1/live", 404, "not_found"),
        ("GET", "/docs", 404, "not_found"),
        ("GET", "/v1/sessions?limit=0", 422, "invalid_request"),
        ("GET", "/v1/sessions?limit=201", 422, "invalid_request"),
        ("GET", "/v1/sessions?before_ms=1e400", 422, "invalid_request"),
        ("GET", "/v1/sessions/a%20b", 422, "invalid_request"),
        ("GET", f"/v1/sessions/{'x' * 65}", 422, "invalid_request"),
        ("GET", "/v1/sessions/x/captions?format=doc", 422, "invalid_request"),
        ("GET", "/v1/sessions/x/translations/fr_FR", 422, "invalid_request"),
        ("GET", "/v1/sessions/x/events?after=-1", 422, "invalid_request"),
        ("GET", f"/v1/sessions/x/events?after={10**30}", 422, "invalid_request"),
        ("GET", "/v1/sessions/x/events?limit=10001", 422, "invalid_request"),
        ("GET", "/v1/sessions/x", 404, "session_not_found"),
    ],
)
async def test_errors_have_one_shape(method: str, path: str, status: int, code: str) -> None:
    async with served() as server, client(server) as http:
        answer = await http.request(method, path)
        assert answer.status_code == status
        body = answer.json()
        assert set(body) == {"code", "message", "retryable"}
        assert body["code"] == code


async def test_a_lost_database_is_retryable() -> None:
    async with served() as server, client(server) as http:
        server.store.broken = True
        answer = await http.get("/v1/sessions/x")
        assert (answer.status_code, answer.json()["retryable"]) == (507, True)


async def test_an_unforeseen_failure_is_a_plain_500(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_request: Request) -> Response:
        raise ValueError("secret words")

    async with served(routes=[Route("/v1/fail", fail)]) as server, client(server) as http:
        answer = await http.get("/v1/fail")
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert "secret" not in answer.text
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "request failed"
    ]


async def test_health_readiness_and_models() -> None:
    async with served() as server, client(server) as http:
        assert (await http.get("/healthz")).json()["status"] == "ok"
        assert (await http.get("/readyz")).json()["status"] == "ready"
        server.readiness.append(Readiness(ready=False, reason="loading whisper-base"))
        answer = await http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["message"] == "loading whisper-base"
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/v1/models")).json() == {
            "ready": False,
            "reason": "loading whisper-base",
            "models": [],
            "object": "list",
            "data": [],
        }
        server.connections.stop()
        assert (await http.get("/readyz")).json()["code"] == "server_stopping"


async def test_metrics_count() -> None:
    async with served() as server, client(server) as http:
        await recorded(server)
        await http.get("/nothing")
        text = (await http.get("/metrics")).text
        assert "greffier_sessions_active 1.0" in text
        assert 'greffier_http_requests_total{method="GET",status="404"} 1.0' in text


async def test_openapi_names_every_answer() -> None:
    async with served() as server, client(server) as http:
        document = (await http.get("/v1/openapi.json")).json()
        assert "HTTPValidationError" not in json.dumps(document)
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                answers = operation["responses"]
                assert any(status.startswith("2") for status in answers), (path, method)
                if path.startswith("/v1/sessions"):
                    for status in ("401", "404", "422"):
                        schema = answers[status]["content"]["application/json"]["schema"]
                        assert schema == {"$ref": "#/components/schemas/ErrorBody"}
        for name in ("/v1/schema.json", "/v1/asyncapi.json"):
            assert (await http.get(name)).status_code == 200
