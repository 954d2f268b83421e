"""A child process that writes into a log and is asked to end before it is made to."""

import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["LOOPBACK", "ChildProcess", "free_port"]

LOOPBACK = "127.0.0.1"
LOG_LINES_SHOWN = 12


class ChildProcess:
    """One command, run in a process group of its own.

    Ctrl+C in a terminal is for the one who owns the child, not for the child.

    Args:
        command: its command line.
        log: where its output goes.
        environment: all of its variables.
        stop_timeout_s: it ends by itself in this time after SIGTERM, or is killed.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        stop_timeout_s: float,
    ) -> None:
        self._command = command
        self._log = log
        self._environment = environment
        self._stop_timeout_s = stop_timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id; None before `start` and after `stop` or `kill`."""
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        """It was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; its log grows.

        Raises:
            OSError: it cannot be run.
        """
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a command of ours, no shell
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                process_group=0,
            )

    def kill(self) -> None:
        """End it with SIGKILL, as a power cut would."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def stop(self) -> int | None:
        """End it; returns its exit status, None when it was not running."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.terminate()
        try:
            return process.wait(self._stop_timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def last_lines(self) -> str:
        """The end of its log."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES_SHOWN:])


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
