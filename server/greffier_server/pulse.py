"""The server's load and lag over the last hour, for the console's charts."""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from greffier_server.pipeline.clock import Clock
from greffier_server.telemetry import Metrics

__all__ = ["Pulse", "Sample"]

_HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class Sample:
    """The server at a time."""

    at_ms: int
    sessions: int
    lag_ms: int | None
    """Mean of what was committed since the sample before."""
    load: float
    memory_bytes: int


class Pulse:
    """Takes a sample now and then, and keeps an hour of them.

    Args:
        metrics: where lag is counted.
        live: how many sessions are live.
        clock: wall clock.
        every_s: between samples.
    """

    def __init__(
        self,
        metrics: Metrics,
        live: Callable[[], int],
        *,
        clock: Clock,
        every_s: float = 5.0,
    ) -> None:
        self.every_s = every_s
        self.cores = os.cpu_count() or 1
        self.memory_total_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        self._metrics = metrics
        self._live = live
        self._clock = clock
        self._samples: deque[Sample] = deque(maxlen=int(_HOUR_S / every_s))
        self._counted = (0.0, 0.0)

    @property
    def samples(self) -> Sequence[Sample]:
        """Oldest first."""
        return tuple(self._samples)

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            self.sample(await asyncio.to_thread(_memory_bytes))
            await asyncio.sleep(self.every_s)

    def sample(self, memory_bytes: int) -> None:
        """Take one sample."""
        count, total_s = self._lags()
        before_count, before_s = self._counted
        self._counted = (count, total_s)
        fresh = count - before_count
        lag_ms = round(1000 * (total_s - before_s) / fresh) if fresh > 0 else None
        load = round(os.getloadavg()[0] / self.cores, 2)
        now_ms = self._clock.now_ms()
        self._samples.append(Sample(now_ms, self._live(), lag_ms, load, memory_bytes))

    def _lags(self) -> tuple[float, float]:
        count = total_s = 0.0
        for metric in self._metrics.commit_latency_seconds.collect():
            for sample in metric.samples:
                if sample.name.endswith("_count"):
                    count += sample.value
                elif sample.name.endswith("_sum"):
                    total_s += sample.value
        return count, total_s


def _memory_bytes() -> int:
    """Resident memory of this process (Linux, proc(5)); 0 where that is not told."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
