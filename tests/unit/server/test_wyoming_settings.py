"""Who may speak to a listener without tokens."""

import pytest
from pydantic import ValidationError

from greffier_server.wyoming_settings import WyomingSettings

pytestmark = pytest.mark.unit


def test_it_is_off_and_on_loopback_unless_asked() -> None:
    settings = WyomingSettings()
    assert settings.port is None
    assert settings.host == "127.0.0.1"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "house.example"])  # noqa: S104
def test_strangers_are_let_in_by_name_only(host: str) -> None:
    with pytest.raises(ValidationError, match="allowed_clients"):
        WyomingSettings(port=10_300, host=host)
    WyomingSettings(port=10_300, host=host, allowed_clients=("192.168.1.0/24",))
    WyomingSettings(host=host)  # nothing listens


@pytest.mark.parametrize("entry", ["everyone", "192.168.1.0/99", ""])
def test_clients_are_addresses(entry: str) -> None:
    with pytest.raises(ValidationError, match="addresses"):
        WyomingSettings(allowed_clients=(entry,))


@pytest.mark.parametrize(
    ("address", "welcome"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.168.1.77", True),
        ("::ffff:192.168.1.77", True),
        ("192.168.2.77", False),
        ("fe80::1%eth0", False),
        ("", False),
        ("nobody", False),
    ],
)
def test_addresses(address: str, welcome: bool) -> None:
    settings = WyomingSettings(host="::", allowed_clients=("192.168.1.5/24",))
    assert settings.lets_in(address) is welcome
