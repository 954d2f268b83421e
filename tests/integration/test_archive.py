import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from greffier import Archive
from greffier.cli import build
from greffier.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    ProtocolViolation,
    ServerRefused,
)
from greffier.protocol import MinutesItem

pytestmark = pytest.mark.integration


@dataclass
class Site:
    """An HTTP server with canned answers, by method and path."""

    answers: dict[str, tuple[int, str | bytes]] = field(
        default_factory=dict[str, tuple[int, str | bytes]]
    )
    asked: list[tuple[str, str | None]] = field(default_factory=list[tuple[str, str | None]])
    url: str = ""


@pytest.fixture
def site() -> Iterator[Site]:
    state = Site()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            request = f"{self.command} {self.path}"
            state.asked.append((request, self.headers["Authorization"]))
            status, body = state.answers.get(request, (404, '{"code":"session_not_found"}'))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", state.url + "/elsewhere")
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else body.encode())

        do_GET = do_DELETE = _answer  # noqa: N815  # names of http.server

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        server.shutdown()
        thread.join()


MINUTES = {
    "seq": 0,
    "language": "en",
    "title": "Net",
    "decisions": [{"text": "Go at six.", "cites": [4], "verified": True}],
}
ROW = {
    "session": "s1",
    "title": "Point\x1b[2J du lundi",
    "state": "finished",
    "language": "fr",
    "created_at_ms": 1_700_000_000_000,
    "duration_ms": 61_000,
}


async def test_each_read_asks_for_its_path(site: Site) -> None:
    site.answers = {
        "GET /v1/sessions": (200, json.dumps({"sessions": [ROW], "next_before_ms": None})),
        "GET /v1/sessions/s1": (200, json.dumps(ROW)),
        "GET /v1/sessions/a%2Fb/captions?format=srt": (200, "é"),
        "GET /v1/sessions/s1/translations/en?format=vtt": (200, "WEBVTT"),
        "GET /v1/sessions/s1/minutes?format=json": (200, json.dumps(MINUTES)),
        "GET /v1/sessions/s1/minutes?format=md": (200, "# Net"),
        "DELETE /v1/sessions/s1": (204, ""),
    }
    archive = Archive(site.url.replace("http", "ws"), "secret")
    assert await archive.sessions() == [ROW]
    assert await archive.session("s1") == ROW
    assert await archive.captions("a/b", "srt") == "é"
    assert await archive.translation("s1", "en", "vtt") == "WEBVTT"
    minutes = await archive.minutes("s1")
    assert minutes.decisions == (MinutesItem("Go at six.", (4,), verified=True),)
    assert await archive.minutes_markdown("s1") == "# Net"
    await archive.delete("s1")
    assert {token for _, token in site.asked} == {"Bearer secret"}
    assert "secret" not in repr(archive)


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (404, '{"code":"session_not_found","message":"no","retryable":false}', ServerRefused, None),
        (401, "who are you", AuthenticationFailed, "http_401"),
        (503, '{"error":{"code":"server_busy","retryable":true}}', ServerRefused, "server_busy"),
        (500, "[" * 50_000, ServerRefused, "http_500"),
        (302, "", ServerRefused, "http_302"),
        (200, "{", ProtocolViolation, "protocol_violation"),
        (200, "[]", ProtocolViolation, "protocol_violation"),
        (200, b"\xff", ProtocolViolation, "protocol_violation"),
        (200, '{"seq":"x"}', ProtocolViolation, "protocol_violation"),
    ],
)
async def test_other_answers_are_errors(
    site: Site, status: int, body: str | bytes, kind: type[ServerRefused], code: str | None
) -> None:
    site.answers["GET /v1/sessions/s1/minutes?format=json"] = (status, body)
    with pytest.raises(kind) as caught:
        await Archive(site.url, "secret").minutes("s1")
    assert caught.value.code == (code or "session_not_found")
    assert len(site.asked) == 1, "a redirect was followed"


async def test_a_list_that_is_none_is_refused(site: Site) -> None:
    site.answers["GET /v1/sessions"] = (200, '{"sessions":{}}')
    with pytest.raises(ProtocolViolation):
        await Archive(site.url).sessions()


async def test_nobody_there(site: Site) -> None:
    with pytest.raises(ConnectionFailed):
        await Archive("http://127.0.0.1:1").sessions()


def run(site: Site, *arguments: str, language: str = "en", **options: str) -> Result:
    environment = {"GREFFIER_SERVER": site.url, "GREFFIER_TOKEN": "secret"}
    return CliRunner().invoke(build(language), arguments, env=environment, **options)  # type: ignore[arg-type]


def test_sessions_as_a_table_and_as_json(site: Site) -> None:
    site.answers["GET /v1/sessions"] = (200, json.dumps({"sessions": [ROW, {}]}))
    lines = run(site, "sessions").stdout.splitlines()
    assert lines[0].startswith("s1  2023-11-1")
    assert lines[0].endswith("  1:01  finished  fr  Point [2J du lundi")
    assert json.loads(run(site, "sessions", "--format", "json").stdout) == [ROW, {}]
    site.answers["GET /v1/sessions"] = (200, "[]")
    result = run(site, "sessions", language="fr")
    assert (result.stdout, result.stderr) == ("", "Aucune session.\n")


def test_minutes_cite_times(site: Site) -> None:
    prefix = "GET /v1/sessions/s1"
    site.answers = {
        f"{prefix}/minutes?format=json": (200, json.dumps(MINUTES)),
        f"{prefix}/minutes?format=md": (200, "# Net"),
        f"{prefix}/captions?format=json": (
            200,
            '{"segments":[{"id":4,"start":61.5},7,{"id":"x"}]}',
        ),
    }
    assert "• Go at six. [1:01]" in run(site, "minutes", "s1").stdout
    assert run(site, "minutes", "s1", "--format", "md").stdout == "# Net\n"
    assert json.loads(run(site, "minutes", "s1", "--format", "json").stdout)["title"] == "Net"
    for captions in ("nonsense", "[]", '{"segments":[{"segment":4,"start_ms":1}]}'):
        site.answers[f"{prefix}/captions?format=json"] = (200, captions)
        assert "Go at six. [" in run(site, "minutes", "s1").stdout


def test_export_to_a_file(site: Site, tmp_path: Path) -> None:
    site.answers["GET /v1/sessions/s1/captions?format=vtt"] = (200, "WEBVTT\n")
    site.answers["GET /v1/sessions/s1/translations/en?format=srt"] = (200, "1\n")
    target = tmp_path / "x.vtt"
    assert run(site, "export", "s1", "--format", "vtt", "-o", str(target)).exit_code == 0
    assert target.read_text("utf-8") == "WEBVTT\n"
    assert run(site, "export", "s1", "--translation", "en").stdout == "1\n"


def test_delete_asks_first(site: Site) -> None:
    site.answers["DELETE /v1/sessions/s1"] = (204, "")
    assert run(site, "delete", "s1", input="n\n").exit_code == 1
    assert site.asked == []
    assert run(site, "delete", "s1", input="y\n").exit_code == 0
    assert run(site, "delete", "s1", "--yes").exit_code == 0
    assert len(site.asked) == 2


def test_a_refusal_is_exit_code_3_in_the_users_language(site: Site) -> None:
    result = run(site, "export", "nope", language="fr")
    assert (result.exit_code, "session introuvable" in result.stderr) == (3, True)
