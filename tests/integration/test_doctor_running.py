"""What the doctor says of a server that runs."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from greffier_server import doctor
from greffier_server.settings import Settings

pytestmark = pytest.mark.integration


class Answering(BaseHTTPRequestHandler):
    """A server whose engine is down."""

    status = 503
    body = b'{"code": "model_not_loaded", "message": "It fails again and again."}'

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: Any) -> None:
        del format, args


def test_a_running_server_whose_engine_is_down_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            wanted = Settings(data_dir=tmp_path, port=server.server_port)
            check = doctor.check_running(wanted)
            assert (check.passed, check.required) == (False, False)
            assert "It fails again and again." in check.detail
            monkeypatch.setattr(Answering, "body", b"<html>")
            assert not doctor.check_running(wanted).passed
            monkeypatch.setattr(Answering, "status", 200)
            assert doctor.check_running(wanted).detail == "ready"
        finally:
            server.shutdown()
            thread.join()
    assert doctor.check_running(wanted).detail == "none"
