"""A language model of no weights behind HTTP, slow on purpose: an OpenAI-compatible endpoint."""

import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from greffier_models.fakes import pseudo_translation
from greffier_models.llm.examples import example_json

__all__ = ["slow_model", "slow_model_settings"]

_CONTEXT_TOKENS = 32_768


class _Handler(BaseHTTPRequestHandler):
    """Answers with the least JSON that satisfies a schema, or a pseudo-translation, bit by bit."""

    protocol_version = "HTTP/1.0"
    answer_s = 0.5

    def do_GET(self) -> None:
        """Name the one model."""
        self._send({"data": [{"id": "slow", "max_model_len": _CONTEXT_TOKENS}]})

    def do_POST(self) -> None:
        """Complete a chat; count no tokens."""
        body = cast(
            "dict[str, Any]", json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        )
        if not self.path.endswith("/chat/completions"):
            self.send_error(404)
            return
        words = _answer(body).split(" ")
        with suppress(OSError):  # the server was killed meanwhile
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for number, word in enumerate(words):
                time.sleep(self.answer_s / len(words))
                self._piece({"content": word if number == 0 else f" {word}"}, None)
            self._piece({}, "stop")
            self.wfile.write(b"data: [DONE]\n\n")

    def _piece(self, delta: dict[str, str], finish: str | None) -> None:
        chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()

    def _send(self, answer: dict[str, Any]) -> None:
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _answer(body: dict[str, Any]) -> str:
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    if schema is not None:
        return example_json(schema)
    lines = str(body["messages"][-1]["content"]).strip().splitlines()
    return pseudo_translation(lines[-1]) if lines else ""


@contextmanager
def slow_model(*, answer_s: float = 0.5) -> Generator[str, None, None]:
    """Serve it on a free loopback port; yields the base URL, up to and with ``/v1``."""

    class Handler(_Handler):
        """With the pace of this server."""

    Handler.answer_s = answer_s
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, name="slow-model", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        finally:
            server.shutdown()
            thread.join()


def slow_model_settings(url: str) -> dict[str, str]:
    """Return the settings of a Greffier server that uses it."""
    return {
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "openai",
        "GREFFIER_LANGUAGE_MODEL__MODEL": "slow",
        "GREFFIER_LANGUAGE_MODEL__URL": url,
    }
