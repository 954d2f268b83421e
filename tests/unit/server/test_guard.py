"""The socket guard, in processes of its own: an audit hook cannot be taken off."""

import subprocess
import sys
import textwrap

import pytest

from greffier_server.guard import EgressRefused, SocketGuard

pytestmark = pytest.mark.unit


def guarded(body: str, allowed: str = "()") -> str:
    """Run `body` in a guarded process; return what it prints."""
    script = (
        "import asyncio, socket\n"
        "from greffier_server.guard import EgressRefused, install\n"
        f"install({allowed})\n"
        "def attempt(f, *a):\n"
        "    try:\n"
        "        f(*a)\n"
        "    except EgressRefused as error:\n"
        "        print('refused', error.code)\n"
        "    except OSError as error:\n"
        "        print('tried')\n"
        "    else:\n"
        "        print('tried')\n" + textwrap.dedent(body)
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


CONNECT = """
s = socket.socket(socket.{family}, socket.{kind})
s.settimeout(0.01)
attempt(s.{call}, {arguments})
"""


@pytest.mark.parametrize(
    ("family", "kind", "call", "arguments", "expected"),
    [
        ("AF_INET", "SOCK_STREAM", "connect", "('192.0.2.1', 80)", "refused egress_refused"),
        ("AF_INET", "SOCK_STREAM", "connect_ex", "('192.0.2.1', 80)", "refused egress_refused"),
        ("AF_INET", "SOCK_DGRAM", "sendto", "b'x', ('192.0.2.1', 53)", "refused egress_refused"),
        (
            "AF_INET",
            "SOCK_DGRAM",
            "sendmsg",
            "[b'x'], [], 0, ('192.0.2.1', 53)",
            "refused egress_refused",
        ),
        ("AF_INET", "SOCK_STREAM", "connect", "('127.0.0.1', 9)", "tried"),
        ("AF_INET", "SOCK_STREAM", "connect", "('198.51.100.9', 9)", "tried"),
        ("AF_UNIX", "SOCK_STREAM", "connect", "'/nonexistent'", "tried"),
    ],
)
def test_connections(family: str, kind: str, call: str, arguments: str, expected: str) -> None:
    body = CONNECT.format(family=family, kind=kind, call=call, arguments=arguments)
    assert guarded(body, allowed="['198.51.100.0/24']") == expected


def test_names_are_not_even_looked_up() -> None:
    assert guarded("attempt(socket.getaddrinfo, 'example.org', 80)") == "refused egress_refused"
    assert guarded("attempt(socket.gethostbyname, 'example.org')") == "refused egress_refused"
    assert guarded("attempt(socket.getaddrinfo, 'localhost', 80)") == "tried"


def test_asyncio_is_guarded_too() -> None:
    body = """
    async def dial():
        await asyncio.open_connection('192.0.2.1', 80)
    attempt(asyncio.run, dial())
    """
    assert guarded(body) == "refused egress_refused"


class _Internet:
    family = 2


def test_a_listed_name_lets_its_addresses_through() -> None:
    guard = SocketGuard(["localhost"])
    guard.check("socket.connect", (_Internet(), ("127.0.0.1", 1)))
    guard.check("socket.getaddrinfo", ("LOCALHOST.", 1))
    with pytest.raises(EgressRefused) as refused:
        guard.check("socket.connect", (_Internet(), ("192.0.2.1", 1)))
    assert "192.0.2.1" in refused.value.message
    assert "network.allowed_hosts" in refused.value.message


@pytest.mark.parametrize("host", ["::ffff:192.0.2.1", "fe80::1%eth0", "2001:db8::1"])
def test_other_ways_to_write_an_address(host: str) -> None:
    with pytest.raises(EgressRefused):
        SocketGuard().check("socket.connect", (_Internet(), (host, 1)))


@pytest.mark.parametrize("host", ["::1", "::ffff:127.0.0.1", "127.1.2.3"])
def test_loopback_is_always_allowed(host: str) -> None:
    SocketGuard().check("socket.connect", (_Internet(), (host, 1)))
