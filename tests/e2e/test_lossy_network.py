"""WebRTC between two network namespaces, where the kernel loses 5 % of what is sent.

Where the system allows no namespaces, the same processes talk over loopback, and a relay loses as
much.
"""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from greffier_server.child import free_port
from tests.support.served_process import ROOT, environment
from tests.support.two_machines import TwoMachines, two_machines

pytestmark = pytest.mark.e2e

TOKEN = "0123456789abcdef"
LOSS = 0.05


@contextmanager
def server(machines: TwoMachines, folder: Path) -> Generator[str]:
    port = free_port()
    settings = {
        "GREFFIER_HOST": machines.server_address,
        "GREFFIER_PORT": str(port),
        "GREFFIER_DATA_DIR": str(folder / "data"),
        "GREFFIER_TOKENS": f"test:{TOKEN}",
        "GREFFIER_NETWORK__ALLOWED_HOSTS": json.dumps([machines.client_address]),
        "GREFFIER_RECOGNITION__ENGINE": "fake",
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
    }
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*machines.server, sys.executable, "-m", "greffier", "serve"],
            env=environment(**settings),
            stdout=log,
            stderr=log,
        )
        try:
            yield f"http://{machines.server_address}:{port}"
        finally:
            process.terminate()
            process.wait(30)


def speak(machines: TwoMachines, url: str, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        [
            *(*machines.client, sys.executable, "-m", "tests.support.lossy_publisher"),
            *("--server", url, "--token", TOKEN, "--address", machines.client_address),
            *("--loss", str(0.0 if machines.apart else LOSS), *options),
        ],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()[-2_000:]
    return cast("dict[str, Any]", json.loads(done.stdout))


def slots(told: dict[str, Any]) -> int:
    """Packets' lengths of sound that the log says never came."""
    gaps = [event for event in told["events"] if event["type"] == "GapFound"]
    assert {gap["cause"] for gap in gaps} <= {"packet_loss"}
    return sum(int(gap["to_ms"]) - int(gap["from_ms"]) for gap in gaps) // 20


def test_every_packet_that_the_network_loses_is_a_gap(tmp_path: Path) -> None:
    with two_machines(loss=LOSS) as machines, server(machines, tmp_path) as url:
        told = speak(machines, url, "--deaf")
        lost = machines.lost() if machines.apart else len(told["dropped"])
        resent = speak(machines, url, "--seed", "2")
    sent = len(told["delivered"]) + len(told["dropped"])
    assert lost >= 4
    # One that is lost before the first or behind the last that came is in no gap; on a starved
    # machine some are read so late that they count as lost, and are told, too.
    assert lost - 3 <= slots(told) <= lost + sent / 10
    assert told["duration_ms"] == pytest.approx(20 * sent, abs=60)
    assert told["delivered"] != sorted(told["delivered"])
    assert slots(resent) <= lost / 3
