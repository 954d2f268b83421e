"""Which of several addresses is tried when."""

import pytest

from greffier.address import ServerAddress
from greffier.dialling import Dialler
from greffier.errors import AuthenticationFailed, ConnectionFailed
from greffier.wire import Wire

pytestmark = pytest.mark.unit


class Net:
    """Says which hosts answer, and writes down who was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.up = {"a", "b", "c"}
        self.asked: list[str] = []
        self.now_s = 0.0

        async def opened(address: ServerAddress, **options: object) -> Wire:
            del options
            self.asked.append(address.host)
            if address.host not in self.up:
                raise ConnectionFailed("nobody answers")
            return Wire.__new__(Wire)

        monkeypatch.setattr(Wire, "open", opened)

    def dialler(self, *hosts: str) -> Dialler:
        return Dialler([f"ws://{host}:1" for host in hosts], clock=lambda: self.now_s)

    def asked_since(self) -> str:
        asked, self.asked = "".join(self.asked), []
        return asked


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Net:
    return Net(monkeypatch)


async def test_the_first_that_answers_is_kept(net: Net) -> None:
    dialler = net.dialler("a", "b", "c")
    net.up.remove("a")
    await dialler.dial()
    assert net.asked_since() == "ab"
    net.now_s += 60
    net.up.add("a")
    await dialler.dial()
    assert net.asked_since() == "b"


async def test_a_connection_that_ended_soon_is_followed_by_the_next_address(net: Net) -> None:
    dialler = net.dialler("a", "b")
    await dialler.dial()
    net.now_s += 5  # it answers, and then refuses: it is being stopped
    await dialler.dial()
    assert net.asked_since() == "ab"


async def test_when_nobody_answers_each_was_asked_once_and_the_next_round_begins_elsewhere(
    net: Net,
) -> None:
    dialler = net.dialler("a", "b", "c")
    net.up.clear()
    with pytest.raises(ConnectionFailed):
        await dialler.dial()
    assert net.asked_since() == "abc"
    net.up.add("c")
    await dialler.dial()
    assert net.asked_since() == "abc"


async def test_a_refusal_is_not_asked_about_elsewhere(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(address: ServerAddress, **options: object) -> Wire:
        del options
        net.asked.append(address.host)
        raise AuthenticationFailed("authentication_failed", "the token was refused")

    monkeypatch.setattr(Wire, "open", refuse)
    with pytest.raises(AuthenticationFailed):
        await net.dialler("a", "b").dial()
    assert net.asked_since() == "a"


def test_one_address_is_enough_and_none_is_too_few(net: Net) -> None:
    assert Dialler("ws://a:1").address.host == "a"
    with pytest.raises(ValueError, match="no server address"):
        net.dialler()
    with pytest.raises(ValueError, match="not a server address"):
        Dialler(["ws://a:1", "ftp://b"])
