"""Chromium without a window, driven over its own protocol (Chrome DevTools Protocol)."""

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

__all__ = ["Page", "chromium"]

_START_S = 60.0


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)

    async def open(self, url: str) -> None:
        """Load a page, and wait for it."""
        await self._call("Page.enable")
        await self._call("Page.navigate", url=url)
        while True:
            message = json.loads(await self._socket.recv())
            if message.get("method") == "Page.loadEventFired":
                return

    async def run(self, script: str) -> Any:
        """Return what an async script returns."""
        answer = await self._call(
            "Runtime.evaluate",
            expression=f"(async () => {{ {script} }})()",
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def _call(self, method: str, **parameters: object) -> Any:
        number = next(self._numbers)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(await self._socket.recv())
            if message.get("id") == number:
                assert "error" not in message, message["error"]
                return message["result"]


@asynccontextmanager
async def chromium(profile: Path, *flags: str) -> AsyncGenerator[Page, None]:
    """A browser with one empty tab; skips the test where there is none.

    Args:
        profile: an empty folder.
        *flags: further command line switches.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("no Chromium: apt-get install chromium")
    process = await asyncio.create_subprocess_exec(
        *(program, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        *("--disable-dev-shm-usage", "--remote-debugging-port=0", f"--user-data-dir={profile}"),
        *("--disable-background-networking", "--disable-component-update", "--no-proxy-server"),
        *flags,
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(_START_S):
            address = ""
            while "ws://" not in address:
                line = await process.stderr.readline()
                assert line, "Chromium ended at once"
                address = line.decode(errors="replace")
        draining = asyncio.create_task(process.stderr.read())
        try:
            browser = "ws://" + address.split("ws://")[1].strip()
            options: dict[str, Any] = {"proxy": None, "max_size": None, "compression": None}
            async with connect(browser, **options) as root:
                target = (await Page(root)._call("Target.getTargets"))["targetInfos"]  # pyright: ignore[reportPrivateUsage]
                tab = next(one["targetId"] for one in target if one["type"] == "page")
            place = browser.split("/devtools/")[0] + f"/devtools/page/{tab}"
            async with connect(place, **options) as socket:
                yield Page(socket)
        finally:
            process.terminate()
            await process.wait()
            await draining
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
