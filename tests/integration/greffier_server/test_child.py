"""A child server's errors are told with what its log said; ports are checked."""

import http.server
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from greffier_server.child import ChildServer, ServerNotReady, free_port, port_is_free

pytestmark = pytest.mark.integration


class Probe(http.server.BaseHTTPRequestHandler):
    """Not ready the first time, ready the second."""

    asked = 0

    def do_GET(self) -> None:
        Probe.asked += 1
        body = b'{"ready": false, "reason": "loading whisper-base"}'
        self.send_response(503 if Probe.asked == 1 else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def probe() -> Iterator[int]:
    Probe.asked = 0
    with http.server.HTTPServer(("127.0.0.1", 0), Probe) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def stand_in(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let the child run a shell script instead of the server."""
    popen = subprocess.Popen

    def start(_command: object, **options: object) -> object:
        return popen(["sh", "-c", script], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", start)


def test_it_waits_until_the_server_is_ready(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, probe: int
) -> None:
    stand_in(monkeypatch, "exec sleep 60")
    with ChildServer(data_dir=tmp_path, port=probe) as server:
        assert server.url == f"ws://127.0.0.1:{probe}"
        assert server.pid > 0
    assert Probe.asked == 2
    with pytest.raises(ServerNotReady, match="not running"):
        _ = server.pid


def test_a_server_that_ends_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stand_in(monkeypatch, "echo 'Error: whisper-base is not on this machine' >&2; exit 4")
    with (
        pytest.raises(ServerNotReady, match="whisper-base is not on this machine"),
        ChildServer(data_dir=tmp_path),
    ):
        pytest.fail("it is not ready")


def test_a_server_that_never_answers_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, "exec sleep 60")
    server = ChildServer(data_dir=tmp_path, ready_timeout_s=0.2)
    with pytest.raises(ServerNotReady, match="it does not answer"), server:
        pytest.fail("it is not ready")
    assert server.stop() is None


def test_a_server_that_ignores_sigterm_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, probe: int
) -> None:
    stand_in(monkeypatch, "trap '' TERM; while :; do sleep 0.05; done")
    server = ChildServer(data_dir=tmp_path, port=probe, stop_timeout_s=0.2)
    server.start()
    server.wait_until_ready()
    assert server.stop() == -9


def test_a_persons_own_server_settings_stay_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, probe: int
) -> None:
    monkeypatch.setenv("GREFFIER_TOKENS", "tenant:secret")
    monkeypatch.setenv("GREFFIER_RECOGNITION__DEVICE", "cuda")
    stand_in(monkeypatch, "env | grep GREFFIER_ >&2; exec sleep 60")
    with ChildServer(data_dir=tmp_path, port=probe, settings={"GREFFIER_LOG__LEVEL": "debug"}):
        pass
    said = (tmp_path / "server.log").read_text(encoding="utf-8")
    assert "GREFFIER_RECOGNITION__DEVICE=cuda" in said
    assert "GREFFIER_LOG__LEVEL=debug" in said
    assert "TOKENS" not in said


def test_a_taken_port_is_seen() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert not port_is_free(taken.getsockname()[1])
    assert port_is_free(free_port())
