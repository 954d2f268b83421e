"""The second pass over HTTP and from the command line, over a real socket."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from greffier.cli import build
from greffier.protocol import AudioFormat, Minutes, MinutesItem, Start
from greffier_models.types import Word
from greffier_server.core.events import (
    MinutesWritten,
    PassageRevised,
    SecondPassFinished,
    SecondPassStarted,
    SegmentClosed,
    SegmentOpened,
    SessionFinished,
    StageFailed,
    WordsCommitted,
)
from greffier_server.errors import AudioMissing, SessionUnfinished
from tests.support import served as serving
from tests.support.served import Served, receive, served

pytestmark = pytest.mark.integration

LIVE = (Word(" Good", 0, 400, 0.9), Word(" mourning.", 400, 900, 0.5))
SECOND = (Word(" Good", 0, 400, 0.9), Word(" morning.", 400, 900, 0.9))


class Reader:
    """Takes requests, and refuses them as told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bool]] = []
        self.refusal: Exception | None = None

    async def ask(self, tenant: str, session: str, *, minutes: bool = False) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.asked.append((tenant, session, minutes))


@asynccontextmanager
async def reading(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncGenerator[tuple[Served, httpx.AsyncClient, Reader], None]:
    reader = Reader()
    plain = serving.Services

    def with_reader(**parts: Any) -> Any:
        return plain(**parts, second_pass=reader)

    monkeypatch.setattr(serving, "Services", with_reader)
    async with (
        served() as server,
        httpx.AsyncClient(base_url=server.http, trust_env=False) as http,
    ):
        yield server, http, reader


async def session_of(server: Served, *, passed: bool) -> str:
    session, _ = await server.desk.open("default", Start(AudioFormat(), "en"))
    await session.log.append(
        SegmentOpened(1, 0, "en"),
        WordsCommitted(1, LIVE),
        SegmentClosed(1, 0, 900),
        SessionFinished("finish"),
    )
    if passed:
        minutes = Minutes(0, "en", "Hello", summary=(MinutesItem("They greet.", (1,), True),))
        await session.log.append(
            SecondPassStarted("en", 1),
            PassageRevised(1, 0, 900, "en", SECOND),
            SecondPassFinished(2, 1, 0, 0),
            MinutesWritten(minutes),
            engine="whisper-ct2/4:base@0:int8",
        )
    session.log.close()
    return session.id


async def test_captions_in_either_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    async with reading(monkeypatch) as (server, http, _):
        path = f"/v1/sessions/{await session_of(server, passed=True)}/captions"
        for query, text, revision in (
            ({}, "Good morning.", "second"),
            ({"revision": "second"}, "Good morning.", "second"),
            ({"revision": "live"}, "Good mourning.", "live"),
        ):
            said = (await http.get(path, params={"format": "json", **query})).json()
            assert (said["text"], said["revision"]) == (text, revision)
            for kind in ("srt", "vtt", "txt"):
                assert text in (await http.get(path, params={"format": kind, **query})).text
        refused = await http.get(path, params={"revision": "third"})
        assert refused.status_code == 422


async def test_without_a_second_pass_there_is_the_live_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with reading(monkeypatch) as (server, http, _):
        path = f"/v1/sessions/{await session_of(server, passed=False)}/captions"
        assert (await http.get(path, params={"format": "json"})).json()["revision"] == "live"
        missing = await http.get(path, params={"revision": "second"})
        assert (missing.status_code, missing.json()["code"]) == (404, "no_second_pass")


async def test_it_is_asked_for_and_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with reading(monkeypatch) as (server, http, reader):
        done = await session_of(server, passed=True)
        fresh = await session_of(server, passed=False)
        answer = await http.post(f"/v1/sessions/{fresh}/second-pass", params={"minutes": True})
        assert (answer.status_code, answer.json()["state"]) == (202, "queued")
        assert reader.asked == [("default", fresh, True)]
        assert (await http.get(f"/v1/sessions/{fresh}/second-pass")).json()["state"] == "none"
        found = (await http.get(f"/v1/sessions/{done}/second-pass")).json()
        assert (found["state"], found["words"], found["changed"]) == ("done", 2, 1)
        assert found["engine"].startswith("whisper-ct2")
        for refusal, status in ((SessionUnfinished("wait"), 409), (AudioMissing("gone"), 410)):
            reader.refusal = refusal
            answer = await http.post(f"/v1/sessions/{fresh}/second-pass")
            assert (answer.status_code, answer.json()["code"]) == (status, refusal.code)
        assert (await http.get("/v1/sessions/none/second-pass")).status_code == 404


async def test_a_failure_is_told() -> None:
    async with served() as server, httpx.AsyncClient(base_url=server.http) as http:
        session, _ = await server.desk.open("default", Start(AudioFormat(), "en"))
        await session.log.append(StageFailed("second-pass", "audio_missing", "gone"))
        found = (await http.get(f"/v1/sessions/{session.id}/second-pass")).json()
        assert (found["state"], found["code"]) == ("failed", "audio_missing")
        answer = await http.post(f"/v1/sessions/{session.id}/second-pass")
        assert (answer.status_code, answer.json()["code"]) == (501, "no_second_reader")


async def test_viewers_of_a_stored_session_end_where_they_always_did(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with reading(monkeypatch) as (server, _, _reader):
        session = await session_of(server, passed=True)
        async with server.connect() as socket:
            await socket.send(f'{{"type": "watch", "session": "{session}"}}')
            finished = await receive(socket, "finished")
            await socket.wait_closed()
            assert socket.close_code == 1000
            assert finished["reason"] == "finish"


async def test_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    async with reading(monkeypatch) as (server, _, reader):
        session = await session_of(server, passed=True)

        def run(*arguments: str, language: str = "en") -> Any:
            options = [*arguments, "--server", server.http.replace("http", "ws")]
            return CliRunner().invoke(build(language), options)

        asked = await asyncio.to_thread(run, "second-pass", session, "--minutes")
        assert asked.exit_code == 0
        assert "is read again when no session is live" in asked.stderr
        assert reader.asked == [("default", session, True)]
        told = await asyncio.to_thread(run, "second-pass", session, "--status", language="fr")
        assert "2 mots ; segments modifiés 1" in told.stderr
        live = await asyncio.to_thread(
            run, "export", session, "--revision", "live", "--format", "txt"
        )
        assert "Good mourning." in live.stdout
        both = await asyncio.to_thread(run, "export", session, "--format", "txt")
        assert "Good morning." in both.stdout
