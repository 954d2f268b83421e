"""Who may ask, and from where."""

import pytest
from starlette.requests import HTTPConnection

from greffier_server.errors import AuthenticationFailed, AuthenticationRequired
from greffier_server.settings import NetworkSettings, Settings, TenantToken, hash_token
from greffier_server.transport.auth import Gate
from greffier_server.transport.refusals import HostRefused, OriginRefused

pytestmark = pytest.mark.unit

TOKENS = tuple(
    TenantToken(tenant=tenant, digest=hash_token(token))
    for tenant, token in {"a": "first-token", "b": "second-token"}.items()
)


def asked(
    headers: dict[str, str] | None = None,
    *,
    query: str = "",
    subprotocols: tuple[str, ...] = (),
) -> HTTPConnection:
    given = {"host": "127.0.0.1:8765", **(headers or {})}
    return HTTPConnection(
        {
            "type": "websocket",
            "scheme": "ws",
            "path": "/v1/live",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "subprotocols": list(subprotocols),
        }
    )


def gate(*, allowed_origins: tuple[str, ...] = ()) -> Gate:
    network = NetworkSettings(allowed_origins=allowed_origins)
    return Gate(Settings(tokens=TOKENS, network=network))


@pytest.mark.parametrize(
    ("connection", "tenant"),
    [
        (asked({"authorization": "Bearer first-token"}), "a"),
        (asked({"authorization": "bearer  second-token "}), "b"),
        (asked(query="token=second-token"), "b"),
        (asked(subprotocols=("greffier.v1", "token.first-token")), "a"),
        (asked({"authorization": "Bearer first-token"}, query="token=second-token"), "a"),
        # As the clients of other protocols give theirs.
        (asked({"authorization": "Token second-token"}), "b"),
        (asked(query="access_token=first-token"), "a"),
        (asked(query="api_key=second-token"), "b"),
        (asked({"api-key": "first-token"}), "a"),
        (asked({"x-api-key": " second-token"}), "b"),
        (asked({"authorization": "Bearer first-token", "api-key": "second-token"}), "a"),
        (asked(subprotocols=("token", "second-token")), "b"),
        (asked(subprotocols=("realtime", "openai-insecure-api-key.first-token")), "a"),
    ],
)
def test_a_token_names_its_tenant(connection: HTTPConnection, tenant: str) -> None:
    assert gate().tenant(connection) == tenant


@pytest.mark.parametrize(
    "connection",
    [
        asked(),
        asked({"authorization": "Bearer "}),
        asked({"authorization": "Basic Zmlyc3Q="}),
        asked(query="token="),
        asked(subprotocols=("token.",)),
        asked(subprotocols=("token",)),
        asked(subprotocols=("greffier.v1", "first-token")),
    ],
)
def test_no_token(connection: HTTPConnection) -> None:
    with pytest.raises(AuthenticationRequired):
        gate().tenant(connection)


@pytest.mark.parametrize("token", ["first", "first-token-", hash_token("first-token"), "é"])
def test_a_wrong_token_and_the_hash_itself(token: str) -> None:
    with pytest.raises(AuthenticationFailed):
        gate().tenant(asked(subprotocols=(f"token.{token}",)))


def test_without_tokens_loopback_names_are_the_default_tenant() -> None:
    open_gate = Gate(Settings(network=NetworkSettings(hostnames=("greffier.test",))))
    for host in ("127.0.0.1:8765", "localhost", "[::1]:1", "greffier.test:8765"):
        assert open_gate.tenant(asked({"host": host})) == "default"
    for host in ("evil.example", "127.0.0.1.evil.example", "", "[bad"):
        with pytest.raises(HostRefused):
            open_gate.tenant(asked({"host": host}))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://127.0.0.1:8765"},
        {"origin": "https://greffier.example", "host": "greffier.example"},
        {"origin": "https://greffier.example", "host": "greffier.example:443"},
        {"origin": "https://Meet.example.org"},
    ],
)
def test_origins_that_may_connect(headers: dict[str, str]) -> None:
    gate(allowed_origins=("https://meet.example.org/",)).check_origin(asked(headers))


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1:9999",
        "https://evil.example",
        "null",
        "",
        "http://meet.example.org",
        "https://[bad",
    ],
)
def test_origins_that_may_not(origin: str) -> None:
    with pytest.raises(OriginRefused):
        gate(allowed_origins=("https://meet.example.org",)).check_origin(asked({"origin": origin}))
