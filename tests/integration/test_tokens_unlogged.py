"""Tokens, given in every way that clients give them, at every address; none is written down."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from greffier_server.child import ChildServer
from tests.support.fuzz_sockets import SOCKETS

pytestmark = pytest.mark.integration

TOKEN = "0123456789abcdef-of-this-server"
WRONG = "fedcba9876543210-of-another-one"
HEADERS = {
    "Bearer": ("Authorization", "Bearer {}"),
    "bearer": ("authorization", "bearer {}"),
    "Token": ("Authorization", "Token {}"),
    "api-key": ("api-key", "{}"),
    "x-api-key": ("X-Api-Key", "{}"),
}
SUBPROTOCOLS = {
    "token.": ["token.{}"],
    "token, ": ["token", "{}"],
    "bearer, ": ["bearer", "{}"],
    "openai-insecure-api-key.": ["realtime", "openai-insecure-api-key.{}"],
}
PARAMETERS = ("token", "access_token", "api_key")
PATHS = sorted({protocol.path for protocol in SOCKETS.values()})
REQUESTS = (
    ("GET", "/v1/sessions"),
    ("GET", "/v1/models"),
    ("POST", "/v1/audio/transcriptions"),
    ("POST", "/v1/audio/translations"),
    ("POST", "/v1/listen"),
    ("POST", "/v1/whip"),
    ("GET", "/v1/sessions/unknown/live"),
    ("GET", "/v1/sessions/unknown/hls/speech/playlist.m3u8"),
)


@dataclass(frozen=True)
class Given:
    """What a handshake brings."""

    headers: dict[str, str] | None = None
    subprotocols: tuple[str, ...] = ()


NOTHING = Given()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildServer]:
    settings = {
        "GREFFIER_RECOGNITION__ENGINE": "fake",
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        "GREFFIER_TOKENS": json.dumps({"ville": TOKEN}),
        "GREFFIER_LOG__LEVEL": "debug",
        "GREFFIER_LIMITS__GRACE_S": "0",
    }
    with ChildServer(data_dir=tmp_path_factory.mktemp("tokens"), settings=settings) as child:
        yield child


def shake(server: ChildServer, path: str, given: Given = NOTHING) -> int:
    """Open a socket and leave; return the status of the handshake."""
    names = given.subprotocols
    if path.startswith("/v1/live"):
        names = ("greffier.v1", *names)
    try:
        with connect(
            server.url + path,
            subprotocols=[Subprotocol(name) for name in names] if names else None,
            additional_headers=given.headers,
            proxy=None,
            open_timeout=60,
        ) as socket:
            assert socket.subprotocol is None or TOKEN not in socket.subprotocol
            if path.startswith("/v1/live"):  # says on the socket why it is closed
                return _started(socket)
            return 101
    except InvalidStatus as refused:
        told = bytes(refused.response.body or b"")
        return 0 if WRONG.encode() in told else refused.response.status_code


def _started(socket: ClientConnection) -> int:
    try:
        socket.send(json.dumps({"type": "start", "language": "fr", "minutes": False}))
        return 401 if json.loads(socket.recv(60))["type"] == "error" else 101
    except ConnectionClosed:
        return 401


def ways(path: str, token: str) -> Iterator[tuple[str, str, Given]]:
    """Name, path and handshake of each way to give a token to a socket."""
    for name, (header, value) in HEADERS.items():
        yield name, path, Given(headers={header: value.format(token)})
    for name, values in SUBPROTOCOLS.items():
        if path == "/v1/live" and len(values) > 1:
            continue  # there, what comes first is greffier.v1
        yield name, path, Given(subprotocols=tuple(value.format(token) for value in values))
    for name in PARAMETERS:
        yield name, f"{path}{'&' if '?' in path else '?'}{name}={token}", NOTHING


def test_every_way_opens_every_socket(server: ChildServer) -> None:
    for path in PATHS:
        assert shake(server, path) == 401, path
        for name, address, given in ways(path, TOKEN):
            assert shake(server, address, given) == 101, (path, name)
        for name, address, given in ways(path, WRONG):
            assert shake(server, address, given) in {401, 403}, (path, name)


def test_every_way_opens_every_request(server: ChildServer) -> None:
    address = server.url.replace("ws://", "http://")
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as http:
        for method, path in REQUESTS:
            assert http.request(method, path).status_code == 401, path
            for token, allowed in ((TOKEN, True), (WRONG, False)):
                given: list[dict[str, Any]] = [
                    {"headers": {header: value.format(token)}} for header, value in HEADERS.values()
                ]
                given += [{"params": {name: token}} for name in PARAMETERS]
                for each in given:
                    answer = http.request(method, path, **each)
                    assert (answer.status_code not in {401, 403}) == allowed, (path, each)
                    assert token not in answer.text


def test_a_token_for_a_session_is_as_secret(server: ChildServer) -> None:
    """The one that comes in a first message: of a session, to come back to it."""
    with connect(
        f"{server.url}/v1/live?token={TOKEN}",
        subprotocols=[Subprotocol("greffier.v1")],
        proxy=None,
    ) as socket:
        socket.send(json.dumps({"type": "start", "language": "fr", "minutes": False}))
        begun = json.loads(socket.recv(60))
        socket.send(bytes(3_200))
    resume = {"session": begun["session"], "token": begun["token"], "from_sample": 0}
    for secret, kind in ((begun["token"], "started"), (WRONG, "error")):
        with connect(
            f"{server.url}/v1/live?token={TOKEN}",
            subprotocols=[Subprotocol("greffier.v1")],
            proxy=None,
        ) as socket:
            socket.send(json.dumps({"type": "start", "resume": {**resume, "token": secret}}))
            assert json.loads(socket.recv(60))["type"] in {kind, "error"}
    _none_is_written(server, begun["token"])


def test_no_token_was_written_anywhere(server: ChildServer) -> None:
    """Last, into a log that tells everything, and into the folder of the sessions."""
    lines = server.log.read_text(encoding="utf-8").splitlines()
    assert len(lines) > 10
    assert not [line for line in lines if '"level": "error"' in line]  # a refusal is no fault
    _none_is_written(server, TOKEN)
    _none_is_written(server, WRONG)


def _none_is_written(server: ChildServer, secret: str) -> None:
    files = [path for path in server.data_dir.rglob("*") if path.is_file()]
    assert server.log in files
    assert [path for path in files if secret.encode() in path.read_bytes()] == []
