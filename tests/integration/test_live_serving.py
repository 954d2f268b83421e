"""The server around the application: address, announcement, signals."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from greffier_server import serving
from greffier_server.services import Readiness, Services
from greffier_server.serving import AddressTaken
from greffier_server.settings import LimitSettings, Settings
from greffier_server.telemetry import Metrics
from tests.support.fake_desk import FakeDesk, MemoryStore
from tests.support.served import served, until

pytestmark = pytest.mark.integration


async def test_serve_announces_when_ready_and_stops_on_sigterm(tmp_path: Path) -> None:
    readiness = [Readiness(ready=False, reason="loading whisper-base")]
    told: asyncio.Queue[str] = asyncio.Queue()
    closed = asyncio.Event()

    @asynccontextmanager
    async def build(_settings: Settings) -> AsyncGenerator[Services, None]:
        store = MemoryStore()
        yield Services(FakeDesk(store), store, Metrics(), lambda: readiness[-1])
        closed.set()

    settings = Settings(port=0, data_dir=tmp_path)
    listener = serving.listen(settings)
    running = asyncio.create_task(
        serving.run(settings, build, listener=listener, announce=told.put_nowait)
    )
    async with asyncio.timeout(30):
        assert "loading whisper-base" in await told.get()
        readiness.append(Readiness(ready=True))
        address = (await told.get()).split()[3]
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"{address}/readyz")).status_code == 200
        os.kill(os.getpid(), signal.SIGTERM)
        await running
    assert closed.is_set()  # what is behind the application was closed in order
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=1)


def test_a_taken_address_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(AddressTaken) as refused:
            serving.listen(Settings(port=port))
    assert f"127.0.0.1:{port}" in refused.value.message
    assert "--port 0" in refused.value.message


async def test_a_second_signal_waits_for_nobody() -> None:
    """A connection that does not end holds a server up only until it is asked again."""
    limits = LimitSettings(drain_s=60)
    async with asyncio.timeout(20), served(Settings(limits=limits)) as server:
        with server.connections.place():
            server.server.handle_exit(signal.SIGTERM, None)
            await until(lambda: server.connections.stopping)
            await asyncio.sleep(0.2)
            assert server.server.started
            server.server.handle_exit(signal.SIGTERM, None)
            await until(lambda: not server.server.servers[0].is_serving())
