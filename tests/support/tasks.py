"""Guards around one async test: no task outlives it, and nothing holds up its event loop."""

import asyncio
import functools
import gc
import time
from asyncio.events import Handle
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

import pytest

__all__ = ["LeakedTasks", "SlowCallback", "guarded", "no_leaked_tasks", "no_slow_callbacks"]

SETTLING_ROUNDS = 5
"""Turns of the loop that tasks which are just ending get before they count as leaked."""

CPU_LIMIT_S = 0.5
"""Computation allowed to one callback: its own thread's time, so a busy machine does not count. Two
threads on one core slow each other down, so this is twice what is wanted of a quiet machine."""

WALL_LIMIT_S = 5.0
"""Time allowed to one callback by the clock: native code that computes in threads of its own."""


class LeakedTasks(AssertionError):
    """The test ended and tasks it started are still running."""


class SlowCallback(AssertionError):
    """A callback kept the event loop from everything else."""


@asynccontextmanager
async def no_leaked_tasks() -> AsyncGenerator[None]:
    """Fail when the block leaves tasks behind, and cancel them.

    Raises:
        LeakedTasks: with the names of the tasks and the coroutines they run.
    """
    before = asyncio.all_tasks()
    yield
    for _ in range(SETTLING_ROUNDS):
        if not _new_tasks(before):
            return
        await asyncio.sleep(0)
    leaked = _new_tasks(before)
    for task in leaked:
        task.cancel()
    await asyncio.gather(*leaked, return_exceptions=True)
    if leaked:
        names = ", ".join(sorted(f"{task.get_name()} ({_runs(task)})" for task in leaked))
        raise LeakedTasks(f"still running at the end of the test: {names}")


class _Collecting:
    """Time that garbage collection took since it was put into `gc.callbacks`."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        self.wall_s = 0.0
        self._began = (0.0, 0.0)

    def __call__(self, phase: str, _: dict[str, int]) -> None:
        now = time.thread_time(), time.perf_counter()
        if phase == "start":
            self._began = now
        else:
            self.cpu_s += now[0] - self._began[0]
            self.wall_s += now[1] - self._began[1]


@contextmanager
def no_slow_callbacks(
    *, cpu_limit_s: float = CPU_LIMIT_S, wall_limit_s: float = WALL_LIMIT_S
) -> Generator[None]:
    """Fail when one callback or task step of any loop inside the block takes too long.

    asyncio's own check goes by the clock alone, which on a loaded machine blames the innocent;
    so computation is measured as time of the loop's thread. Collecting garbage is left out: how
    long that takes depends on what the tests before this one left in memory.

    Raises:
        SlowCallback: with every callback over a limit.
    """
    slow: list[str] = []
    run = cast("Callable[[Handle], None]", Handle.__dict__["_run"])

    collecting = _Collecting()

    @functools.wraps(run)
    def timed(handle: Handle) -> None:
        name = _describe(handle)
        collected = collecting.cpu_s, collecting.wall_s
        cpu, wall = time.thread_time(), time.perf_counter()
        run(handle)
        cpu = time.thread_time() - cpu - (collecting.cpu_s - collected[0])
        wall = time.perf_counter() - wall - (collecting.wall_s - collected[1])
        if cpu > cpu_limit_s or wall > wall_limit_s:
            slow.append(f"{name}: {cpu:.2f} s of computation, {wall:.2f} s by the clock")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Handle, "_run", timed)
        gc.callbacks.append(collecting)
        try:
            yield
        finally:
            gc.callbacks.remove(collecting)
    if slow:
        raise SlowCallback("the event loop was held up by " + "; ".join(slow))


def guarded(test: Callable[..., Awaitable[None]], *, debug: bool) -> Callable[..., Awaitable[None]]:
    """Return the async `test` so that a task it leaves behind makes it fail.

    With `debug` asyncio also refuses calls from the wrong thread and says where a task came from.
    """

    @functools.wraps(test)
    async def run(*args: Any, **kwargs: Any) -> None:
        loop = asyncio.get_running_loop()
        loop.set_debug(debug)
        loop.slow_callback_duration = float("inf")  # `no_slow_callbacks` measures better
        async with no_leaked_tasks():
            await test(*args, **kwargs)

    return run


def _new_tasks(before: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() - before if not task.done()}


def _describe(handle: Handle) -> str:
    """The task whose step it is, or the callback; before the run, which may drop it."""
    callback = getattr(handle, "_callback", None)
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        task = cast("asyncio.Task[Any]", owner)
        return f"{task.get_name()} ({_runs(task)})"
    return getattr(callback, "__qualname__", repr(callback))


def _runs(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", "?")
