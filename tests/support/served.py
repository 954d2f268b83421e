"""The real application on a real loopback socket, over the fake desk."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from greffier_server.app import create_app
from greffier_server.archive import Archive
from greffier_server.bundle.signing import SigningKey
from greffier_server.services import Readiness, Services
from greffier_server.serving import DrainingServer, uvicorn_config
from greffier_server.settings import Settings
from greffier_server.storage.journal import AudioJournal
from greffier_server.telemetry import Metrics
from greffier_server.transport.stopping import Connections
from tests.support.fake_desk import FakeDesk, MemoryStore

__all__ = ["HANG_S", "START", "Served", "outcome", "receive", "served", "until"]

START: dict[str, Any] = {"type": "start"}

HANG_S = 30.0
"""What takes so long hangs: long enough for a busy machine, and no measure of speed."""


@dataclass
class Served:
    """A running server and its insides."""

    port: int
    desk: FakeDesk
    store: MemoryStore
    metrics: Metrics
    connections: Connections
    server: DrainingServer
    readiness: list[Readiness] = field(default_factory=lambda: [Readiness(ready=True)])
    app: FastAPI = field(default_factory=FastAPI)

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self, **options: Any) -> connect:
        """Open a WebSocket to ``/v1/live``."""
        path = options.pop("path", "/v1/live")
        options.setdefault("subprotocols", [Subprotocol("greffier.v1")])
        options.setdefault("compression", None)
        options.setdefault("proxy", None)
        return connect(f"ws://127.0.0.1:{self.port}{path}", **options)

    @asynccontextmanager
    async def speaking(self, **start: Any) -> AsyncGenerator[tuple[ClientConnection, Any], None]:
        """Open a session; yield the socket and its ``started``."""
        async with self.connect() as client:
            await client.send(json.dumps({**START, **start}))
            yield client, await receive(client)


async def receive(client: ClientConnection, kind: str | None = None) -> Any:
    """Return the next message (of a type)."""
    async with asyncio.timeout(HANG_S):
        while True:
            message = json.loads(await client.recv())
            if kind is None or message["type"] == kind:
                return message


async def outcome(client: ClientConnection) -> tuple[str, int]:
    """Read to the end; return the code of the last error, and that of the close."""
    code = ""
    try:
        async with asyncio.timeout(HANG_S):
            while True:
                message = json.loads(await client.recv())
                if message["type"] == "error":
                    assert message["message"]
                    code = message["code"]
    except ConnectionClosed as ended:
        return code, ended.rcvd.code if ended.rcvd is not None else 1006


async def until(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds: what happens in the server has no event to wait for."""
    async with asyncio.timeout(HANG_S):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


@asynccontextmanager
async def served(
    settings: Settings | None = None,
    *,
    routes: Any = (),
    journal: AudioJournal | None = None,
    ping_s: float = 20.0,
    signing_key: SigningKey | None = None,
    archived: Callable[[MemoryStore, FakeDesk, Metrics], AbstractAsyncContextManager[Archive]]
    | None = None,
) -> AsyncGenerator[Served, None]:
    """Serve until the block ends."""
    settings = settings or Settings()
    store = MemoryStore()
    desk, metrics = FakeDesk(store), Metrics()
    connections = Connections(limit=settings.limits.connections)
    readiness = [Readiness(ready=True)]
    stack = AsyncExitStack()
    archive = await stack.enter_async_context(archived(store, desk, metrics)) if archived else None
    services = Services(
        desk=desk,
        store=store,
        metrics=metrics,
        readiness=lambda: readiness[-1],
        journal=journal,
        signing_key=signing_key,
        archive=archive,
    )
    app = create_app(settings, services, connections=connections, routes=routes)
    listener = socket.create_server(("127.0.0.1", 0))
    server = DrainingServer(
        uvicorn_config(settings, app, ping_s=ping_s),
        connections=connections,
        drain_s=settings.limits.drain_s,
    )
    running = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    try:
        yield Served(
            port=listener.getsockname()[1],
            desk=desk,
            store=store,
            metrics=metrics,
            connections=connections,
            server=server,
            readiness=readiness,
            app=app,
        )
    finally:
        server.should_exit = True
        await running
        listener.close()
        await stack.aclose()
