"""An event loop whose clock jumps to the next timer, so that tests with timers take no time."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

__all__ = ["VirtualTimeLoop", "run"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

THREAD_WAIT_S = 60.0
"""While a worker thread runs, the clock stands still; its end wakes the loop."""

HANG_WAIT_S = 5.0
"""With no timer and no worker, only a thread of the code under test can wake the loop."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` on a `VirtualTimeLoop`; async tests use ``pytest.mark.virtual_time`` instead."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Time starts at 0 and moves only when every task waits for a timer.

    Work in threads (`asyncio.to_thread`) holds the clock: a time-out cannot overtake it. Sockets
    are looked at before each jump but not waited for, so this loop is for code without sockets.
    A test that waits for nothing at all is an error instead of a hang.
    """

    def __init__(self) -> None:
        self._now_s = 0.0
        self._busy_threads = 0
        super().__init__(_JumpingSelector(self._advance))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """As in asyncio; the clock waits for `func`."""
        future = super().run_in_executor(executor, func, *args)
        self._busy_threads += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: asyncio.Future[Any]) -> None:
        self._busy_threads -= 1

    def _advance(self, timeout_s: float | None) -> float:
        """Seconds to really wait; a timer's wait passes in virtual time instead."""
        if self._busy_threads:
            return THREAD_WAIT_S
        if timeout_s is None:
            return HANG_WAIT_S
        self._now_s += timeout_s
        return 0.0


class _JumpingSelector(selectors.DefaultSelector):
    """Asks `advance` how long to really wait where a selector would sleep."""

    def __init__(self, advance: Callable[[float | None], float]) -> None:
        super().__init__()
        self._advance = advance

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        wait_s = self._advance(timeout)
        ready = super().select(wait_s) if wait_s else []
        if wait_s and not ready:
            raise RuntimeError(f"nothing happened for {wait_s:g} s and no timer is set: a hang")
        return ready
