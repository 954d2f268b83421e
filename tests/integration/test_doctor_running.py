"""What the doctor says of a server that runs."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from greffier_server import doctor
from greffier_server.settings import ObjectSettings, Settings
from tests.support.s3 import s3_server

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


def test_object_storage_is_tried(tmp_path: Path) -> None:
    assert doctor.check_objects(Settings(data_dir=tmp_path)).detail.startswith("none")
    with s3_server() as s3:
        place = s3.place()
        objects = ObjectSettings(
            url=place.url,
            bucket=place.bucket,
            access_key=place.access_key,
            secret_key=SecretStr(place.secret_key),
        )
        plain = Settings(data_dir=tmp_path)
        wanted = plain.model_copy(update={"objects": objects})
        assert doctor.check_objects(wanted).passed
        wrong = wanted.model_copy(update={"objects": objects.model_copy(update={"bucket": "none"})})
        check = doctor.check_objects(wrong)
        assert (check.passed, check.required) == (False, True)
        assert "Create the bucket" in check.advice
    gone = doctor.check_objects(wanted)
    assert not gone.passed
    assert place.secret_key not in gone.advice + gone.detail
