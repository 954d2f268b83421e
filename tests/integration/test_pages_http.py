"""Pages over HTTP: who gets them, what guards them, and signing in."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest

from greffier_server.page_settings import PageSettings
from greffier_server.settings import Settings, TenantToken, hash_token
from greffier_web import PAGES
from tests.support.served import Served, served

pytestmark = pytest.mark.integration

TOKEN = "a-token-of-the-tests"
TOKENS = (TenantToken(tenant="ministry", digest=hash_token(TOKEN)),)


@asynccontextmanager
async def browser(server: Served) -> AsyncGenerator[httpx.AsyncClient, None]:
    async with httpx.AsyncClient(base_url=server.http, trust_env=False) as client:
        yield client


async def test_every_page_is_guarded() -> None:
    async with served() as server, browser(server) as client:
        for page in PAGES:
            answer = await client.get(page.path.replace("{session}", "s").replace("{link}", "l"))
            policy = answer.headers["content-security-policy"]
            assert answer.status_code == 200, page
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert "http" not in policy
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] in {"no-referrer", "same-origin"}
            assert answer.headers["cache-control"] == "no-cache"


async def test_frames_only_where_the_owner_says() -> None:
    settings = Settings(pages=PageSettings(frame_ancestors=("https://meet.example.org",)))
    async with served(settings) as server, browser(server) as client:
        watch = await client.get("/w/abc")
        home = await client.get("/")
    assert "frame-ancestors https://meet.example.org" in watch.headers["content-security-policy"]
    assert "x-frame-options" not in watch.headers
    assert "frame-ancestors 'none'" in home.headers["content-security-policy"]


async def test_assets_are_kept_for_ever_under_their_version_alone() -> None:
    async with served() as server, browser(server) as client:
        page = await client.get("/")
        address = page.text.split('stylesheet" href="/assets/')[1].split('"')[0]
        version, _, path = address.partition("/")
        kept = await client.get(f"/assets/{version}/{path}")
        old = await client.get(f"/assets/0123456789abcdef/{path}")
        again = await client.get("/", headers={"If-None-Match": page.headers["etag"]})
        absent = [
            await client.get(f"/assets/{version}/{name}")
            for name in ("none.js", "pages/home.html", "../pages.py", "..%2fpages.py")
        ]
    assert "immutable" in kept.headers["cache-control"]
    assert kept.headers["content-encoding"] == "gzip"
    assert old.headers["cache-control"] == "no-cache"
    assert old.text == kept.text
    assert again.status_code == 304
    assert {answer.status_code for answer in absent} == {404}


@pytest.mark.parametrize(
    ("asked", "headers", "language"),
    [
        ("/", {}, "fr"),
        ("/", {"Accept-Language": "en-GB,fr;q=0.8"}, "en"),
        ("/", {"Accept-Language": "de,en;q=0.3,fr;q=0.7"}, "fr"),
        ("/", {"Accept-Language": "en;q=nonsense,*"}, "fr"),
        ("/", {"Accept-Language": "fr", "Cookie": "greffier_language=en"}, "en"),
        ("/?lang=en", {"Accept-Language": "fr"}, "en"),
        ("/?lang=%22%3E%3Cscript%3E", {"Cookie": 'greffier_theme="><script>'}, "fr"),
    ],
)
async def test_the_language_is_the_visitors(
    asked: str, headers: dict[str, str], language: str
) -> None:
    async with served() as server, browser(server) as client:
        answer = await client.get(asked, headers=headers)
    assert f'<html lang="{language}" data-theme="auto"' in answer.text


async def test_signing_in_and_out() -> None:
    async with served(Settings(tokens=TOKENS)) as server, browser(server) as client:
        away = await client.get("/speak?x=1")
        assert (away.status_code, away.headers["location"]) == (
            303,
            "/sign-in?next=%2Fspeak%3Fx%3D1",
        )
        wrong = await client.post(
            "/v1/sign-in", data={"token": "wrong-token-of-nobody", "next": "/speak"}
        )
        assert "error=authentication_failed" in wrong.headers["location"]
        done = await client.post("/v1/sign-in", data={"token": TOKEN, "next": "/speak?x=1"})
        assert (done.status_code, done.headers["location"]) == (303, "/speak?x=1")
        cookie = done.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        assert (await client.get("/speak")).status_code == 200
        assert (await client.get("/v1/sessions")).status_code == 200
        foreign = await client.get("/v1/sessions", headers={"Origin": "http://127.0.0.1:1"})
        assert foreign.json()["code"] == "origin_refused"
        assert (await client.post("/v1/sign-out", data={"x": ""})).headers["location"] == "/sign-in"
        assert (await client.get("/v1/sessions")).status_code == 401


@pytest.mark.parametrize(
    "next_page", ["//evil.example", "https://evil.example", "/\\evil.example", "x", "/a\nb"]
)
async def test_nobody_is_led_elsewhere(next_page: str) -> None:
    async with served(Settings(tokens=TOKENS)) as server, browser(server) as client:
        done = await client.post("/v1/sign-in", data={"token": TOKEN, "next": next_page})
    assert done.headers["location"] == "/"


async def test_cookies_that_do_not_hold() -> None:
    async with served(Settings(tokens=TOKENS)) as server, browser(server) as client:
        done = await client.post("/v1/sign-in", json={"token": TOKEN})
        value = client.cookies["greffier_session"]
        name, ends, nonce, signature = value.split(".")
        client.cookies.clear()
        assert done.status_code == 204
        for forged in (
            f"{name}.{int(ends) + 1}.{nonce}.{signature}",
            f"{name}.{ends}.{nonce}.{'0' * 64}",
            f"{name}.never.{nonce}.{signature}",
            "x",
            "....",
        ):
            answer = await client.get(
                "/v1/sessions", headers={"Cookie": f"greffier_session={forged}"}
            )
            assert answer.status_code == 401, forged


async def test_guessing_tokens_is_slowed() -> None:
    async with served(Settings(tokens=TOKENS)) as server, browser(server) as client:
        codes = [
            (await client.post("/v1/sign-in", json={"token": f"a-wrong-token-no-{n}"})).json()[
                "code"
            ]
            for n in range(6)
        ]
        huge = await client.post("/v1/sign-in", content=b"x" * 10_000)
    assert codes == ["authentication_failed"] * 5 + ["too_many_guesses"]
    assert huge.status_code == 413


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_other_sites_change_nothing(headers: dict[str, str]) -> None:
    async with served() as server, browser(server) as client:
        for method, path in (("POST", "/v1/sessions/s/second-pass"), ("DELETE", "/v1/sessions/s")):
            answer = await client.request(method, path, headers=headers)
            assert answer.json()["code"] == "origin_refused"
        own = await client.delete("/v1/sessions/s", headers={"Origin": server.http})
        program = await client.delete("/v1/sessions/s")
    assert own.json()["code"] == program.json()["code"] == "session_not_found"


async def test_pages_can_be_off() -> None:
    settings = Settings(pages=PageSettings(enabled=False))
    async with served(settings) as server, browser(server) as client:
        assert (await client.get("/")).status_code == 404
