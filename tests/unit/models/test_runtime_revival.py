"""The runtime over an engine that dies: what it held is sent again, and the guilty set aside."""

import asyncio
import threading
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from greffier_models.devices import DeviceGroup
from greffier_models.errors import (
    EngineDied,
    EngineDown,
    EngineError,
    EngineUnavailable,
    RequestPoisoned,
)
from greffier_models.revival import Revival, RevivalSettings
from greffier_models.runtime import RecognitionRuntime
from greffier_models.types import AudioWindow, EngineIdentity, Hypothesis, RecognitionOptions

pytestmark = pytest.mark.unit

WINDOW = AudioWindow(np.zeros(16_000, np.int16))


class Mortal:
    """Dies of requests named in `deadly`, with all that it holds; needs a start after that."""

    identity = EngineIdentity("test", "test", "")
    languages = frozenset({"fr"})

    def __init__(self, *deadly: str) -> None:
        self.deadly = set(deadly)
        self.deaths = 0
        self.deaths_left = 1_000
        self.alive = True
        self.startable = True
        self.starts = 0
        self.begun = threading.Semaphore(0)
        self.batches: list[list[str]] = []
        self.held = 0
        self._lock = threading.Condition()

    def start(self) -> None:
        self.starts += 1
        self.begun.release()
        if not self.startable:
            raise EngineDied("It does not start.")
        with self._lock:
            self.alive = True

    def identify(self, window: AudioWindow, candidates: Sequence[str] = ()) -> dict[str, float]:
        del window
        self._work([",".join(candidates)])
        return {"fr": 1.0}

    def decode(
        self, batch: Sequence[tuple[AudioWindow, RecognitionOptions]]
    ) -> Sequence[Hypothesis]:
        names = [options.prefix for _, options in batch]
        self._work(names)
        return [Hypothesis((), name) for name in names]

    def _work(self, names: list[str]) -> None:
        self.batches.append(names)
        with self._lock:
            if self.deadly & set(names) and self.alive and self.deaths < self.deaths_left:
                self.deaths += 1
                self.alive = False
            if not self.alive:
                raise EngineDied("It died.", cause="died")


def _runtime(
    engine: Mortal,
    *,
    workers: int = 1,
    max_batch: int = 4,
    observe: Callable[[float, int], None] | None = None,
) -> RecognitionRuntime:
    async def at_once(seconds: float) -> None:
        assert seconds >= 0
        await asyncio.sleep(0)

    revival = Revival(engine.start, settings=RevivalSettings(down_after=20), sleep=at_once)
    return RecognitionRuntime(
        engine, workers=workers, max_batch=max_batch, observe=observe, revival=revival
    )


def _ask(runtime: RecognitionRuntime, name: str, session: str = "s") -> "asyncio.Task[Hypothesis]":
    options = RecognitionOptions(prefix=name)
    return asyncio.create_task(runtime.transcribe(WINDOW, options, stream=("t", session)))


async def _patiently(runtime: RecognitionRuntime, name: str) -> str:
    """Ask as sessions do: until the engine is not down."""
    while True:
        try:
            return (await _ask(runtime, name)).language
        except EngineDown:
            await asyncio.sleep(0)


async def test_a_death_costs_callers_time_and_nothing_else() -> None:
    engine = Mortal("b")
    engine.deaths_left = 1
    async with _runtime(engine, max_batch=2) as runtime:
        tasks = [_ask(runtime, name, name) for name in "abcd"]
        answers = await asyncio.gather(*tasks)
        assert [answer.language for answer in answers] == list("abcd")
        condition = runtime.condition
        assert (condition.state, condition.restarts, condition.set_aside) == ("up", 1, 0)
        assert runtime.outstanding == 0
    assert engine.batches == [["a", "b"], ["a", "b"], ["c", "d"]], "again, and before what waits"


async def test_a_death_is_no_load() -> None:
    engine = Mortal("a")
    engine.deaths_left = 1
    counted: list[int] = []

    def count(seconds: float, windows: int) -> None:
        assert seconds < 5
        counted.append(windows)

    async with _runtime(engine, observe=count) as runtime:
        await _ask(runtime, "a")
        assert runtime.load.wait_s < 5
    assert counted == [1]


@pytest.mark.parametrize("workers", [1, 2, 3])
async def test_only_the_guilty_is_set_aside(workers: int) -> None:
    engine = Mortal("c")
    async with _runtime(engine, workers=workers, max_batch=4) as runtime:
        tasks = [_ask(runtime, name, name) for name in "abcdefgh"]
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(answers[2], RequestPoisoned)
        assert not answers[2].retryable
        heard = [answer.language for answer in answers if isinstance(answer, Hypothesis)]
        assert heard == list("abdefgh")
        assert runtime.condition.set_aside == 1
        assert runtime.condition.state == "up"
    assert engine.deaths <= 3
    assert engine.starts == engine.deaths


async def test_a_deadly_identification_is_set_aside_too() -> None:
    engine = Mortal("fr,en")
    async with _runtime(engine) as runtime:
        with pytest.raises(RequestPoisoned):
            await runtime.identify(WINDOW, ("fr", "en"))
        assert (await _ask(runtime, "a")).language == "a"
    assert engine.deaths == 2


async def test_nobody_is_blamed_when_the_engine_dies_of_everything() -> None:
    engine = Mortal("a", "b", "c", "d")
    async with _runtime(engine) as runtime:
        outcomes = await asyncio.gather(
            *(_ask(runtime, name, name) for name in "abcd"), return_exceptions=True
        )
        kinds = [type(outcome) for outcome in outcomes]
        assert kinds.count(RequestPoisoned) == 2
        assert kinds.count(EngineDown) == 2
        engine.deadly.clear()
        assert (await _ask(runtime, "a")).language == "a"


async def test_one_bad_session_goes_on_being_set_aside() -> None:
    engine = Mortal("bad")
    async with _runtime(engine) as runtime:
        for _ in range(5):
            with pytest.raises(RequestPoisoned):
                await _ask(runtime, "bad")
    assert engine.deaths == 10


async def test_a_cancelled_request_is_not_sent_again() -> None:
    engine = Mortal("a")
    engine.startable = False
    async with _runtime(engine, max_batch=2) as runtime:
        tasks = [_ask(runtime, "a"), _ask(runtime, "b")]
        assert await asyncio.to_thread(engine.begun.acquire, timeout=30)
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
        engine.startable = True
        assert (await tasks[1]).language == "b"
    assert engine.batches == [["a", "b"], ["b"]]


async def test_while_it_is_down_everybody_is_told_and_it_comes_back() -> None:
    engine = Mortal("a")
    engine.startable = False
    down = asyncio.Event()
    calm = asyncio.Event()

    async def sleep(seconds: float) -> None:
        assert seconds > 0
        if revival.hopeless:
            down.set()
            await calm.wait()

    revival = Revival(engine.start, settings=RevivalSettings(down_after=3), sleep=sleep)
    async with RecognitionRuntime(engine, revival=revival) as runtime:
        first = _ask(runtime, "a")
        await down.wait()
        with pytest.raises(EngineDown) as told:
            await first
        assert told.value.retryable
        with pytest.raises(EngineDown):
            await _ask(runtime, "b")
        assert runtime.condition.state == "down"
        other = _runtime(Mortal())
        async with other:
            group = DeviceGroup([runtime, other])
            assert (await group.transcribe(WINDOW, RecognitionOptions(prefix="c"))).language == "c"
        engine.startable = True
        calm.set()
        async with asyncio.timeout(30):
            assert await _patiently(runtime, "b") == "b"
        assert runtime.condition.state == "up"


async def test_closing_does_not_wait_for_an_engine_that_does_not_start() -> None:
    engine = Mortal("a")
    engine.startable = False
    async with _runtime(engine) as runtime:
        task = _ask(runtime, "a")
        for _ in range(2):
            assert await asyncio.to_thread(engine.begun.acquire, timeout=30)
        await runtime.close()
        with pytest.raises(EngineUnavailable):
            await task


async def test_a_closed_engine_ends_the_waiting() -> None:
    class Closed(Mortal):
        def start(self) -> None:
            raise EngineUnavailable("The speech model was closed.")

    engine = Closed("a")
    async with _runtime(engine) as runtime:
        with pytest.raises(EngineUnavailable):
            await _ask(runtime, "a")


async def test_without_a_revival_a_death_is_an_error() -> None:
    engine = Mortal("a")
    async with RecognitionRuntime(engine) as runtime:
        with pytest.raises(EngineError) as died:
            await _ask(runtime, "a")
        assert died.value.code == "engine_died"
        assert runtime.condition.state == "up"
