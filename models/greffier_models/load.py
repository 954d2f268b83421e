"""How loaded a device is, and how often each stream can be decoded on it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["DeviceLoad", "LoadMeter"]

_WINDOW_S = 8.0
"""A stream that asked for nothing in so long is silent; long enough for the longest hop twice."""
_SMOOTHING = 0.1
"""Weight of the newest request in the cost of one."""


@dataclass(frozen=True, slots=True)
class DeviceLoad:
    """What a device bears now."""

    streams: int = 0
    """Live streams with speech in the last seconds."""
    workers: int = 1
    cost_s: float = 0.0
    """Worker time of one live request, batches counted in."""
    utilisation: float = 0.0
    """Share of the workers' time spent working, 0 to 1."""
    wait_s: float = 0.0
    """Longest wait for a worker among the live requests of the last seconds."""

    def interval_ms(self, share: float) -> int:
        """Time between two decodes of each stream at which `share` of the workers is busy."""
        return round(1000 * self.streams * self.cost_s / (self.workers * share))

    @classmethod
    def together(cls, loads: Sequence["DeviceLoad"]) -> "DeviceLoad":
        """The load of devices over which requests are spread: each of them sees every stream."""
        workers = sum(load.workers for load in loads)
        return cls(
            streams=max(load.streams for load in loads),
            workers=workers,
            cost_s=sum(load.cost_s * load.workers for load in loads) / workers,
            utilisation=sum(load.utilisation * load.workers for load in loads) / workers,
            wait_s=max(load.wait_s for load in loads),
        )


class LoadMeter:
    """Fed by a runtime with what its workers do; times are seconds of one clock.

    The wanted interval is computed from the cost of a request and the number of streams, not by
    trial from the utilisation: all sessions see the same figure, and following it does not change
    it, so they cannot swing together.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._cost_s = 0.0
        self._asked: dict[tuple[str, str], float] = {}
        self._done: deque[tuple[float, float, float]] = deque()
        """End of a batch, worker time, longest wait."""

    def asked(self, stream: tuple[str, str], at_s: float) -> None:
        """A live stream wants a decode."""
        self._asked[stream] = at_s
        if len(self._asked) > 64:
            self._drop_silent(at_s)

    def worked(self, at_s: float, *, busy_s: float, live: int, wait_s: float) -> None:
        """A batch ended at `at_s`: its worker time, its live requests, the longest of their waits.

        Batches of background work have none.
        """
        self._done.append((at_s, busy_s, wait_s))
        self._drop_old(at_s)
        for _ in range(live):
            each = busy_s / live
            weight = _SMOOTHING if self._cost_s else 1.0
            self._cost_s += weight * (each - self._cost_s)

    def load(self, at_s: float) -> DeviceLoad:
        """The load at `at_s`."""
        self._drop_old(at_s)
        self._drop_silent(at_s)
        busy_s = sum(busy for _, busy, _ in self._done)
        return DeviceLoad(
            streams=len(self._asked),
            workers=self._workers,
            cost_s=self._cost_s,
            utilisation=min(1.0, busy_s / (self._workers * _WINDOW_S)),
            wait_s=max((wait for _, _, wait in self._done), default=0.0),
        )

    def _drop_old(self, at_s: float) -> None:
        while self._done and self._done[0][0] < at_s - _WINDOW_S:
            self._done.popleft()

    def _drop_silent(self, at_s: float) -> None:
        since = at_s - _WINDOW_S
        self._asked = {stream: asked for stream, asked in self._asked.items() if asked >= since}
