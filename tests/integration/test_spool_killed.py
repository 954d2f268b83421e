"""The command line in the field: no server, a killed program, and a server later."""

import json
import random
import subprocess
import time
from pathlib import Path

import pytest

from greffier.protocol import Start
from greffier.spool import Recording, recordings_in
from greffier_server.child import ChildServer
from tests.support.served_process import ask, command, environment, run

pytestmark = pytest.mark.integration

SECONDS = 6
AUDIO = random.Random(1).randbytes(SECONDS * 32_000)


def test_a_killed_program_leaves_what_it_heard(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    settings = {
        "GREFFIER_RECOGNITION__ENGINE": "fake",
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
    }
    server = ChildServer(data_dir=tmp_path / "data", settings=settings)
    arguments = ("stream", "-", "--spool", spool, "--server", server.url, "--no-minutes")
    with subprocess.Popen(
        command(*arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    ) as program:
        assert program.stdin is not None
        program.stdin.write(AUDIO)
        program.stdin.flush()  # and no end: it goes on listening
        deadline = time.monotonic() + 30
        while kept_bytes(spool) < len(AUDIO):
            assert time.monotonic() < deadline, "the audio is not on disk"
            time.sleep(0.1)
        program.kill()
    again = run("forward", spool, "--server", server.url, timeout_s=120)
    assert again.returncode == 3  # there is still no server
    assert f"greffier forward {spool}" in again.stderr
    with server:
        sent = run("forward", spool, "--pace", "100", "--save", tmp_path / "notes")
        assert sent.returncode == 0, sent.stderr
        session = sent.stdout.split()[-1]
        row = ask(server, f"/v1/sessions/{session}").json
        events = ask(server, f"/v1/sessions/{session}/events").text.splitlines()
    assert json.loads(events[0])["event"]["spooled"] is True
    assert row["duration_ms"] == SECONDS * 1_000
    assert recordings_in(spool) == []


def test_a_recording_in_use_is_left_alone(tmp_path: Path) -> None:
    held = Recording.create(tmp_path, server="ws://127.0.0.1:1", start=Start())
    result = run("forward", tmp_path)
    held.close()
    assert result.returncode == 1
    assert "another process" in result.stderr


def kept_bytes(spool: Path) -> int:
    return sum(path.stat().st_size for path in spool.glob("*/*.gsp"))
