"""From the settings to a running courier."""

import asyncio
import time
from contextlib import AsyncExitStack

from greffier_server.loading import end_task
from greffier_server.outlets.courier import Courier, Patience
from greffier_server.outlets.mqtt import MqttOutlet
from greffier_server.outlets.outlet import Outlet
from greffier_server.outlets.webhook import Webhook, webhook_client
from greffier_server.pipeline.clock import Clock
from greffier_server.settings import Settings
from greffier_server.storage.deliveries import Deliveries
from greffier_server.storage.sql import SqlStore
from greffier_server.telemetry import Metrics

__all__ = ["open_courier"]


async def open_courier(
    settings: Settings,
    store: SqlStore,
    stack: AsyncExitStack,
    *,
    clock: Clock,
    metrics: Metrics,
    holder: str,
) -> Courier | None:
    """Return a courier that delivers until `stack` is closed; None where nobody is to be told.

    Args:
        settings: name the outlets.
        store: sessions, and how far they were told.
        stack: ends the deliveries.
        clock: wall clock.
        metrics: count attempts.
        holder: name of this server among those that share the database.

    Raises:
        SettingsInvalid: an extra is needed and not installed.
    """
    outlets: list[Outlet] = []
    if settings.webhooks.endpoints:
        client = await stack.enter_async_context(webhook_client())
        timeout_s = settings.webhooks.timeout_s
        outlets += [
            Webhook(endpoint, client=client, timeout_s=timeout_s, now_s=time.time)
            for endpoint in settings.webhooks.endpoints
        ]
    if settings.mqtt.url is not None:
        broker = MqttOutlet(settings.mqtt, settings.mqtt.url)
        running = asyncio.create_task(broker.run(), name="mqtt")
        stack.push_async_callback(end_task, running)
        outlets.append(broker)
    if not outlets:
        return None
    courier = Courier(
        store,
        Deliveries(store, holder=holder),
        outlets,
        clock=clock,
        patience=Patience(attempts=settings.webhooks.attempts),
        observe=lambda outlet, outcome: metrics.deliveries.labels(outlet, outcome).inc(),
    )
    stack.push_async_callback(end_task, asyncio.create_task(courier.run(), name="courier"))
    return courier
