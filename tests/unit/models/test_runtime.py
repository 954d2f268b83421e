"""The runtime: order, batches, refusals, and what happens when the model fails."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import pytest

from greffier_models.errors import EngineError, EngineUnavailable, UnsupportedLanguage
from greffier_models.runtime import RecognitionRuntime
from greffier_models.types import AudioWindow, EngineIdentity, Hypothesis, RecognitionOptions

pytestmark = pytest.mark.unit

T = TypeVar("T")


class _Engine:
    """Answers with the prefix it was given, as language; waits at a gate."""

    identity = EngineIdentity("test", "test", "")
    languages = frozenset({"fr"})

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.batches: list[list[str]] = []
        self.threads: set[str] = set()
        self.fail: Callable[[Sequence[str]], None] = lambda prefixes: None

    def identify(self, window: AudioWindow, candidates: Sequence[str] = ()) -> dict[str, float]:
        del window
        return self._work([f"identify {','.join(candidates)}"], {"fr": 1.0})

    def decode(
        self, batch: Sequence[tuple[AudioWindow, RecognitionOptions]]
    ) -> Sequence[Hypothesis]:
        prefixes = [options.prefix for _, options in batch]
        answers = [Hypothesis((), options.prefix) for _, options in batch]
        return self._work(prefixes, answers)

    def _work(self, names: list[str], answer: T) -> T:
        self.entered.set()
        assert self.gate.wait(10)
        self.threads.add(threading.current_thread().name)
        self.batches.append(names)
        self.fail(names)
        return answer


WINDOW = AudioWindow(np.zeros(16_000, np.int16))


async def _entered(engine: _Engine) -> None:
    assert await asyncio.to_thread(engine.entered.wait, 10)


def _ask(
    runtime: RecognitionRuntime, name: str, *, deadline_ms: int = 0, beam_size: int = 1
) -> "asyncio.Task[Hypothesis]":
    options = RecognitionOptions(prefix=name, beam_size=beam_size)
    return asyncio.create_task(runtime.transcribe(WINDOW, options, deadline_ms=deadline_ms))


async def _busy(runtime: RecognitionRuntime, engine: _Engine) -> "asyncio.Task[Hypothesis]":
    """A request in the model's hands, so that what follows must wait."""
    first = _ask(runtime, "busy")
    await _entered(engine)
    return first


async def test_the_sooner_deadline_is_decoded_first() -> None:
    engine = _Engine()
    async with RecognitionRuntime(engine, max_batch=2) as runtime:
        tasks = [await _busy(runtime, engine)]
        tasks += [_ask(runtime, str(at), deadline_ms=at) for at in (50, 10, 40, 20, 30, 20)]
        await asyncio.sleep(0)
        assert runtime.waiting == 6
        engine.gate.set()
        await asyncio.gather(*tasks)
    assert engine.batches == [["busy"], ["10", "20"], ["20", "30"], ["40", "50"]]


async def test_each_caller_gets_its_own_answer() -> None:
    engine = _Engine()
    engine.gate.set()
    async with RecognitionRuntime(engine, max_batch=3) as runtime:
        tasks = [_ask(runtime, f"p{n}", deadline_ms=-n) for n in range(20)]
        answers = await asyncio.gather(*tasks)
    assert [answer.language for answer in answers] == [f"p{n}" for n in range(20)]
    assert max(len(batch) for batch in engine.batches) == 3


async def test_only_requests_alike_share_a_batch() -> None:
    engine = _Engine()
    async with RecognitionRuntime(engine, max_batch=4) as runtime:
        tasks: list[asyncio.Task[Hypothesis] | asyncio.Task[dict[str, float]]] = [
            await _busy(runtime, engine),
            _ask(runtime, "a", deadline_ms=1),
            _ask(runtime, "b", deadline_ms=2, beam_size=5),
            _ask(runtime, "c", deadline_ms=3),
            asyncio.create_task(runtime.identify(WINDOW, ["fr", "en"], deadline_ms=2)),
        ]
        await asyncio.sleep(0)
        engine.gate.set()
        await asyncio.wait(tasks)
    assert engine.batches == [["busy"], ["a", "c"], ["b"], ["identify fr,en"]]
    assert len(engine.threads) == 1


async def test_cancelled_callers_are_skipped() -> None:
    engine = _Engine()
    async with RecognitionRuntime(engine) as runtime:
        busy = await _busy(runtime, engine)
        gone, stays = _ask(runtime, "gone"), _ask(runtime, "stays")
        await asyncio.sleep(0)
        gone.cancel()
        busy.cancel()
        await asyncio.wait([gone, busy])
        engine.gate.set()
        assert (await stays).language == "stays"
    assert engine.batches == [["busy"], ["stays"]]


async def test_too_many_waiting_are_refused_and_the_cancelled_do_not_count() -> None:
    engine = _Engine()
    async with RecognitionRuntime(engine, max_waiting=2) as runtime:
        busy = await _busy(runtime, engine)
        first, second = _ask(runtime, "1"), _ask(runtime, "2")
        await asyncio.sleep(0)
        with pytest.raises(EngineUnavailable) as refused:
            await runtime.transcribe(WINDOW, RecognitionOptions())
        assert refused.value.retryable
        first.cancel()
        await asyncio.wait([first])
        third = _ask(runtime, "3")
        await asyncio.sleep(0)
        engine.gate.set()
        assert [(await task).language for task in (busy, second, third)] == ["busy", "2", "3"]


async def test_close_refuses_what_waits_and_ends_its_thread() -> None:
    before = set(threading.enumerate())
    engine = _Engine()
    runtime = RecognitionRuntime(engine)
    with pytest.raises(EngineUnavailable):
        await runtime.transcribe(WINDOW, RecognitionOptions())
    async with runtime:
        busy = await _busy(runtime, engine)
        waiting = _ask(runtime, "waiting")
        await asyncio.sleep(0)
        closing = asyncio.create_task(runtime.close())
        await asyncio.sleep(0)
        with pytest.raises(EngineUnavailable):
            await runtime.identify(WINDOW)
        engine.gate.set()
        await closing
        assert (await busy).language == "busy"
        with pytest.raises(EngineUnavailable):
            await waiting
        with pytest.raises(EngineUnavailable):
            await runtime.transcribe(WINDOW, RecognitionOptions())
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert not [name for name in left if name.startswith("greffier-recognition")]


async def test_a_request_that_fails_does_not_fail_its_neighbours() -> None:
    engine = _Engine()

    def refuse(prefixes: Sequence[str]) -> None:
        if "bad" in prefixes:
            raise UnsupportedLanguage("No.")

    engine.fail = refuse
    async with RecognitionRuntime(engine) as runtime:
        busy = await _busy(runtime, engine)
        tasks = [_ask(runtime, name) for name in ("good", "bad", "better")]
        await asyncio.sleep(0)
        engine.gate.set()
        good, bad, better = await asyncio.gather(*tasks, return_exceptions=True)
        await busy
    assert isinstance(good, Hypothesis)
    assert isinstance(better, Hypothesis)
    assert (good.language, better.language) == ("good", "better")
    assert isinstance(bad, UnsupportedLanguage)


async def test_whatever_the_model_raises_reaches_its_caller_as_an_engine_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = _Engine()
    engine.gate.set()

    def explode(prefixes: Sequence[str]) -> None:
        if prefixes == ["x"]:
            raise ZeroDivisionError("secret")

    engine.fail = explode
    async with RecognitionRuntime(engine) as runtime:
        with pytest.raises(EngineError) as failed:
            await _ask(runtime, "x")
        assert "secret" not in failed.value.message
        assert (await _ask(runtime, "y")).language == "y"
    assert "unexpected error" in caplog.text


async def test_a_model_that_answers_too_few_does_not_stop_the_runtime() -> None:
    class Short(_Engine):
        def decode(
            self, batch: Sequence[tuple[AudioWindow, RecognitionOptions]]
        ) -> Sequence[Hypothesis]:
            return super().decode(batch)[:-1]

    engine = Short()
    engine.gate.set()
    async with RecognitionRuntime(engine) as runtime:
        for _ in range(2):
            with pytest.raises(EngineError):
                await _ask(runtime, "x")


async def test_batches_are_observed() -> None:
    engine = _Engine()
    engine.gate.set()
    seen: list[tuple[float, int]] = []
    async with RecognitionRuntime(
        engine, observe=lambda seconds, windows: seen.append((seconds, windows))
    ) as runtime:
        await _ask(runtime, "x")
    assert [windows for _, windows in seen] == [1]
    assert seen[0][0] >= 0


async def test_what_waits_is_shared_among_free_workers() -> None:
    engine = _Engine()
    async with RecognitionRuntime(engine, workers=2, max_batch=4) as runtime:
        busy = [_ask(runtime, "busy 1"), _ask(runtime, "busy 2")]
        await _entered(engine)
        tasks = [_ask(runtime, str(n), deadline_ms=n) for n in range(4)]
        await asyncio.sleep(0)
        assert runtime.waiting == 4
        assert runtime.outstanding == 6
        engine.gate.set()
        await asyncio.gather(*busy, *tasks)
        assert runtime.outstanding == 0
    assert sum(map(len, engine.batches)) == 6
    assert max(map(len, engine.batches)) <= 4
    assert len(engine.threads) == 2


async def test_two_requests_at_once_go_to_two_idle_workers() -> None:
    engine = _Engine()
    engine.gate.set()
    async with RecognitionRuntime(engine, workers=2) as runtime:
        await asyncio.gather(_ask(runtime, "a"), _ask(runtime, "b"))
    assert sorted(engine.batches) == [["a"], ["b"]]


def _background(runtime: RecognitionRuntime, name: str) -> "asyncio.Task[Hypothesis]":
    options = RecognitionOptions(prefix=name)
    return asyncio.create_task(
        runtime.transcribe(WINDOW, options, deadline_ms=-1, priority=1, stream=("t", "file"))
    )


async def test_background_work_waits_for_speech_and_keeps_its_batches_short() -> None:
    engine = _Engine()
    async with RecognitionRuntime(engine) as runtime:
        busy = await _busy(runtime, engine)
        files = [_background(runtime, f"file {n}") for n in range(3)]
        await asyncio.sleep(0)
        speech = _ask(runtime, "speech", deadline_ms=99)
        await asyncio.sleep(0)
        engine.gate.set()
        await asyncio.gather(busy, speech, *files)
    assert engine.batches == [["busy"], ["speech"], ["file 0"], ["file 1"], ["file 2"]]


async def test_background_work_leaves_a_worker_free_while_sessions_are_live() -> None:
    engine = _Engine()
    async with RecognitionRuntime(engine, workers=2) as runtime:
        engine.gate.set()
        await _ask(runtime, "speech")
        engine.gate.clear()
        engine.entered.clear()
        files = [_background(runtime, f"file {n}") for n in range(3)]
        await _entered(engine)
        assert runtime.waiting == 2
        engine.gate.set()
        await asyncio.gather(*files)
    assert all(len(batch) == 1 for batch in engine.batches)


async def test_background_work_alone_takes_whole_batches() -> None:
    engine = _Engine()
    async with RecognitionRuntime(engine, max_batch=4) as runtime:
        files = [_background(runtime, f"file {n}") for n in range(4)]
        engine.gate.set()
        await asyncio.gather(*files)
        assert runtime.load.streams == 0
    assert [len(batch) for batch in engine.batches] == [4]


async def test_a_cancelled_request_leaves_the_queue_at_once() -> None:
    engine = _Engine()
    async with RecognitionRuntime(engine) as runtime:
        busy = await _busy(runtime, engine)
        gone = _ask(runtime, "gone")
        await asyncio.sleep(0)
        assert runtime.waiting == 1
        gone.cancel()
        await asyncio.wait([gone])
        assert runtime.waiting == 0
        engine.gate.set()
        await busy


async def test_windows_of_other_lengths_are_other_batches() -> None:
    engine = _Engine()
    async with RecognitionRuntime(engine) as runtime:
        busy = await _busy(runtime, engine)
        tasks = [
            asyncio.create_task(
                runtime.transcribe(WINDOW, RecognitionOptions(prefix=f"{n}", fill_ms=fill_ms))
            )
            for n, fill_ms in enumerate((15_000, 8_000, 15_000))
        ]
        await asyncio.sleep(0)
        engine.gate.set()
        await asyncio.gather(busy, *tasks)
    assert engine.batches == [["busy"], ["0", "2"], ["1"]]


async def test_load_tells_streams_and_cost() -> None:
    engine = _Engine()
    engine.gate.set()
    async with RecognitionRuntime(engine) as runtime:
        for session in ("a", "b", "a"):
            await runtime.transcribe(WINDOW, RecognitionOptions(), stream=("t", session))
        assert runtime.load.streams == 2
        assert 0 < runtime.load.cost_s < 10
