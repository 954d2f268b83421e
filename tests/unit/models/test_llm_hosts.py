import pytest

from greffier_models.errors import EngineError
from greffier_models.llm.hosts import checked_base_url

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:8000/v1",
        "http://127.9.9.9/v1",
        "http://localhost:11434/v1",
        "http://LOCALHOST/v1",
        "https://[::1]:8443/v1",
    ],
)
def test_this_machine_is_allowed(address: str):
    assert checked_base_url(address + "/") == address


@pytest.mark.parametrize(
    "address",
    [
        "http://10.0.0.1/v1",
        "https://api.example/v1",
        "http://0x7f.1/v1",
        "http://0.0.0.0/v1",
        "http://localhost.example/v1",
        "http://127.0.0.1.example/v1",
        "http://127.0.0.1@api.example/v1",
        "http://user:secret@127.0.0.1/v1",
        "http://127.0.0.1/v1?key=secret",
        "http://127.0.0.1:port/v1",
        "http://127.0.0.1:99999/v1",
        "ftp://127.0.0.1/v1",
        "http://[::1/v1",
        "127.0.0.1:8000",
        "",
    ],
)
def test_all_else_is_refused(address: str):
    with pytest.raises(EngineError) as caught:
        checked_base_url(address)
    assert "secret" not in caught.value.message


def test_the_owner_lists_other_hosts():
    allowed = ["llm.interior.example", "10.0.0.7:8000", "[fd00::7]:8000"]
    for address in (
        "https://LLM.interior.example/v1",
        "http://10.0.0.7:8000/v1",
        "http://[fd00::7]:8000/v1",
    ):
        checked_base_url(address, allowed_hosts=allowed)
    for address in ("http://10.0.0.7/v1", "http://[fd00::7]/v1", "https://other.example/v1"):
        with pytest.raises(EngineError):
            checked_base_url(address, allowed_hosts=allowed)
