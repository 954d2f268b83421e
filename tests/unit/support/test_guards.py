"""The guards around every test catch what they are for, and only that."""

import asyncio
import gc
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest
from blockbuster import BlockingError

from greffier import plain
from tests.support import blocking
from tests.support.network import is_loopback
from tests.support.scenes import load_scenes
from tests.support.tasks import LeakedTasks, SlowCallback, no_leaked_tasks, no_slow_callbacks

pytestmark = pytest.mark.unit


async def test_a_task_left_behind_is_named_and_cancelled() -> None:
    async def forgotten() -> None:
        await asyncio.Event().wait()

    tasks: list[asyncio.Task[None]] = []
    with pytest.raises(LeakedTasks, match="forgotten"):
        async with no_leaked_tasks():
            tasks.append(asyncio.create_task(forgotten()))
    assert tasks[0].cancelled()


async def test_a_task_that_is_just_ending_is_no_leak() -> None:
    async with no_leaked_tasks():
        task = asyncio.create_task(asyncio.sleep(0))
    assert task.done()


def test_computing_on_the_loop_is_caught() -> None:
    async def compute() -> int:
        return sum(range(200_000))

    with pytest.raises(SlowCallback, match="compute"), no_slow_callbacks(cpu_limit_s=0.0):
        asyncio.run(compute())


def test_collecting_garbage_is_not_computing() -> None:
    async def collect() -> float:
        kept = [[number] for number in range(100_000)]
        began = time.thread_time()
        for _ in range(20):
            gc.collect()
        return (time.thread_time() - began) if kept else 0.0

    with no_slow_callbacks(cpu_limit_s=60, wall_limit_s=60):
        needed_s = asyncio.run(collect())
    with no_slow_callbacks(cpu_limit_s=needed_s / 2, wall_limit_s=60):
        asyncio.run(collect())


def test_waiting_is_not_computing() -> None:
    with no_slow_callbacks(cpu_limit_s=60, wall_limit_s=60):
        asyncio.run(asyncio.sleep(0.001))


async def test_blocking_below_our_packages_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    # A function whose code says it lies in our package, as BlockBuster goes by file names.
    source = compile("import os\nos.listdir('.')", plain.__file__, "exec")
    with pytest.raises(BlockingError, match="listdir"):
        exec(source, {})  # noqa: S102
    assert os.listdir(".")  # noqa: PTH208 - the test itself may


def test_each_exemption_has_a_reason() -> None:
    assert all(reason for *_, reason in blocking.EXEMPT)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", b"localhost", None])
def test_this_machine_is_allowed(host: object) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "example.org", "2001:db8::1", "10.0.0.1", "127.1x"])
def test_other_machines_are_not(host: object) -> None:
    assert not is_loopback(host)


def test_connecting_outside_fails_the_test() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside:
        with pytest.raises(pytest.fail.Exception, match="only reach this machine"):
            outside.connect(("192.0.2.1", 9))
        with pytest.raises(pytest.fail.Exception, match="only reach this machine"):
            socket.getaddrinfo("example.org", 80)


def test_the_guard_steps_aside_for_tests_of_our_own(open_network: None) -> None:
    # A datagram socket: connecting sends nothing. Without a route the system itself refuses.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside, suppress(OSError):
        outside.connect(("192.0.2.1", 9))


def test_settings_of_the_person_who_tests_do_not_leak_in() -> None:
    assert {name for name in os.environ if name.startswith("GREFFIER_")} <= {"GREFFIER_MODELS_DIR"}


def test_a_module_without_a_category_fails_collection(tmp_path: Path) -> None:
    from tests import conftest

    class Item:
        path = tmp_path / "test_x.py"

        def __init__(self, *names: str) -> None:
            self._marks = [getattr(pytest.mark, name).mark for name in names]

        def iter_markers(self) -> list[pytest.Mark]:
            return self._marks

    for names in [(), ("unit", "e2e"), ("slow",)]:
        with pytest.raises(pytest.UsageError, match=r"test_x\.py"):
            conftest.pytest_collection_modifyitems([Item(*names)])  # type: ignore[list-item]
    conftest.pytest_collection_modifyitems([Item("unit", "slow")])  # type: ignore[list-item]


def test_every_scene_has_its_recording() -> None:
    scenes = load_scenes()
    assert set(scenes) == {"meeting-bilingual", "meeting-fr", "radio-en", "radio-fr"}
    for scene in scenes.values():
        assert scene.audio.stat().st_size > 1_000_000
        assert all(0 <= turn.start_ms < turn.end_ms <= scene.duration_ms for turn in scene.turns)
        assert (scene.kind == "meeting") == bool(scene.minutes)
