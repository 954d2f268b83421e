"""A recogniser in a real child process that crashes, hangs, stops and talks nonsense."""

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest

from greffier_models.errors import (
    EngineDied,
    EngineError,
    EngineUnavailable,
    RequestPoisoned,
    UnsupportedLanguage,
)
from greffier_models.fakes import FakeRecognizer
from greffier_models.isolation import Recipe, RecognizerProcess, WatchSettings
from greffier_models.revival import Revival, RevivalSettings
from greffier_models.runtime import RecognitionRuntime
from greffier_models.types import AudioWindow, Hypothesis, RecognitionOptions
from tests.support.engine_child import gone
from tests.support.failing_engine import (
    CRASH,
    EXIT,
    HANG,
    NONSENSE,
    RAISE,
    REFUSE,
    SLOW,
    STOP,
)
from tests.support.wheel import ROOT

pytestmark = pytest.mark.integration

WATCH = WatchSettings(
    beat_s=0.1, silent_s=3, least_s=1.5, unknown_s=1.5, load_s=60, load_silent_s=60
)
OPTIONS = RecognitionOptions(language="en")


def window(*orders: int, seconds: float = 1) -> AudioWindow:
    pcm = np.zeros(int(16_000 * seconds), np.int16)
    pcm[: len(orders)] = orders
    return AudioWindow(pcm, 500)


def recipe(load: str = "") -> Recipe:
    return Recipe("tests.support.failing_engine:make", {"load": load})


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children find this test's engine."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


@pytest.fixture
def engine() -> Iterator[RecognizerProcess]:
    process = RecognizerProcess(recipe(), watch=WATCH)
    process.start()
    try:
        yield process
    finally:
        process.close()


def test_it_answers_as_an_engine_in_this_process(engine: RecognizerProcess) -> None:
    assert engine.identity.model == "failing"
    assert engine.workers == 2
    assert "fr" in engine.languages
    windows = [window(), window(seconds=0.5)]
    here = FakeRecognizer().decode([(each, OPTIONS) for each in windows])
    assert engine.decode([(each, OPTIONS) for each in windows]) == here
    assert engine.identify(windows[0], ("en",)) == {"en": 0.75, "fr": 0.25}
    with pytest.raises(UnsupportedLanguage):
        engine.decode([(window(REFUSE), OPTIONS)])
    assert engine.decode([(windows[0], OPTIONS)]) == here[:1]


def test_what_an_engine_raises_is_not_told_with_its_content(
    engine: RecognizerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(EngineError) as failed:
        engine.decode([(window(RAISE), OPTIONS)])
    assert failed.value.code == "engine_failed"
    pid = engine.pid
    engine.close()
    assert pid is not None
    assert gone(pid)
    assert "ZeroDivisionError" in caplog.text
    assert "what was said" not in caplog.text


@pytest.mark.parametrize(
    ("order", "cause"),
    [
        (CRASH, "died"),
        (EXIT, "died"),
        (HANG, "stalled"),
        (NONSENSE, "nonsense"),
        (STOP, "silent"),
    ],
)
def test_every_way_to_fail_ends_in_one_error_and_a_new_child_works(
    engine: RecognizerProcess, order: int, cause: str
) -> None:
    watch_pid = engine.pid
    with pytest.raises(EngineDied) as died:
        engine.decode([(window(order), OPTIONS)])
    # A stopped child shows by its silence or by the request, whichever is first.
    assert died.value.cause in ({"silent", "stalled"} if order == STOP else {cause})
    assert watch_pid is not None
    assert gone(watch_pid)
    with pytest.raises(EngineDied):
        engine.decode([(window(), OPTIONS)])
    engine.start()
    assert engine.pid != watch_pid
    assert len(engine.decode([(window(), OPTIONS)])) == 1


def test_requests_of_several_threads_do_not_mix(engine: RecognizerProcess) -> None:
    lengths = [0.1 + 0.05 * n for n in range(24)]
    with ThreadPoolExecutor(4) as pool:
        slow = [[(window(SLOW, seconds=length), OPTIONS)] for length in lengths[:8]]
        assert [len(each) for each in pool.map(engine.decode, slow)] == [1] * 8
        named = pool.map(engine.identify, [window(seconds=length) for length in lengths])
        assert list(named) == [{"en": 0.75, "fr": 0.25}] * len(lengths)


def test_where_it_crashed_is_in_the_log(
    engine: RecognizerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(EngineDied):
        engine.decode([(window(CRASH), OPTIONS)])
    engine.close()
    assert "Segmentation fault" in caplog.text
    assert "failing_engine.py" in caplog.text


def test_a_child_that_is_killed_while_nothing_is_asked(engine: RecognizerProcess) -> None:
    killed = engine.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    assert gone(killed)
    with pytest.raises(EngineDied):
        engine.identify(window())


@pytest.mark.parametrize(
    ("load", "kind"), [("refuse", EngineError), ("raise", EngineError), ("die", EngineDied)]
)
def test_an_engine_that_cannot_be_loaded(load: str, kind: type[EngineError]) -> None:
    process = RecognizerProcess(recipe(load), watch=WATCH)
    with pytest.raises(EngineError) as failed:
        process.start()
    assert type(failed.value) is kind
    assert "private" not in failed.value.message
    assert process.pid is None
    with pytest.raises(EngineUnavailable):
        process.identity  # noqa: B018
    process.close()


def test_what_native_code_prints_does_not_get_between_the_answers() -> None:
    process = RecognizerProcess(recipe("print"), watch=WATCH)
    process.start()
    assert len(process.decode([(window(), OPTIONS)])) == 1
    process.close()


def test_closing_ends_whoever_waits_and_leaves_nothing() -> None:
    before = set(threading.enumerate())
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    process = RecognizerProcess(recipe(), watch=WatchSettings())
    process.start()
    pid = process.pid
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(process.decode, [(window(HANG), OPTIONS)])
        time.sleep(0.3)
        assert not hanging.done()
        process.close()
        with pytest.raises(EngineUnavailable):
            hanging.result(10)
    assert pid is not None
    assert gone(pid)
    with pytest.raises(EngineUnavailable):
        process.start()
    process.close()
    assert not [t for t in set(threading.enumerate()) - before if t.name.startswith("engine")]
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


# --- under the runtime ------------------------------------------------------------------------


@pytest.fixture
async def runtime() -> AsyncIterator[RecognitionRuntime]:
    process = RecognizerProcess(recipe(), watch=WATCH)
    async with AsyncExitStack() as stack:
        await asyncio.to_thread(process.start)
        revival = Revival(process.start, settings=RevivalSettings(first_s=0.01, down_after=9))
        runtime = RecognitionRuntime(process, workers=2, revival=revival)
        await stack.enter_async_context(runtime)
        stack.push_async_callback(asyncio.to_thread, process.close)
        yield runtime


async def _ask(runtime: RecognitionRuntime, session: str, *orders: int) -> Hypothesis:
    return await runtime.transcribe(window(*orders), OPTIONS, stream=("t", session))


async def test_a_poisoned_window_is_set_aside_and_its_neighbours_are_answered(
    runtime: RecognitionRuntime,
) -> None:
    orders = [(), (), (CRASH,), (), ()]
    outcomes = await asyncio.gather(
        *(_ask(runtime, f"s{n}", *order) for n, order in enumerate(orders)),
        return_exceptions=True,
    )
    assert isinstance(outcomes[2], RequestPoisoned)
    assert [isinstance(outcome, Hypothesis) for outcome in outcomes] == [
        True,
        True,
        False,
        True,
        True,
    ]
    assert runtime.condition.restarts <= 3
    assert runtime.condition.set_aside == 1
    assert isinstance(await _ask(runtime, "s2"), Hypothesis)
    assert runtime.condition.state == "up"


async def test_a_window_that_hangs_is_set_aside_too(runtime: RecognitionRuntime) -> None:
    with pytest.raises(RequestPoisoned):
        await _ask(runtime, "s", HANG)
    assert runtime.condition.cause == "stalled"
    assert isinstance(await _ask(runtime, "s"), Hypothesis)
