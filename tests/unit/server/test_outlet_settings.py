"""Outlets are the server's owner's alone, and go where the socket guard lets them."""

from typing import Any

import pytest
from pydantic import ValidationError

from greffier_server.settings import Settings
from greffier_server.settings_sources import effective, load_settings

pytestmark = pytest.mark.unit

SECRET = "a-secret-of-enough-characters"


def settings(url: str, *allowed: str, mqtt: str | None = None) -> Settings:
    given: dict[str, Any] = {
        "webhooks": {"endpoints": [{"name": "a", "url": url, "secret": SECRET}]},
        "mqtt": {"url": mqtt},
        "network": {"allowed_hosts": allowed},
    }
    return Settings.model_validate(given)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.1:9/x", ()),
        ("http://[::1]/x", ()),
        ("http://localhost/x", ()),
        ("https://hooks.ville.example/x", ("hooks.ville.example",)),
        ("https://HOOKS.ville.example./x", ("hooks.ville.example",)),
        ("https://10.1.2.3/x", ("10.1.0.0/16",)),
    ],
)
def test_places_on_the_list_are_taken(url: str, allowed: tuple[str, ...]) -> None:
    assert settings(url, *allowed).webhooks.endpoints[0].url == url


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://hooks.ville.example/x", ()),
        ("https://evil.example/x", ("hooks.ville.example",)),
        ("https://hooks.ville.example.evil.example/x", ("hooks.ville.example",)),
        ("https://10.2.2.3/x", ("10.1.0.0/16",)),
        ("https://169.254.169.254/latest", ()),
    ],
)
def test_other_places_are_refused(url: str, allowed: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match="allowed_hosts"):
        settings(url, *allowed)


def test_a_broker_is_held_to_the_same_list() -> None:
    with pytest.raises(ValidationError, match="allowed_hosts"):
        settings("http://127.0.0.1/", mqtt="mqtts://broker.example")
    assert settings("http://127.0.0.1/", mqtt="mqtt://127.0.0.1").mqtt.url
    for wrong in ("http://127.0.0.1", "mqtt://", "mqtt://u:p@127.0.0.1"):
        with pytest.raises(ValidationError):
            settings("http://127.0.0.1/", mqtt=wrong)


def test_names_are_given_once() -> None:
    endpoint = {"name": "a", "url": "http://127.0.0.1/", "secret": SECRET}
    with pytest.raises(ValidationError, match="name of its own"):
        Settings.model_validate({"webhooks": {"endpoints": [endpoint, endpoint]}})


def test_they_can_come_from_the_environment_and_show_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = f'[{{"name":"a","url":"http://127.0.0.1/","secret":"{SECRET}"}}]'
    monkeypatch.setenv("GREFFIER_WEBHOOKS__ENDPOINTS", text)
    found = load_settings()
    assert found.webhooks.endpoints[0].secret.get_secret_value() == SECRET
    assert SECRET not in str(effective(found))
    assert SECRET not in repr(found)
