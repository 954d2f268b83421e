"""A server to be thrown at: a process of its own, with a session beside that must not notice."""

import asyncio
import json
import threading
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

from benchmarks.processes import Usage, usage
from greffier_server.child import ChildServer
from greffier_server.child_process import free_port
from tests.support.rivals import Place, native
from tests.support.spoken import AUDIO, SPEECH

__all__ = ["FuzzHouse", "Harm", "fuzz_house"]

T = TypeVar("T")

_TEXT: Final = "".join(SPEECH.texts).strip()
_PACE: Final = 4.0
_QUIET_S: Final = 30.0
_ATTEMPTS: Final = 200
_FAULTS: Final = ("error", "critical")
"""Levels of the log on which the server says that something happened that nobody foresaw."""


class Harm(AssertionError):
    """The server, or the session beside, took harm."""


class FuzzHouse:
    """The server and the session beside; made by `fuzz_house`."""

    def __init__(
        self, server: ChildServer, *, wyoming_port: int, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.server = server
        self.wyoming_port = wyoming_port
        self.sessions_beside = 0
        self._place = Place(server.port, pace=_PACE)
        self._loop = loop
        self._read = 0
        self._over = False

    @property
    def port(self) -> int:
        """Of HTTP and WebSockets."""
        return self.server.port

    @property
    def http(self) -> str:
        """Base of addresses."""
        return f"http://127.0.0.1:{self.port}"

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the loop of the session beside."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def usage(self) -> Usage:
        """What the server's processes use now."""
        return usage(self.server.pid)

    @contextmanager
    def beside(self) -> Generator[None, None, None]:
        """Let a client speak, again and again, for as long as the block lasts.

        Raises:
            Harm: one of its sessions was not as it must be, the server is not as before, or it
                wrote of what it did not foresee.
        """
        self._over = False
        speaking = asyncio.run_coroutine_threadsafe(self._speak(), self._loop)
        try:
            yield
        finally:
            self._over = True
            speaking.result(120)
        self.check()

    def check(self) -> None:
        """Look whether the server is as it was: nobody is left in it, and its log is clean.

        Raises:
            Harm: it is not.
        """
        self.call(self._emptied())
        with self.server.log.open(encoding="utf-8") as log:
            log.seek(self._read)
            lines = log.readlines()
            self._read = log.tell()
        faults = [line for line in lines if _level(line) in _FAULTS]
        if faults:
            raise Harm(f"{len(faults)} faults in the server's log, the first: {faults[0][:1500]}")

    async def _speak(self) -> None:
        while True:
            text = await native(self._place, AUDIO, "fr")
            if text != _TEXT:
                raise Harm(f"the session beside has another text: {text!r}")
            self.sessions_beside += 1
            if self._over:
                return

    async def _emptied(self) -> None:
        async with httpx.AsyncClient(base_url=self.http, trust_env=False) as http:
            left = {"": -1.0}
            for _ in range(_ATTEMPTS):
                left = _gauges((await http.get("/metrics", timeout=_QUIET_S)).text)
                if not any(left.values()):
                    return
                await asyncio.sleep(_QUIET_S / _ATTEMPTS)
            raise Harm(f"there is still something in the server: {left}")


@contextmanager
def fuzz_house(folder: Path) -> Generator[FuzzHouse, None, None]:
    """Serve until the block ends, without weights."""
    wyoming = free_port()
    settings = {
        "GREFFIER_RECOGNITION__ENGINE": "fake",
        "GREFFIER_LANGUAGE_MODEL__ENGINE": "none",
        "GREFFIER_WYOMING__PORT": str(wyoming),
        "GREFFIER_LIMITS__MAX_SESSIONS": "200",
        "GREFFIER_LIMITS__GRACE_S": "0.5",
        "GREFFIER_LIMITS__START_TIMEOUT_S": "2",
        "GREFFIER_LIMITS__IDLE_TIMEOUT_S": "20",
        "GREFFIER_WEBRTC__CONNECT_TIMEOUT_S": "1",
        "GREFFIER_LOG__FORMAT": "json",
        "GREFFIER_LOG__LEVEL": "warning",
    }
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="beside", daemon=True)
    thread.start()
    try:
        with ChildServer(data_dir=folder, settings=settings) as server:
            yield FuzzHouse(server, wyoming_port=wyoming, loop=loop)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


def _level(line: str) -> str:
    try:
        return str(json.loads(line).get("level", ""))
    except (ValueError, AttributeError):
        return "critical" if "Traceback" in line else ""


def _gauges(text: str) -> dict[str, float]:
    wanted = ("greffier_sessions_active", "greffier_connections_active")
    lines = [line.rpartition(" ") for line in text.splitlines() if line.startswith(wanted)]
    return {name: float(value) for name, _, value in lines}
