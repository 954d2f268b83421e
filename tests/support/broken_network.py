"""A network between browsers and a server that can go, come back, and forget its connections."""

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.support.proxy import Proxy

__all__ = ["BrokenNetwork", "broken_network"]

_TIMEOUT_S = 30
_NOWHERE = ("127.0.0.1", 1)


@dataclass
class BrokenNetwork:
    """The way to a server, from the threads of tests."""

    proxy: Proxy
    loop: asyncio.AbstractEventLoop

    def __post_init__(self) -> None:
        self._target = self.proxy.target

    @property
    def url(self) -> str:
        """Where browsers go."""
        return self.proxy.url.replace("ws://", "http://")

    def cut(self) -> int:
        """Reset every connection, and let none be made; return how many it were."""

        def act() -> int:
            self.proxy.target = _NOWHERE
            return self.proxy.cut()

        return self._run(act)

    def mend(self) -> None:
        """Let connections be made again."""

        def act() -> int:
            self.proxy.target = self._target
            return 0

        self._run(act)

    def freeze(self) -> int:
        """Forget every connection, and tell nobody; new ones can be made. Return how many."""
        return self._run(self.proxy.freeze)

    def _run(self, act: Callable[[], int]) -> int:
        async def run() -> int:
            return act()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(_TIMEOUT_S)


@contextmanager
def broken_network(server_url: str) -> Generator[BrokenNetwork]:
    """Stand before a server on loopback until the block ends."""
    ready = threading.Event()
    held: list[BrokenNetwork] = []
    ends: list[asyncio.Event] = []
    port = urlsplit(server_url).port
    assert port is not None

    async def run() -> None:
        async with Proxy(port) as proxy:
            ends.append(asyncio.Event())
            held.append(BrokenNetwork(proxy, asyncio.get_running_loop()))
            ready.set()
            await ends[0].wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),), name="network", daemon=True)
    thread.start()
    assert ready.wait(_TIMEOUT_S)
    try:
        yield held[0]
    finally:
        held[0].loop.call_soon_threadsafe(ends[0].set)
        thread.join(_TIMEOUT_S)
