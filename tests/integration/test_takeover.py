"""Two clients on one session, and viewers that come late: who is told what, by a real desk."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

import greffier
from greffier.address import ServerAddress
from greffier.backoff import RetryPolicy
from greffier.errors import ServerRefused
from greffier.live import LiveSession
from greffier.protocol import Caption, Finished, Resume, ServerMessage, Start
from greffier.wire import Wire
from tests.support.desk import as_bytes, until
from tests.support.recordings import recording_of
from tests.support.served_desk import ServedDesk, served_desk

pytestmark = pytest.mark.integration

SPEECH = recording_of([(1_000, 300)] * 240)
"""Each word is followed by a pause, and committed by itself."""
AUDIO = as_bytes(SPEECH.pcm)
SECOND = 32_000


@asynccontextmanager
async def client(
    server: ServedDesk, resume: Resume | None = None, *, attempts: int = 5
) -> AsyncGenerator[LiveSession, None]:
    address = ServerAddress.parse(server.url)
    session = LiveSession(
        Start(language="fr", minutes=False, resume=resume),
        dial=lambda: Wire.open(address),
        retry=RetryPolicy(attempts=attempts, first_s=0.01),
    )
    try:
        await session.open()
        yield session
    finally:
        await session.close()


async def rest_of(session: LiveSession) -> list[ServerMessage]:
    async with asyncio.timeout(30):
        return [message async for message in session]


async def test_the_newer_client_takes_over_and_the_older_one_stops() -> None:
    async with served_desk() as server, client(server) as older:
        await older.send(AUDIO[:SECOND])
        await until(lambda: older.acknowledged_ms == 1_000, timeout_s=30)
        async with client(server, Resume(older.id, older.token, 16_000)) as newer:
            with pytest.raises(ServerRefused) as lost:  # at once: it did not have to send anything
                await rest_of(older)
            assert (lost.value.code, lost.value.retryable) == ("session_taken_over", False)
            with pytest.raises(ServerRefused):
                await older.send(AUDIO[:SECOND])
            await newer.send(AUDIO[SECOND : 3 * SECOND])
            await newer.finish()
            assert isinstance((await rest_of(newer))[-1], Finished)
            assert server.audio(newer.id) == AUDIO[: 3 * SECOND]
            attached = [type(e).__name__ for e in await server.events(newer.id)]
            assert attached.count("ClientAttached") == 2  # nobody fought


async def test_who_does_not_want_to_take_over_is_refused_while_the_other_is_there() -> None:
    async with served_desk() as server:
        async with client(server) as holder:
            await holder.send(AUDIO[:SECOND])
            await until(lambda: holder.acknowledged_ms == 1_000, timeout_s=30)
            polite = Resume(holder.id, holder.token, 16_000, takeover=False)
            with pytest.raises(ServerRefused) as refused:
                async with client(server, polite):
                    pass
            assert (refused.value.code, refused.value.retryable) == ("session_busy", True)
            await holder.send(AUDIO[SECOND : 2 * SECOND])  # it noticed nothing
            await until(lambda: holder.acknowledged_ms == 2_000, timeout_s=30)
        await until(lambda: server.kit.desk.live_count == 1, timeout_s=30)
        await asyncio.sleep(0.2)
        async with client(server, polite) as other:
            assert other.end_sample == 32_000
            await other.finish()
            await rest_of(other)


async def test_guessed_tokens_are_refused_unseen_after_a_few() -> None:
    async with served_desk() as server, client(server) as owner:
        codes: list[str] = []
        for number in range(8):
            with pytest.raises(ServerRefused) as refused:
                async with client(server, Resume(owner.id, f"guess-{number}")):
                    pass
            codes.append(refused.value.code)
        assert codes == ["authentication_failed"] * 5 + ["too_many_guesses"] * 3
        await owner.send(AUDIO[:SECOND])
        await until(lambda: owner.acknowledged_ms == 1_000, timeout_s=30)


async def test_a_late_viewer_gets_hundreds_of_events_and_then_the_live_ones() -> None:
    async with served_desk() as server, client(server) as speaker:
        half = len(AUDIO) // 2 // 2 * 2
        speaking = asyncio.create_task(rest_of(speaker))
        await speaker.send(AUDIO[:half])
        await until(lambda: speaker.acknowledged_ms == speaker.sent_ms, timeout_s=30)
        async with asyncio.timeout(30):
            while len(await server.events(speaker.id)) <= 100:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.05)

        async def view(after: int) -> list[ServerMessage]:
            async with asyncio.timeout(60):
                return [m async for m in greffier.watch(server.url, speaker.id, after_seq=after)]

        early, late = asyncio.create_task(view(0)), asyncio.create_task(view(100))
        await asyncio.sleep(0.3)
        await speaker.send(AUDIO[half:])
        await speaker.finish()
        spoken, seen, rest = await speaking, await early, await late
    assert _committed(seen) == _committed(spoken)
    assert len(_committed(seen)) >= 180
    assert max(getattr(m, "seq", 0) for m in seen) >= 200
    assert _committed(rest) == [c for c in _committed(spoken) if c[0] > 100]
    assert all(isinstance(messages[-1], Finished) for messages in (spoken, seen, rest))


def _committed(messages: list[ServerMessage]) -> list[tuple[int, str]]:
    return [(m.seq, m.committed) for m in messages if isinstance(m, Caption) and m.committed]


@pytest.mark.parametrize(
    "resume",
    [{"takeover": "yes"}, {"takeover": None}],
)
async def test_a_takeover_that_is_neither_yes_nor_no_is_malformed(resume: dict[str, Any]) -> None:
    async with (
        served_desk() as server,
        connect(f"{server.url}/v1/live", subprotocols=[Subprotocol("greffier.v1")]) as socket,
    ):
        start = {"type": "start", "resume": {"session": "s", "token": "t", **resume}}
        await socket.send(json.dumps(start))
        assert json.loads(await socket.recv())["code"] == "malformed_message"
        with pytest.raises(ConnectionClosed):
            await socket.recv()
