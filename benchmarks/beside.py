"""A healthy session beside whatever else is done to a server: how its acknowledgements fare."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import greffier
from benchmarks.lag import percentile
from greffier_models.encoded import encode_speech, spoken

__all__ = ["Healthy", "healthy_session"]

_STEP_MS = 100
_STEP_BYTES = _STEP_MS * 32
_WORDS = 200


class Healthy:
    """Sends 100 ms of encoded speech ten times a second, and times what comes back.

    Args:
        session: opened, and closed by whoever opened it.
    """

    def __init__(self, session: greffier.LiveSession) -> None:
        self._session = session
        words = spoken(" ".join(f"word{place}" for place in range(_WORDS)))
        self._speech = encode_speech(words).astype("<i2").tobytes()
        self.latencies_ms: list[float] = []
        """From each step's sending to its acknowledgement."""
        self.lags_ms: list[float] = []
        """Of each caption, as the server tells it."""
        self.reconnections = 0
        self.sent = 0

    async def speak(self) -> None:
        """Speak until cancelled."""
        clock = time.perf_counter
        begun = clock()
        while True:
            at = self.sent * _STEP_BYTES % (len(self._speech) - _STEP_BYTES)
            await self._session.send(self._speech[at : at + _STEP_BYTES])
            sent_at, self.sent = clock(), self.sent + 1
            while self._session.acknowledged_ms < self.sent * _STEP_MS:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.005)
            self.latencies_ms.append((clock() - sent_at) * 1_000)
            await asyncio.sleep(max(0.0, begun + self.sent * _STEP_MS / 1_000 - clock()))

    async def read(self) -> None:
        """Read until the session ends."""
        async for message in self._session:
            if isinstance(message, greffier.Caption):
                self.lags_ms.append(float(message.lag_ms))

    def figures(self) -> dict[str, Any]:
        """For a result."""
        nothing = float("nan")
        return {
            "steps": len(self.latencies_ms),
            "ack_p50_ms": percentile(self.latencies_ms, 50) if self.latencies_ms else nothing,
            "ack_p95_ms": percentile(self.latencies_ms, 95) if self.latencies_ms else nothing,
            "ack_worst_ms": max(self.latencies_ms, default=nothing),
            "caption_lag_p95_ms": percentile(self.lags_ms, 95) if self.lags_ms else nothing,
            "reconnections": self.reconnections,
        }


@asynccontextmanager
async def healthy_session(url: str) -> AsyncGenerator[Healthy, None]:
    """Open a session and speak into it for as long as the block lasts.

    Raises:
        GreffierError: it broke, or could not be opened.
    """
    seen: list[Healthy] = []

    def reconnected(notice: greffier.Reconnection) -> None:
        seen[0].reconnections += not notice.resumed

    async with greffier.connect(
        url, language="fr", minutes=False, on_reconnect=reconnected
    ) as session:
        assert isinstance(session, greffier.LiveSession)
        beside = Healthy(session)
        seen.append(beside)
        tasks = [asyncio.create_task(beside.speak()), asyncio.create_task(beside.read())]
        try:
            yield beside
        finally:
            broken = [task.exception() for task in tasks if task.done() and not task.cancelled()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for error in broken:
            if error is not None:
                raise error
