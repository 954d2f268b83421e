"""A server of one's own: a child process on a free loopback port (demo, benches, tests)."""

import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from greffier_server.child_process import LOOPBACK, ChildProcess, free_port

__all__ = ["ChildServer", "ServerNotReady", "free_port", "port_is_free"]

POLL_S = 0.1
INHERITED = ("GREFFIER_MODELS_", "GREFFIER_RECOGNITION__", "GREFFIER_LANGUAGE_MODEL__")


class ServerNotReady(Exception):
    """The child process ended or did not become ready; the message says what it said last."""


class ChildServer:
    """``greffier serve`` as a child; use with ``with``: it is ready inside and gone outside.

    Of this process' environment it takes over which models to use and how; who may reach the
    server and where it keeps things is decided here, so that a person's own server is left alone.
    """

    def __init__(
        self,
        *,
        data_dir: Path,
        models_dir: Path | None = None,
        port: int = 0,
        settings: Mapping[str, str] | None = None,
        ready_timeout_s: float = 300.0,
        stop_timeout_s: float = 30.0,
    ) -> None:
        """Describe the server; nothing is started yet.

        Args:
            data_dir: its sessions and its log, ``server.log``; made when missing.
            models_dir: weights; its own default when absent.
            port: 0 takes a free one.
            settings: ``GREFFIER_…`` variables.
            ready_timeout_s: models are loaded in this time.
            stop_timeout_s: it ends by itself in this time after SIGTERM, or is killed.
        """
        self.data_dir = data_dir
        self.port = port or free_port()
        self.log = data_dir / "server.log"
        environment = {
            **_inherited(os.environ),
            "GREFFIER_HOST": LOOPBACK,
            "GREFFIER_PORT": str(self.port),
            "GREFFIER_DATA_DIR": str(data_dir),
            **({} if models_dir is None else {"GREFFIER_MODELS_DIR": str(models_dir)}),
            **(settings or {}),
        }
        self._ready_timeout_s = ready_timeout_s
        self._process = ChildProcess(
            [sys.executable, "-m", "greffier", "serve"],
            log=self.log,
            environment=environment,
            stop_timeout_s=stop_timeout_s,
        )

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"ws://{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        """Process id; the process runs."""
        if (pid := self._process.pid) is None:
            raise ServerNotReady("the server is not running")
        return pid

    def __enter__(self) -> Self:
        """Start it and wait until it takes sessions.

        Raises:
            ServerNotReady: it does not.
        """
        self.start()
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        self.stop()

    def start(self) -> None:
        """Start the process; its log grows in `log`."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._process.start()

    def wait_until_ready(self) -> None:
        """Return when ``/readyz`` says yes.

        Raises:
            ServerNotReady: the process ended, or the time is over.
        """
        deadline = time.monotonic() + self._ready_timeout_s
        reason = "it does not answer"
        while time.monotonic() < deadline:
            if not self._process.running:
                raise ServerNotReady(f"the server ended at once.{self._last_words()}")
            ready, reason = self._ask()
            if ready:
                return
            time.sleep(POLL_S)
        raise ServerNotReady(
            f"the server was not ready after {self._ready_timeout_s:.0f} s: "
            f"{reason}.{self._last_words()}"
        )

    def kill(self) -> None:
        """End the process with SIGKILL, as a power cut would."""
        self._process.kill()

    def stop(self) -> int | None:
        """End the process; returns its exit status, None when it was not running."""
        return self._process.stop()

    def _ask(self) -> tuple[bool, str]:
        address = f"http://{LOOPBACK}:{self.port}/readyz"
        try:
            with urllib.request.urlopen(address, timeout=5):
                return True, ""
        except urllib.error.HTTPError as error:
            with error:
                return False, _reason(error.read())
        except (OSError, ValueError):
            return False, "it does not answer"

    def _last_words(self) -> str:
        lines = self._process.last_lines()
        return f" Its log ({self.log}) ends with:\n{lines}" if lines else ""


def port_is_free(port: int) -> bool:
    """Whether a server could listen on the loopback `port` now."""
    with socket.socket() as probe:
        # As servers do: a port whose last connection has just closed is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _inherited(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith("GREFFIER_") or name.startswith(INHERITED)
    }


def _reason(body: bytes) -> str:
    try:
        answer = json.loads(body)
    except ValueError:
        return "it is not ready"
    if isinstance(answer, dict):
        fields = cast("dict[str, object]", answer)
        for name in ("reason", "message", "detail"):
            if isinstance(reason := fields.get(name), str) and reason:
                return reason
    return "it is not ready"
