"""Captions to a real broker: topics, what is retained, and a broker that is restarted."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from greffier.protocol import AudioFormat
from greffier_models.types import Word
from greffier_server.core.events import (
    InputEnded,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    SessionFinished,
    SessionStarted,
    TailRevised,
    WordsCommitted,
)
from greffier_server.outlets import mqtt
from greffier_server.outlets.courier import Courier, Patience
from greffier_server.outlets.mqtt import MqttOutlet
from greffier_server.outlets.settings import MqttSettings
from greffier_server.pipeline.clock import SystemClock
from greffier_server.pipeline.log import EventLog
from greffier_server.storage.deliveries import Deliveries
from greffier_server.storage.sql import SqlStore
from greffier_server.storage.store import SessionRow
from tests.support.broker import Broker

pytestmark = pytest.mark.integration

QUICK = Patience(attempts=50, first_s=0.05, longest_s=0.2)
TOPIC = "salle/ville/s1"


@asynccontextmanager
async def published(path: Path, broker: Broker) -> AsyncGenerator[EventLog, None]:
    """A session whose records are published."""
    store = await SqlStore.open(f"sqlite:///{path / 'greffier.db'}")
    settings = MqttSettings(url=broker.url, tenants=("ville",), prefix="salle")
    outlet = MqttOutlet(settings, broker.url)
    courier = Courier(
        store, Deliveries(store, holder="n"), [outlet], clock=SystemClock(), patience=QUICK
    )
    tasks = [asyncio.create_task(outlet.run()), asyncio.create_task(courier.run())]

    async def sink(records: Sequence[Recorded]) -> None:
        await store.append(records)
        await courier.note(records)

    try:
        await store.create(SessionRow("ville", "s1", "", 1, 1, "open", "fr", (), 0, 0, ""))
        log = EventLog("ville", "s1", clock=SystemClock(), sink=sink)
        await log.append(SessionStarted(AudioFormat(), "fr"))
        yield log
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await store.close()


class Subscriber:
    """Hears one branch of topics."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._messages = client.messages

    async def next(self) -> tuple[str, Any, bool]:
        """Return topic (below the session's), document, and whether it was retained."""
        async with asyncio.timeout(20):
            message = await anext(self._messages)
        payload = message.payload
        assert isinstance(payload, bytes)
        assert message.qos == 1
        topic = str(message.topic).removeprefix(f"{TOPIC}/")
        return topic, json.loads(payload) if payload else None, bool(message.retain)


@asynccontextmanager
async def subscribed(broker: Broker) -> AsyncGenerator[Subscriber, None]:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe(f"{TOPIC}/#", qos=1)
        yield Subscriber(client)


def said(segment: int, text: str) -> WordsCommitted:
    return WordsCommitted(segment, (Word(f" {text}", 0, 300, 0.9),), " tail")


async def test_captions_are_published_retained_and_survive_a_broker_that_restarts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "_FIRST_DELAY_S", 0.05)
    monkeypatch.setattr(mqtt, "_LONGEST_DELAY_S", 0.2)
    async with AsyncExitStack() as stack:
        broker = await asyncio.to_thread(Broker, tmp_path)
        await asyncio.to_thread(broker.start)
        stack.push_async_callback(asyncio.to_thread, broker.stop)
        log = await stack.enter_async_context(published(tmp_path, broker))
        async with subscribed(broker) as live:
            await log.append(SegmentOpened(1, 0, "fr", "A"), TailRevised(1, " bon", 0, 1))
            await log.append(said(1, "bonjour"))
            topic, caption, retained = await live.next()
            assert (topic, caption["added"], retained) == ("fr", " bonjour", False)
            await log.append(said(1, "à tous"), SegmentTranslated(1, "en", "Hello all"))
            topic, caption, _ = await live.next()
            assert (caption["text"], caption["speaker"]) == ("bonjour à tous", "A")
            topic, translation, _ = await live.next()
            assert (topic, translation["text"]) == ("en", "Hello all")
        # Who comes later is given the last caption of each language at once.
        async with subscribed(broker) as late:
            held = dict([(await late.next())[:2] for _ in range(2)])
            assert held["fr"]["text"] == "bonjour à tous"
            assert held["en"]["text"] == "Hello all"
        await asyncio.to_thread(broker.stop)
        await log.append(SegmentClosed(1, 0, 900), SegmentOpened(2, 900, "fr"))
        await log.append(said(2, "un"), said(2, "deux"))
        await asyncio.to_thread(broker.start)  # it has forgotten everything
        async with subscribed(broker) as again:
            while (caption := (await again.next())[1])["added"] != " deux":
                assert caption["added"] == " un"
            assert caption["text"] == "un deux"
            await log.append(InputEnded("finish", 1_000), SessionFinished("finish"))
            topic, finished, _ = await again.next()
            assert (topic, finished["languages"]) == ("state", ["en", "fr"])
            assert [(await again.next())[:2] for _ in range(2)] == [("en", None), ("fr", None)]
        async with subscribed(broker) as after, asyncio.timeout(20):
            await log_is_quiet(after)


async def log_is_quiet(subscriber: Subscriber) -> None:
    """Nothing is retained once the session is over."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await subscriber.next()
