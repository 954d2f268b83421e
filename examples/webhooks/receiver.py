"""Receives Greffier's webhooks: checks the signature, and takes each notice once.

``SECRET=... python receiver.py 8080`` prints what it is told. The standard library is enough.
"""

import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

WINDOW_S = 300
LONGEST = 4 * 1024 * 1024


def genuine(body: bytes, header: str, secret: str) -> bool:
    """Whether `header` (Greffier-Signature) signs `body`, and not long ago."""
    parts = [part.split("=", 1) for part in header.split(",") if "=" in part]
    moment = next((value for name, value in parts if name == "t"), "")
    if not moment.isdecimal() or abs(time.time() - int(moment)) > WINDOW_S:
        return False
    signed = hmac.new(secret.encode(), moment.encode() + b"." + body, hashlib.sha256)
    given = [value for name, value in parts if name == "v1"]
    return any(hmac.compare_digest(value.encode(), signed.hexdigest().encode()) for value in given)


class Hook(BaseHTTPRequestHandler):
    """One delivery."""

    secret = ""
    seen: set[str] = set()  # noqa: RUF012 - a real receiver keeps them in its database

    def do_POST(self) -> None:
        """Answer 2xx once the notice is kept; anything else, and it comes again."""
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(min(length, LONGEST))
        if not genuine(body, self.headers.get("Greffier-Signature", ""), self.secret):
            self.send_response(401)
        else:
            self.take(json.loads(body))
            self.send_response(204)
        self.end_headers()

    def take(self, notice: dict[str, Any]) -> None:
        """Do something with it, once."""
        if notice["id"] in self.seen:
            return
        self.seen.add(notice["id"])
        print(notice["type"], notice.get("text", ""), flush=True)  # noqa: T201 - an example

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of requests."""


if __name__ == "__main__":
    Hook.secret = os.environ["SECRET"]
    server = HTTPServer(("127.0.0.1", int(sys.argv[1])), Hook)
    print("port", server.server_address[1], flush=True)  # noqa: T201
    server.serve_forever()
