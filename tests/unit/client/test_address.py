import pytest

from greffier.address import ServerAddress

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "live", "http"),
    [
        ("ws://h:1", "ws://h:1/v1/live", "http://h:1"),
        ("http://h:1/", "ws://h:1/v1/live", "http://h:1"),
        ("https://h", "wss://h/v1/live", "https://h"),
        ("wss://h/prefix/", "wss://h/prefix/v1/live", "https://h/prefix"),
        ("ws://h:1/v1/live", "ws://h:1/v1/live", "http://h:1"),
        ("h:1", "ws://h:1/v1/live", "http://h:1"),
        ("ws://[::1]:9", "ws://[::1]:9/v1/live", "http://[::1]:9"),
    ],
)
def test_one_address_gives_both(text: str, live: str, http: str) -> None:
    address = ServerAddress.parse(text)
    assert (address.live_url, address.http_url) == (live, http)


@pytest.mark.parametrize(
    "text", ["", "ftp://h", "ws://", "ws://u:p@h", "ws://h?token=x", "ws://h:99999", "ws://h#x"]
)
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ServerAddress.parse(text)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("localhost", True), ("[::1]", True), ("192.0.2.1", False), ("h", False)],
)
def test_loopback_is_recognised(host: str, loopback: bool) -> None:
    assert ServerAddress.parse(f"ws://{host}:1").is_loopback is loopback
