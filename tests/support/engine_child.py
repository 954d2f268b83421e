"""The recogniser's process of a running server, as the system sees it."""

import os
import signal
import time
from pathlib import Path

__all__ = ["engine_children", "gone", "wait_for_child"]

_MODULE = b"greffier_models.isolation.child"


def engine_children(parent: int) -> list[int]:
    """Process ids of the recognisers that `parent` started."""
    found: list[int] = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            status = (folder / "status").read_text()
        except OSError:  # it ended meanwhile
            continue
        if _MODULE in command and f"\nPPid:\t{parent}\n" in status:
            found.append(int(folder.name))
    return sorted(found)


def wait_for_child(parent: int, *, other_than: int = 0, timeout_s: float = 60) -> int:
    """Wait until `parent` has one recogniser, and a new one."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        pids = [pid for pid in engine_children(parent) if pid != other_than]
        if len(pids) == 1:
            return pids[0]
        time.sleep(0.05)
    raise AssertionError("no recogniser was started")


def gone(pid: int, *, timeout_s: float = 30) -> bool:
    """Whether the process ends in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, signal.SIG_DFL)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False
