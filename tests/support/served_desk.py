"""The real application and desk on a loopback socket, over fakes that can be looked into."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from greffier_models.protocols import TextGenerator
from greffier_server.app import create_app
from greffier_server.core.events import Event
from greffier_server.pipeline.session import SessionLimits
from greffier_server.services import Readiness, Services
from greffier_server.serving import DrainingServer, uvicorn_config
from greffier_server.settings import LimitSettings, Settings
from greffier_server.telemetry import Metrics
from greffier_server.transport.guest import Doorway
from greffier_server.transport.stopping import Connections
from tests.support.desk import DeskKit, desk_kit, until

__all__ = ["TENANT", "ServedDesk", "served_desk"]

TENANT = "default"


@dataclass
class ServedDesk:
    """A running server."""

    port: int
    kit: DeskKit
    doorway: Doorway

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def sessions(self) -> list[str]:
        """Ids, oldest first."""
        rows = await self.kit.store.list(TENANT)
        return [row.session for row in sorted(rows, key=lambda row: row.created_at_ms)]

    def audio(self, session: str) -> bytes:
        """What is in the journal."""
        return bytes(self.kit.disk.files[TENANT, session])

    async def events(self, session: str) -> list[Event]:
        return [record.event async for record in self.kit.store.events(TENANT, session)]


@asynccontextmanager
async def served_desk(
    *,
    limits: SessionLimits | None = None,
    ping_s: float = 20.0,
    max_sessions: int = 4,
    generator: TextGenerator | None = None,
    settings: Settings | None = None,
) -> AsyncGenerator[ServedDesk, None]:
    """Serve until the block ends."""
    settings = settings or Settings(limits=LimitSettings(drain_s=1.0))
    connections = Connections(limit=settings.limits.connections)
    async with desk_kit(limits=limits, max_sessions=max_sessions, generator=generator) as kit:
        services = Services(
            desk=kit.desk,
            store=kit.store,
            metrics=Metrics(),
            readiness=lambda: Readiness(ready=True),
        )
        app = create_app(settings, services, connections=connections)
        listener = socket.create_server(("127.0.0.1", 0))
        server = DrainingServer(
            uvicorn_config(settings, app, ping_s=ping_s),
            connections=connections,
            drain_s=settings.limits.drain_s,
        )
        running = asyncio.create_task(server.serve(sockets=[listener]))
        await until(lambda: server.started, timeout_s=30)
        try:
            yield ServedDesk(listener.getsockname()[1], kit, app.state.doorway)
        finally:
            server.should_exit = True
            await running
            listener.close()
