"""Webhooks to a real receiver that fails, hangs, redirects and goes away; nothing is lost."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from greffier.protocol import AudioFormat, Minutes, MinutesItem
from greffier_models.types import Word
from greffier_server.app import create_app
from greffier_server.core.events import (
    Event,
    InputEnded,
    MinutesWritten,
    Recorded,
    SegmentClosed,
    SegmentOpened,
    SegmentTranslated,
    SessionFinished,
    SessionStarted,
    WordsCommitted,
)
from greffier_server.outlets.courier import Courier, Patience
from greffier_server.outlets.settings import WebhookEndpoint
from greffier_server.outlets.signing import verify
from greffier_server.outlets.webhook import Webhook, webhook_client
from greffier_server.pipeline.clock import SystemClock
from greffier_server.pipeline.log import EventLog
from greffier_server.services import Readiness, Services
from greffier_server.settings import Settings
from greffier_server.storage.deliveries import Deliveries, Delivery
from greffier_server.storage.sql import SqlStore
from greffier_server.storage.store import SessionRow
from greffier_server.telemetry import Metrics
from tests.support.fake_desk import FakeDesk, MemoryStore
from tests.support.receiver import Receiver, receiver
from tests.support.served import until

pytestmark = pytest.mark.integration

SECRET = "a-secret-of-enough-characters"
OLD_SECRET = "the-secret-that-was-before-it"
QUICK = Patience(attempts=4, first_s=0.01, longest_s=0.05, sweep_s=30.0)
STATES = ("open", "done", "halted", "gone")


@dataclass
class Place:
    """A database, and who is told of what is in it."""

    store: SqlStore
    courier: Courier

    async def session(self, name: str = "s1") -> EventLog:
        now_ms = SystemClock().now_ms()
        row = SessionRow("ville", name, "", now_ms, now_ms, "open", "fr", (), 0, 0, "")
        await self.store.create(row)

        async def sink(records: Sequence[Recorded]) -> None:
            await self.store.append(records)
            await self.courier.note(records)

        log = EventLog("ville", name, clock=SystemClock(), sink=sink)
        await log.append(SessionStarted(AudioFormat(), "fr"))
        return log

    async def delivery(self) -> Delivery:
        (found,) = await self.courier.deliveries.list("ville", states=STATES, limit=9)
        return found

    async def settled(self, state: str) -> Delivery:
        async with asyncio.timeout(30):
            while (found := await self.delivery()).state != state:  # noqa: ASYNC110 - in a database
                await asyncio.sleep(0.01)
        return found


@asynccontextmanager
async def place(
    path: Path, *receivers: Receiver, patience: Patience = QUICK, timeout_s: float = 5.0
) -> AsyncGenerator[Place, None]:
    store = await SqlStore.open(f"sqlite:///{path / 'greffier.db'}")
    async with webhook_client() as client:
        hooks = [
            Webhook(
                WebhookEndpoint(
                    name=f"hook-{number}",
                    tenant="ville",
                    url=told.url,
                    secret=SecretStr(SECRET),
                    previous_secret=SecretStr(OLD_SECRET),
                ),
                client=client,
                timeout_s=timeout_s,
                now_s=time.time,
            )
            for number, told in enumerate(receivers)
        ]
        courier = Courier(
            store,
            Deliveries(store, holder="node"),
            hooks,
            clock=SystemClock(),
            patience=patience,
        )
        running = asyncio.create_task(courier.run())
        try:
            yield Place(store, courier)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await store.close()


def segment(number: int, *texts: str) -> list[Event]:
    said = [WordsCommitted(number, (Word(f" {text}", 0, 300, 0.9),)) for text in texts]
    return [SegmentOpened(number, 0, "fr", "A"), *said, SegmentClosed(number, 0, 900)]


END: list[Event] = [
    MinutesWritten(Minutes(0, "fr", "Séance", (MinutesItem("Bonjour à tous.", (1,), True),))),
    InputEnded("finish", 1_000),
    SessionFinished("finish"),
]


async def test_a_session_is_told_signed_and_once(tmp_path: Path) -> None:
    async with receiver() as told, place(tmp_path, told) as here:
        log = await here.session()
        await log.append(*segment(1, "bonjour", "à tous"), SegmentTranslated(1, "en", "Hello all"))
        await log.append(*segment(2), *END)
        assert (await here.settled("done")).seq == log.seq
        documents = told.taken
        assert [one["type"] for one in documents] == [
            "segment",
            "translation",
            "minutes",
            "finished",
        ]
        first = documents[0]
        assert (first["text"], first["speaker"], first["end_ms"]) == ("bonjour à tous", "A", 900)
        assert documents[2]["minutes"]["summary"][0]["text"] == "Bonjour à tous."
        assert documents[3]["duration_ms"] == 1_000
        for request in told.requests:
            signature, now = request.headers["greffier-signature"], time.time()
            for secret in (SECRET, OLD_SECRET):
                assert verify(request.body, signature, secret, now_s=now)
            assert not verify(request.body + b" ", signature, SECRET, now_s=now)
            assert not verify(request.body, signature, SECRET, now_s=now + 400)
            assert request.headers["idempotency-key"] == request.document["id"]
            assert request.headers["greffier-event"] == request.document["type"]
        ids = {one["id"] for one in documents}
        assert ids == {f"s1:{one['seq']}" for one in documents}
        assert len(ids) == 4


@pytest.mark.parametrize(
    "trouble",
    [
        (500, 503),
        ("close",),
        ("hang",),
        ("drip",),
        ("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",),
        ("not HTTP at all\r\n\r\n",),
    ],
    ids=["fails", "closes", "hangs", "drips", "redirects", "talks nonsense"],
)
async def test_what_fails_is_told_again_in_order(
    tmp_path: Path, trouble: Sequence[int | str]
) -> None:
    async with receiver() as told, place(tmp_path, told, timeout_s=0.5) as here:
        told.answers.extend(trouble)
        log = await here.session()
        await log.append(*segment(1, "un"), *segment(2, "deux"), *END)
        await here.settled("done")
        kinds = [one["type"] for one in told.taken]
        if trouble == ("drip",):  # the answer was yes; what follows it is of no interest
            assert kinds == ["segment", "minutes", "finished"]
        else:
            assert kinds == ["segment", "segment", "minutes", "finished"]
            assert len(told.requests) == 4 + len(trouble)
            again = told.requests[: len(trouble) + 1]
            assert len({request.headers["idempotency-key"] for request in again}) == 1
            # Each is counted, also one that a busy machine could not even begin in time.
            attempts = [int(request.headers["greffier-attempt"]) for request in again]
            assert attempts == sorted(set(attempts))


async def test_an_endpoint_that_hangs_holds_up_nobody_else(tmp_path: Path) -> None:
    async with receiver() as stuck, receiver() as well, place(tmp_path, stuck, well) as here:
        stuck.always = "hang"
        for number in range(6):
            log = await here.session(f"s{number}")
            await log.append(*segment(1, "un"), *END)
        await until(lambda: len(well.taken) == 18)
        assert stuck.taken == []


async def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    async with receiver() as told:
        slow = Patience(attempts=4, first_s=300.0)
        async with place(tmp_path, told, patience=slow) as here:
            log = await here.session()
            await log.append(*segment(1, "un"))
            await until(lambda: len(told.taken) == 1)
            told.always = 503
            await log.append(*segment(2, "deux"), *segment(3, "trois"))
            async with asyncio.timeout(30):
                while not (await here.delivery()).attempts:  # noqa: ASYNC110 - in a database
                    await asyncio.sleep(0.01)
        told.always = 200
        # The delay is over when the server is back: five minutes are not waited for here.
        store = await SqlStore.open(f"sqlite:///{tmp_path / 'greffier.db'}")
        clock = SystemClock()
        deliveries = Deliveries(store, holder="node")
        (before,) = await deliveries.list("ville", states=STATES, limit=9)
        assert before.attempts == 1
        assert before.run_after_ms > clock.now_ms()
        assert await deliveries.due(clock.now_ms()) == []
        assert await deliveries.due(clock.now_ms() + 400_000) == [before]
        async with store.writing() as connection:
            await connection.exec_driver_sql("UPDATE deliveries SET run_after_ms = 0")
        await store.close()
        async with place(tmp_path, told) as here:
            await until(lambda: len(told.taken) == 3)
            assert [one["text"] for one in told.taken] == ["un", "deux", "trois"]


async def test_a_place_that_is_gone_is_asked_no_more(tmp_path: Path) -> None:
    async with receiver() as told, place(tmp_path, told) as here:
        told.always = 410
        log = await here.session()
        await log.append(*segment(1, "un"))
        assert (await here.settled("gone")).cause == "http_410"
        await log.append(*segment(2, "deux"), *END)
        told.always = 200
        assert await here.courier.retry("ville", "s1") == 1
        await here.settled("done")
        assert len(told.requests) == 5  # the one that said gone, and all there is


async def test_what_keeps_failing_is_halted_and_can_be_taken_up(tmp_path: Path) -> None:
    async with receiver() as told, place(tmp_path, told) as here:
        told.always = 500
        log = await here.session()
        await log.append(*segment(1, "un"))
        halted = await here.settled("halted")
        assert (halted.attempts, halted.cause) == (4, "http_500")
        assert halted.seq < log.seq
        assert len(told.requests) == 4
        told.always = 200
        assert await here.courier.retry("ville", "s1") == 1
        await until(lambda: len(told.taken) == 1)


async def test_an_event_that_is_refused_is_set_aside_and_seen(tmp_path: Path) -> None:
    async with receiver() as told, place(tmp_path, told) as here:
        told.answers.extend([422, 422, 422])
        log = await here.session()
        await log.append(*segment(1, "un"), *segment(2, "deux"), *END)
        await here.settled("done")
        assert [one.get("text") for one in told.taken] == ["deux", None, None]
        (letter,) = await here.courier.deliveries.dead("ville", limit=9)
        assert (letter.session, letter.cause, letter.seq) == ("s1", "http_422", 4)
        assert await here.courier.deliveries.dead("other", limit=9) == []


async def test_what_comes_after_the_end_is_told_too(tmp_path: Path) -> None:
    """A second pass may write minutes anew."""
    async with receiver() as told, place(tmp_path, told) as here:
        log = await here.session()
        await log.append(*segment(1, "un"), *END)
        await here.settled("done")
        await log.append(MinutesWritten(Minutes(0, "fr", "Seconde lecture")))
        await until(lambda: len(told.taken) == 4)
        assert told.taken[-1]["minutes"]["title"] == "Seconde lecture"


async def test_a_tenant_sees_its_deliveries_over_http_and_nobody_elses(tmp_path: Path) -> None:
    async with receiver() as told, place(tmp_path, told, patience=Patience(attempts=1)) as here:
        told.answers.append(500)
        log = await here.session()
        await log.append(*segment(1, "un"), *END)
        await here.settled("halted")
        services = Services(
            desk=FakeDesk(MemoryStore()),
            store=here.store,
            metrics=Metrics(),
            readiness=lambda: Readiness(ready=True),
            courier=here.courier,
        )
        tokens = {"ville": "token-of-the-town", "autre": "token-of-another"}
        app = create_app(Settings.model_validate({"tokens": tokens}), services)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost"
        ) as client:
            ours, theirs = (
                {"Authorization": f"Bearer {tokens[tenant]}"} for tenant in ("ville", "autre")
            )
            (one,) = (await client.get("/v1/deliveries", headers=ours)).json()["deliveries"]
            assert (one["outlet"], one["state"], one["cause"]) == ("hook-0", "halted", "http_500")
            assert "un" not in one.values()
            empty = (await client.get("/v1/deliveries?state=done", headers=ours)).json()
            assert empty == {"deliveries": [], "dead_letters": []}
            assert (await client.get("/v1/deliveries", headers=theirs)).json() == empty
            assert (await client.get("/v1/deliveries")).status_code == 401
            path = "/v1/sessions/s1/deliveries/retry"
            assert (await client.post(path, headers=theirs)).status_code == 404
            again = await client.post(path, headers=ours)
            assert (again.status_code, again.json()["outlets"]) == (202, 1)
        await here.settled("done")
        assert len(told.taken) == 3


async def test_a_deleted_session_is_not_told(tmp_path: Path) -> None:
    async with receiver() as told, place(tmp_path, told) as here:
        told.always = 503
        log = await here.session()
        await log.append(*segment(1, "un"))
        await until(lambda: told.requests)
        await here.store.delete("ville", "s1")
        assert await here.courier.deliveries.list("ville", states=STATES, limit=9) == []


def test_an_endpoint_needs_a_name_a_secret_and_an_address() -> None:
    good: dict[str, Any] = {"name": "a", "url": "https://x.example/y", "secret": SECRET}
    assert WebhookEndpoint.model_validate(good).tenant == "default"
    for wrong in (
        {"url": "ftp://x.example"},
        {"url": "https://user:word@x.example"},
        {"secret": "short"},
        {"name": "a b"},
        {"tenant": "../x"},
        {"events": ["everything"]},
    ):
        with pytest.raises(ValueError, match=r"(?s).+"):
            WebhookEndpoint.model_validate({**good, **wrong})
