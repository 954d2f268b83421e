"""Two machines on one: network namespaces, and a cable between them on which packets are lost.

Needs root, ``ip`` (iproute2) and ``nft`` (nftables); where one is missing, or the system does not
allow it, both machines are this one, and who speaks must lose its packets itself.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["TwoMachines", "two_machines"]

RTP_TYPES = "{ 0x60, 0xe0 }"
"""Second byte of a packet of aiortc's Opus, payload type 96, without and with its marker."""


@dataclass(frozen=True, slots=True)
class TwoMachines:
    """Where the server runs, and where the one who speaks."""

    server: tuple[str, ...] = ()
    """In front of a command of the server."""
    client: tuple[str, ...] = ()
    server_address: str = "127.0.0.1"
    client_address: str = "127.0.0.1"

    @property
    def apart(self) -> bool:
        """They are two, and the kernel loses what the other one sends."""
        return bool(self.server)

    def lost(self) -> int:
        """Packets of sound that the kernel has lost on the way to the server."""
        out = _run(*self.server, "nft", "-j", "list", "counter", "ip", "weather", "sound")
        found = [each["counter"] for each in json.loads(out)["nftables"] if "counter" in each]
        return int(found[0]["packets"])


@contextmanager
def two_machines(*, loss: float) -> Generator[TwoMachines]:
    """Yield two machines with a lossy cable, or one machine.

    Args:
        loss: share of the UDP datagrams to the server that is lost, and of those back.
    """
    names = (f"gr{os.getpid()}s", f"gr{os.getpid()}c")
    made: list[str] = []
    try:
        machines = _lay_cable(names, made, loss)
    except (subprocess.CalledProcessError, FileNotFoundError, PermissionError):
        machines = TwoMachines()
    try:
        yield machines
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def _lay_cable(names: tuple[str, str], made: list[str], loss: float) -> TwoMachines:
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("nft") is None:
        raise FileNotFoundError
    addresses = ("10.77.0.1", "10.77.0.2")
    for name in names:
        _run("ip", "netns", "add", name)
        made.append(name)
    _run(
        *("ip", "link", "add", "eth0", "netns", names[0], "type", "veth"),
        *("peer", "name", "eth0", "netns", names[1]),
    )
    for name, address in zip(names, addresses, strict=True):
        _run("ip", "-n", name, "addr", "add", f"{address}/30", "dev", "eth0")
        _run("ip", "-n", name, "link", "set", "eth0", "up")
        _run("ip", "-n", name, "link", "set", "lo", "up")
        _run("ip", "netns", "exec", name, "nft", "-f", "-", stdin=_rules(loss))
    inside = tuple(("ip", "netns", "exec", name) for name in names)
    return TwoMachines(inside[0], inside[1], *addresses)


def _rules(loss: float) -> str:
    """Lose at random; packets of sound are counted apart (their first two bits: RFC 7983)."""
    chance = f"numgen random mod 10000 < {round(loss * 10_000)}"
    return f"""
table ip weather {{
  counter sound {{ }}
  counter rest {{ }}
  chain arriving {{
    type filter hook input priority 0; policy accept;
    iifname != "eth0" accept
    meta l4proto != udp accept
    @th,64,2 2 @th,72,8 {RTP_TYPES} {chance} counter name sound drop
    @th,64,2 2 @th,72,8 {RTP_TYPES} accept
    {chance} counter name rest drop
  }}
}}
"""


def _run(*command: str, stdin: str | None = None) -> str:
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, input=stdin, timeout=30
    )
    return done.stdout
